"""The vSphere Client of one node (``/ui``): it sends a browser to the STS's login page."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING
from urllib.parse import quote

from stsfix.lab.https import Reply, Request
from stsfix.lab.sso import saml
from stsfix.lab.sso.wstrust import StsFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.service_logs import ServiceLogs
    from stsfix.lab.sso.logins import ServiceAuthority

PREFIX = "/ui"


class ClientService:
    """vsphere-ui. It logs in with its own account when it starts, and serves either way.

    Args:
        node: FQDN.
        sts: The STS of the node's domain controller.
        controller: FQDN of that controller, whose login page it uses.
        domain: The SSO domain.
        port: Of that STS, as its errors name it (7444 on 6.x; KB 316619 prints both).
        now: The node's clock.
        logs: Where it tells that it got no token.
    """

    def __init__(
        self,
        node: str,
        sts: ServiceAuthority,
        *,
        controller: str,
        domain: str,
        port: int | None = None,
        now: Callable[[], datetime],
        logs: ServiceLogs,
    ) -> None:
        self.node = node
        self._sts = sts
        self._controller = controller
        self._domain = domain
        shown = "" if port is None else f":{port}"
        self._url = f"https://{controller}{shown}/sts/STSService/{domain}"
        self._now = now
        self._logs = logs
        self._running = False

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._running

    def start(self) -> None:
        """See services.Program."""
        self._running = True
        self.log_in()

    def stop(self) -> None:
        """See services.Program."""
        self._running = False

    def log_in(self) -> None:
        """Get a token for the client's own account and look whether it is to be trusted; what
        goes wrong is logged.
        """
        try:
            token = self._sts.issue_for_service(f"vsphere-webclient@{self._domain}")
            saml.verify(token.assertion, anchors=tuple(self._sts.anchors()), now=self._now())
        except StsFault as fault:
            self._logs.client_refused(fault, self._url)
        except saml.TokenRejectedError:
            self._logs.signer_untrusted()

    def handle(self, request: Request) -> Reply:
        """Answer a GET: ``/ui`` leads to ``/ui/login``, and that to the STS."""
        path = request.path.partition("?")[0].rstrip("/")
        if request.method not in {"GET", "HEAD"}:
            return Reply(status=405)
        if path == PREFIX:
            return _redirect(f"https://{self.node}{PREFIX}/login")
        if path == f"{PREFIX}/login":
            page = f"https://{self._controller}/websso/SAML2/SSO/{self._domain}"
            return _redirect(f"{page}?SAMLRequest={quote(self._asking(), safe='')}")
        return Reply(status=404)

    def _asking(self) -> str:
        """Return an AuthnRequest as the HTTP-Redirect binding of SAML 2.0 has it."""
        request = (
            '<saml2p:AuthnRequest xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" '
            f'Destination="https://{self._controller}/websso/SAML2/SSO/{self._domain}" '
            f'ID="_lab" IssueInstant="{self._now():%Y-%m-%dT%H:%M:%S}Z" Version="2.0"/>'
        )
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(request.encode()) + packer.flush()
        return base64.b64encode(packed).decode()


def _redirect(location: str) -> Reply:
    return Reply(status=302, headers=(("Location", location),))
