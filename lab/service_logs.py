"""The logs of one node, on its disk: what its services write when they refuse or fail.

Source: KB 316619 where nothing else is named. Only an appliance has them (a Windows node keeps
its logs elsewhere, and the lab writes none there).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cryptography import x509

from stsfix.lab import log_formats as form
from stsfix.lab.disk import NodeFile
from stsfix.lab.sso.names import WSSE
from stsfix.lab.sso.wstrust import StsFault
from stsfix.lab.vecs import MACHINE_ALIAS
from stsfix.lab.zones import ZONES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk

LIMIT = 64 * 1024
"""Bytes of a log that are kept; an appliance rotates them at some megabytes."""

SIGNER = "Signing certificate is not valid"
LOG_MOUNT = "/storage/log"
_MODE = 0o640
_RESPONSE = "com.vmware.vim.sso.client.impl.SecurityTokenServiceImpl$RequestResponseProcessor"
_SOLUTION_USER = "com.vmware.vise.vim.security.sso.impl.NgcSolutionUser"
_VMOMI = "com.vmware.vim.vmomi.core"
_NO_SPACE = "No space left on device"


class ServiceLogs:
    """Writes logs of the node whose disk is *disk*; *now* is the node's clock.

    Nothing is written while ``/storage/log`` has no room. A line is never a secret.
    """

    def __init__(self, disk: NodeDisk, now: Callable[[], datetime]) -> None:
        self._disk = disk
        self._now = now
        self._lock = threading.Lock()
        self._older = disk.release < (7,)
        self._zone = ZONES[disk.zone]

    @property
    def has_room(self) -> bool:
        """False while not a byte can be written."""
        return self._disk.free_kib.get(LOG_MOUNT) != 0

    def append(self, path: str, *lines: str) -> None:
        """Write *lines* at the end of the log at *path*; the oldest go when it grows too long."""
        if self._disk.windows is not None or not self.has_room:
            return
        with self._lock:
            old = self._disk.files.get(path)
            content = b"" if old is None else old.content
            content += "".join(f"{line}\n" for line in lines).encode()
            if len(content) > LIMIT:
                content = content[-LIMIT:].partition(b"\n")[2]
            self._disk.files[path] = NodeFile(
                content=content, mode=_MODE, changed=self._now().timestamp()
            )

    # The STS and vmdird.

    def token_refused(self, fault: StsFault) -> None:
        """Log that the STS refuses a request."""
        text = f"Throwing {fault.code}Exception! {fault.text}"
        if SIGNER in fault.text and not self._older:
            request = fault.text.partition(" :: ")[0].replace("TimePeriod", "time period")
            text = f"Throwing InvalidTimeRangeException! {request} :: {SIGNER}"
        self.append(form.STS, form.sts(self._now(), "ERROR", text, older=self._older))

    def tenant_unread(self, tenant: str, reason: str) -> None:
        """Log that IDM keeps an old copy of the tenant (IdentityManager.java, Lightwave)."""
        text = f"Failed to refreshTenantCredentialCache for tenant {tenant}"
        if self._older:
            lines = form.idm(self._now(), "WARN ", text), reason
            self.append(form.IDM, *lines)
        else:
            self.append(form.STS, form.sts(self._now(), "WARN ", text, older=False), reason)

    def page_refused(self, text: str) -> None:
        """Log that the login page lets nobody in (KB 400506; IdpSsoController.java)."""
        now = self._now()
        self.append(
            form.WEBSSO,
            form.websso(
                now,
                "ERROR",
                "[com.vmware.identity.SsoController] Could not handle SAML Authentication request ",
            ),
            form.websso(
                now,
                "INFO ",
                "[com.vmware.identity.samlservice.impl.SAMLAuthnResponseSender] "
                f"Responded with ERROR 400, message BadRequest, {text}",
            ),
        )

    def write_refused(self, request: str) -> None:
        """Log that a read-only vmdird refuses a write (ldap-head/result.c L161, Lightwave)."""
        text = (
            f"VmDirSendLdapResult: Request ({request}), Error (53), "
            "Message ((0)(Server in read-only mode)), (0) socket ([127.0.0.1]:40412)"
        )
        self.append(form.VMDIRD, form.vmdird(self._now(), "err", text))

    # What uses tokens.

    def start_refused(self, service: str, fault: StsFault) -> None:
        """Log that *service* does not start because it gets no token; others than vpxd-svcs, vpxd
        and vsphere-ui write logs that nobody reads here.
        """
        if service == "vpxd":
            self._vpxd_without_token(fault)
            self.vpxd_gave_up()
        elif service == "vsphere-ui":
            self.client_refused(fault, "")
        elif service == "vpxd-svcs":
            level, text = _client_text(fault)
            self.append(form.VPXD_SVCS, form.vpxd_svcs(self._now(), level, _RESPONSE, text))

    def certificate_refused(self, service: str, reason: str) -> None:
        """Log that *service* does not start for the *reason* of `certificate_gate`.

        An expired machine certificate: KB 442815 for vpxd, Java's own words for the others ([K]
        in which log). A trust anchor that does not match: the words of VMware's vmomi client. An
        account that the STS does not accept: KB 421381, and RequestResponseProcessor.java.
        """
        name = service.removeprefix("vmware-")
        if reason.startswith(MACHINE_ALIAS):
            self._machine_refused(name)
        elif "the lookup service trusts another certificate" in reason:
            text = "Server certificate chain is not trusted and thumbprint doesn't match"
            self._client_failed(name, f"{_VMOMI}.exception.CertificateValidationException: {text}")
        else:
            self.start_refused(name, StsFault(WSSE, "FailedAuthentication", "Invalid credentials"))

    def _machine_refused(self, name: str) -> None:
        machine = x509.load_pem_x509_certificate(self._disk.machine.certificates_pem)
        ends, begins = machine.not_valid_after_utc, machine.not_valid_before_utc
        told = f"CertificateExpiredException: NotAfter: {self._zone.java_date(ends)}"
        if self._now() < begins:
            told = f"CertificateNotYetValidException: NotBefore: {self._zone.java_date(begins)}"
        if name == "vpxd":
            text = (
                "Failed to SSL handshake; <io_obj p:0x00007fb1, h:41, <TCP '127.0.0.1 : 52334'>, "
                "<TCP '127.0.0.1 : 443'>>, e: 336151573(certificate has expired "
                "(SSL routines)), duration: 2msec"
            )
            self.append(form.VPXD, form.vpxd(self._now(), "warning", "IO.Connection", text))
            self.vpxd_gave_up()
            return
        text = f"javax.net.ssl.SSLHandshakeException: java.security.cert.{told}"
        self._client_failed(name, text)

    def _client_failed(self, name: str, text: str) -> None:
        """Log what a client of the lookup service and of the STS met before it was answered."""
        now = self._now()
        if name == "vpxd":
            self.append(form.VPXD, form.vpxd(now, "error", "Default", text))
            self.vpxd_gave_up()
        elif name == "vsphere-ui":
            self.append(form.CLIENT, form.client(now, "ERROR", _SOLUTION_USER, text))
        elif name == "vpxd-svcs":
            self.append(form.VPXD_SVCS, form.vpxd_svcs(now, "ERROR", _RESPONSE, text))

    def database_full(self) -> None:
        """Log that the database has no room: PostgreSQL's own words as vpxd repeats them."""
        text = (
            '[VdbStatement] SQLError was thrown: "ODBC error: (53100) - ERROR: could not extend '
            f'file "base/16385/16632": {_NO_SPACE};\nError while executing the query" is returned '
            "when executing SQL statement"
        )
        self.append(form.VPXD, form.vpxd(self._now(), "error", "Default", text))
        self.vpxd_gave_up()

    def vpxd_gave_up(self) -> None:
        """Log the last line of a vpxd that does not start (KB 442815)."""
        text = "Failed to start VMware VirtualCenter. Shutting down"
        self.append(form.VPXD, form.vpxd(self._now(), "error", "Default", text))

    def login_refused(self, reason: BaseException | None) -> None:
        """Log that vpxd let somebody not in for want of a token."""
        self.append(
            form.VPXD,
            form.vpxd(
                self._now(),
                "info",
                "vpxCryptopID=SWI-7203af8f",
                "Failed to read X509 cert; err: 151441516",
            ),
        )
        if isinstance(reason, StsFault):
            self._vpxd_without_token(reason)

    def _vpxd_without_token(self, fault: StsFault) -> None:
        """KB 421381 prints it for credentials; for others the exception's name is [K]."""
        name = {
            "FailedAuthentication": "N9SsoClient27InvalidCredentialsExceptionE"
            "(Authentication failed: Invalid credentials)",
            "InvalidTimeRange": f"N9SsoClient26InvalidTimeRangeExceptionE({fault.text})",
        }.get(fault.code, f"N9SsoClient12SsoExceptionE({fault.text})")
        text = f"[AcquireToken] AcquireToken exception: {name}"
        self.append(form.VPXD, form.vpxd(self._now(), "error", "SsoWrapper", text))

    def client_refused(self, fault: StsFault, url: str) -> None:
        """Log that the vSphere Client's own account gets no token from the STS at *url*."""
        now, (_, text) = self._now(), _client_text(fault)
        name = _EXCEPTIONS.get(fault.code, "SsoRequestException")
        lines = [
            form.client(
                now,
                "ERROR",
                _SOLUTION_USER,
                f"Solution user login into domain {self._disk.domain} failed. "
                f"com.vmware.vim.sso.client.exception.{name}: {text}",
            )
        ]
        if fault.code == "InvalidTimeRange":
            lines += [
                form.client(
                    now,
                    "ERROR",
                    "com.vmware.vise.vim.security.sso.impl.SsoUtilInternal",
                    "[400] An error occurred while sending an authentication request to the "
                    "vCenter Single Sign-On server",
                )
            ]
        if fault.code == "RequestFailed":
            lines += [
                form.client(
                    now,
                    "ERROR",
                    "com.vmware.vise.vim.security.sso.impl.SsoUtilInternal",
                    f"Cannot connect to vCenter Single Sign-On server {url}",
                )
            ]
        self.append(form.CLIENT, *lines)

    def signer_untrusted(self) -> None:
        """Log that the vSphere Client trusts no chain of the token it got (KB 431643)."""
        text = "Failed to find trusted path to signing certificate <CN=ssoserverSign>"
        name = "com.vmware.identity.token.impl.X509TrustChainKeySelector"
        self.append(form.CLIENT, form.client(self._now(), "ERROR", name, text))

    def session_refused(self) -> None:
        """Log that the content library serves nobody without a valid token."""
        text = (
            "Authentication failed com.vmware.vapi.std.errors.Unauthenticated: Unauthenticated "
            "(com.vmware.vapi.std.errors.unauthenticated) => {"
        )
        trace = (
            (
                "com.vmware.cis.data.service.session.SessionAuthenticationHandler.authenticate"
                "(SessionAuthenticationHandler.java:36)"
            ),
            "com.vmware.vapi.security.AuthenticationFilter.invoke(AuthenticationFilter.java:233)",
        )
        name = "com.vmware.vapi.security.AuthenticationFilter"
        self.append(
            form.LIBRARY,
            form.library(self._now(), self._zone, name, text),
            *(f"        at {place}" for place in trace),
        )

    def replacement_failed(self, fault: StsFault) -> None:
        """Log that certificate-manager could not replace a certificate ([K] but its last words)."""
        now = self._now()
        self.append(
            form.CERTIFICATES,
            form.certificate_manager(now, "ERROR", f"lstool list failed: {fault.text}"),
            form.certificate_manager(
                now, "INFO", "Operation failed, performing automatic rollback"
            ),
        )


_EXCEPTIONS = {
    "InvalidTimeRange": "TimeSynchronizationException",
    "MessageExpired": "TimeSynchronizationException",
    "FailedAuthentication": "AuthenticationFailedException",
}


def _client_text(fault: StsFault) -> tuple[str, str]:
    """Return level and text of a client of the STS (RequestResponseProcessor.java, Lightwave)."""
    match fault.code:
        case "InvalidTimeRange":
            return "ERROR", f"Server rejected the provided time range. Cause:{fault}"
        case "MessageExpired":
            return "INFO ", (
                "Server returned 'request expired' less than 0 seconds after request was issued, "
                "but it shouldn't have expired for at least 300 seconds."
            )
        case "FailedAuthentication":
            return "INFO ", "Provided credentials are not valid."
        case _:
            return "ERROR", f"Server returned an error. Cause:{fault}"
