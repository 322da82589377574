"""What a node's pages say to anybody: GET requests without a login.

No secret is sent, so a node whose certificate cannot be verified is asked all the same, pinned to
the certificate it shows at that moment; its answers say so.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from stsfix.remediation.diagnosis.evidence import WebAnswer
from stsfix.remediation.diagnosis.investigate import WebReading
from stsfix.remediation.errors import NodeTlsError, NodeUnreachableError
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.web import metadata
from stsfix.remediation.web.https import Answer, request
from stsfix.snapshot.errors import AnswerTooLargeError
from stsfix.snapshot.tls import Trust
from stsfix.snapshot.words import CUT, first_words, shortened

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.tls import Endpoint

TEXT_LIMIT: Final = 400
"""Characters of a page's text that are kept; messages of interest are below 300."""

_HOPS: Final = 4
"""Redirects that are followed: /ui, /ui/login, the STS's page, and one to spare."""

_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_FOLLOWED: Final = ("/ui", "/websso/")
_PARSED: Final = 64 * 1024
_SCRIPT: Final = re.compile(r"<(script|style)\b.*?(</\1>|$)", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")
_NO_CHARACTER: Final = re.compile(r"&#[0-9]{10,}+;?")
"""A reference to no character, which html.unescape would convert to a number: int() refuses 4,300
digits.
"""


class WebProbe:
    """`investigate.WebReader` over HTTPS.

    *front* tells where port 443 of a node is, *sts* where its STS listens by itself (7444).
    *show* returns the leaf (DER) that an endpoint shows, and verifies nothing.
    """

    def __init__(
        self,
        *,
        front: Callable[[str], Endpoint],
        sts: Callable[[str], Endpoint],
        show: Callable[[Endpoint], bytes],
        domain: str,
        clock: Clock,
    ) -> None:
        self._front = front
        self._sts = sts
        self._show = show
        self._domain = domain
        self._clock = clock

    def read_web(
        self, fqdn: str, *, vcenter: bool, sts: bool, own_port: bool, known: frozenset[str]
    ) -> WebReading:
        """See `investigate.WebReader`. The first silence of a port ends what is asked there."""
        paths = ["/ui/", "/sdk/vimServiceVersions.xml"] if vcenter else []
        metadata_path = f"/websso/SAML2/Metadata/{self._domain}"
        if sts:
            paths += [
                metadata_path,
                f"/websso/SAML2/SSO/{self._domain}",
                f"/sts/STSService/{self._domain}",
            ]
        found: list[WebAnswer | UnreadPart] = []
        signer: bytes | None = None
        for path in paths:
            answers, page = self._follow(self._front(fqdn), path, known)
            found += answers
            if page is None:
                break
            if path == metadata_path and page.status == _OK:
                signer = _signer(page)
        if own_port:
            own = self._sts(fqdn)
            answers, _ = self._follow(own, f"/sts/STSService/{self._domain}", frozenset())
            # It may be closed to others (unverified), and 443 leads to the same STS.
            found += [answer for answer in answers if isinstance(answer, WebAnswer)]
        return WebReading(answers=tuple(found), signer=signer)

    def _follow(
        self, endpoint: Endpoint, path: str, known: frozenset[str]
    ) -> tuple[list[WebAnswer | UnreadPart], Answer | None]:
        """Ask for *path* and what it redirects to; None if there was no answer at all."""
        found: list[WebAnswer | UnreadPart] = []
        answer: Answer | None = None
        for _ in range(_HOPS):
            asked = f"GET https://{endpoint.name}:{endpoint.port}{path.partition('?')[0]}"
            try:
                answer, verified = self._ask(endpoint, path)
            except (NodeUnreachableError, NodeTlsError, AnswerTooLargeError) as error:
                found.append(UnreadPart(what=asked, reason=str(error)))
                return found, answer
            text = page_text(answer)
            found.append(
                WebAnswer(request=asked, status=answer.status, text=text, verified=verified)
            )
            onward = self._onward(endpoint, answer, known)
            if onward is None:
                break
            endpoint, path = onward
        return found, answer

    def _ask(self, endpoint: Endpoint, path: str) -> tuple[Answer, bool]:
        try:
            return self._get(endpoint, path), True
        except NodeTlsError:
            seen = Trust(sha256=fingerprint(self._show(endpoint)))
            return self._get(replace(endpoint, trust=seen), path), False

    def _get(self, endpoint: Endpoint, path: str) -> Answer:
        return request(endpoint, "GET", path, clock=self._clock, may_be_unavailable=True)

    def _onward(
        self, endpoint: Endpoint, answer: Answer, known: frozenset[str]
    ) -> tuple[Endpoint, str] | None:
        """Return where a redirect leads if that is a page of a node of the domain."""
        if answer.status not in _REDIRECTS or not answer.location:
            return None
        try:
            parts = urlsplit(answer.location)
            host = (parts.hostname or endpoint.name).lower()
        except ValueError:
            return None
        path = parts.path or "/"
        if parts.scheme not in ("", "https") or not path.startswith(_FOLLOWED):
            return None
        if host != endpoint.name.lower() and host not in known:
            return None
        if not path.isprintable() or " " in path:
            return None
        query = f"?{parts.query}" if parts.query else ""
        return (endpoint if host == endpoint.name.lower() else self._front(host)), path + query


def page_text(answer: Answer) -> str:
    """Return what a page says, on one line, without markup and control characters."""
    raw = answer.body[:_PARSED].decode("utf-8", "replace")
    plain = _TAG.sub(" ", _SCRIPT.sub(" ", raw))
    plain = html.unescape(_NO_CHARACTER.sub("\ufffd", plain))
    printable = "".join(c if c.isprintable() else " " for c in plain)
    # Marked here: what was cut may have been markup for the most part.
    cut = CUT if len(answer.body) > _PARSED else ""
    text = first_words(f"{printable}{cut}", TEXT_LIMIT)
    if answer.status in _REDIRECTS and answer.location:
        leads = "".join(c if c.isprintable() else "?" for c in answer.location.partition("?")[0])
        return f"redirect to {shortened(leads, TEXT_LIMIT)}"
    return text


def _signer(page: Answer) -> bytes | None:
    try:
        return metadata.parse_signing_chain(page.body)[0]
    except metadata.MetadataError:
        return None
