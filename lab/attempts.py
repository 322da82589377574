"""What people try while nobody can log in; the services answer, and log what they refuse."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from stsfix.lab.domain_sts import DomainSts
from stsfix.lab.faults import Dropped
from stsfix.lab.https import Request
from stsfix.lab.sso.login_page import PREFIX

if TYPE_CHECKING:
    from stsfix.lab.appliance import Appliance
    from stsfix.lab.lab import Lab
    from stsfix.lab.programs import NodeParts

_LOGIN = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this>'
    "<userName>administrator@{domain}</userName><password>{password}</password></Login>"
    "</soapenv:Body></soapenv:Envelope>"
)


def try_to_work(lab: Lab) -> None:
    """Let somebody log in to every vCenter by browser and by script, export a VM from a content
    library and replace a certificate.
    """
    for node in lab.nodes.values():
        parts = node.parts
        if parts is None or not node.disk.role.has_vcenter:
            continue
        _log_in_by_browser(lab, node)
        _log_in_by_script(lab, node, parts)
        _send(parts, Request(method="GET", path="/rest/com/vmware/content/library"))
        _replace_certificate(node, parts)


def _log_in_by_browser(lab: Lab, node: Appliance) -> None:
    controller = lab.nodes[node.disk.psc].parts
    if controller is None:
        return
    proof = base64.b64encode(f"administrator@{node.disk.domain}:{lab.passwords.sso}".encode())
    form = urlencode({"CastleAuthorization": f"Basic {proof.decode()}"})
    page = f"{PREFIX}/{node.disk.domain}?SAMLRequest=fZE"
    _send(controller, Request(method="POST", path=page, body=form.encode()))


def _log_in_by_script(lab: Lab, node: Appliance, parts: NodeParts) -> None:
    password = escape(lab.passwords.sso)
    body = _LOGIN.format(domain=node.disk.domain, password=password).encode()
    headers = {"soapaction": '"urn:vim25/6.5"', "content-type": "text/xml"}
    _send(parts, Request(method="POST", path="/sdk", headers=headers, body=body))


def _send(parts: NodeParts, request: Request) -> None:
    try:
        parts.front.dispatch(request)
    except Dropped:
        return


def _replace_certificate(node: Appliance, parts: NodeParts) -> None:
    """certificate-manager asks the lookup service first, and needs a token for that."""
    sts = DomainSts(node.network, node.disk.fqdn, node.disk.psc, now=node.now)
    fault = sts.fault()
    if fault is not None:
        parts.logs.replacement_failed(fault)
