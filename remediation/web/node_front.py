"""What a node's HTTPS front tells anybody: its clock, and vCenter's version."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.remediation.discovery.nodes import FrontAnswer
from stsfix.remediation.errors import NodeTlsError, NodeUnreachableError
from stsfix.remediation.nodes.node_facts import (
    NO_VCENTER,
    ClockReading,
    Unread,
    VCenterAbout,
    read_between,
)
from stsfix.remediation.web import xml
from stsfix.remediation.web.https import request
from stsfix.snapshot.errors import AnswerTooLargeError
from stsfix.snapshot.words import first_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.tls import Endpoint

_SECOND = timedelta(seconds=1)
_TEXT_LIMIT = 100
_UNREAD = (NodeUnreachableError, NodeTlsError, AnswerTooLargeError)
_CONTENT = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<RetrieveServiceContent xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance'
    b"</_this></RetrieveServiceContent></soapenv:Body></soapenv:Envelope>"
)
"""Answered before login by every vCenter (vSphere API reference, RetrieveServiceContent)."""


class HttpsNodeFront:
    """`discovery.nodes.FrontReader` over HTTPS; *endpoint* says where a node's front is."""

    def __init__(self, endpoint: Callable[[str], Endpoint], clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock

    def read_front(self, fqdn: str, *, vcenter: bool) -> FrontAnswer:
        """Two requests at most, each once; the second only if the first was answered."""
        endpoint = self._endpoint(fqdn)
        clock = self._read_clock(endpoint)
        about: VCenterAbout | Unread = NO_VCENTER
        if vcenter:
            about = clock if isinstance(clock, Unread) else self._read_about(endpoint)
        return FrontAnswer(clock=clock, about=about)

    def _read_clock(self, endpoint: Endpoint) -> ClockReading | Unread:
        before = self._clock.now()
        try:
            answer = request(endpoint, "GET", "/", clock=self._clock, may_be_unavailable=True)
        except _UNREAD as error:
            return Unread(reason=str(error))
        after = self._clock.now()
        if answer.date is None:
            return Unread(reason=f"{endpoint.name} sends no Date")
        # A Date is cut to whole seconds (RFC 9110, 5.6.7): on average it is half a second old.
        theirs = answer.date + _SECOND / 2
        return read_between(theirs, before, after, source="HTTPS Date", resolution=_SECOND)

    def _read_about(self, endpoint: Endpoint) -> VCenterAbout | Unread:
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"urn:vim25/6.5"'}
        try:
            answer = request(
                endpoint, "POST", "/sdk", clock=self._clock, body=_CONTENT, headers=headers
            )
            root = xml.parse(answer.body)
        except (*_UNREAD, xml.XmlRefusedError) as error:
            return Unread(reason=f"/sdk: {error}")
        found = next(iter(xml.descendants(root, "about")), None)
        said = {} if found is None else {xml.local_name(e): xml.text_of(e) for e in found}
        version = first_words(said.get("version", ""), _TEXT_LIMIT)
        if not version:
            return Unread(reason=f"/sdk of {endpoint.name} does not tell its version")
        return VCenterAbout(version=version, build=first_words(said.get("build", ""), _TEXT_LIMIT))
