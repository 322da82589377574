"""The STS's login page, ``/websso/SAML2/SSO``, as far as it says yes or no.

Source: SsoController.java, BaseSsoController.java and AuthnRequestState.java (Lightwave): a GET
shows the form whatever the state of the signer; the signer matters when credentials come, in the
parameter ``CastleAuthorization``. The page that KB 316619 prints is Tomcat's for ``sendError``.
"""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from stsfix.lab.faults import Dropped
from stsfix.lab.https import Reply, Request
from stsfix.lab.service_logs import SIGNER
from stsfix.lab.sso.wstrust import StsFault

if TYPE_CHECKING:
    from stsfix.lab.service_logs import ServiceLogs
    from stsfix.lab.sso.sts import StsService

PREFIX = "/websso/SAML2/SSO"
_HTML = "text/html;charset=utf-8"
_FORM = (
    b"<html><head><title>Login</title></head><body><form id='loginForm' method='post'>"
    b"<input id='username'><input id='password' type='password'></form></body></html>"
)


class LoginPage:
    """The login page of one node; it runs when the STS runs."""

    def __init__(self, sts: StsService, logs: ServiceLogs) -> None:
        self._sts = sts
        self._logs = logs

    @property
    def running(self) -> bool:
        """True while the STS runs."""
        return self._sts.running

    def handle(self, request: Request) -> Reply:
        """Answer a GET with the form, a POST of credentials with what becomes of them."""
        path, _, query = request.path.partition("?")
        tenant = path.removeprefix(PREFIX).strip("/")
        if tenant.casefold() != self._sts.tenant_name.casefold():
            return _refused("BadRequest")
        if "SAMLRequest" not in parse_qs(query):
            return _refused("BadRequest")
        if request.method != "POST":
            return Reply(content_type=_HTML, body=_FORM)
        fields = parse_qs(request.body.decode("utf-8", "replace"))
        return self._log_in(fields.get("CastleAuthorization", [""])[0])

    def _log_in(self, authorization: str) -> Reply:
        try:
            raw = base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raw = ""
        user, _, password = raw.partition(":")
        if not user or not password:
            body = b"<html><body>User name and password are required</body></html>"
            return Reply(status=HTTPStatus.UNAUTHORIZED, content_type=_HTML, body=body)
        try:
            self._sts.issue_for(user, password)
        except StsFault as fault:
            if fault.code == "FailedAuthentication":
                body = b"<html><body>Invalid credentials</body></html>"
                return Reply(status=HTTPStatus.UNAUTHORIZED, content_type=_HTML, body=body)
            text = SIGNER if SIGNER in fault.text else fault.text
            self._logs.page_refused(text)
            return _refused(f"BadRequest, {text}")
        except Dropped:
            return _refused("BadRequest")
        return Reply(content_type=_HTML, body=b"<html><body>SAMLResponse</body></html>")


def _refused(message: str) -> Reply:
    """Return Tomcat's error page with *message*."""
    page = (
        "<!doctype html><html lang='en'><head><title>HTTP Status 400 \u2013 Bad Request</title>"
        "</head><body><h1>HTTP Status 400 \u2013 Bad Request</h1><hr class='line' /><p><b>Type</b> "
        f"Status Report</p><p><b>Message</b> {message}</p></body></html>"
    )
    return Reply(status=HTTPStatus.BAD_REQUEST, content_type=_HTML, body=page.encode())
