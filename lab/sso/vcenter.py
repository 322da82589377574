"""vpxd of one node: ``/sdk`` with apiType VirtualCenter, as far as logins need it."""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

from cryptography import x509
from lxml import etree

from stsfix.lab.esx.collector import ChangeBell, Collector
from stsfix.lab.servant import Servant, fill, leaf, operation
from stsfix.lab.soap import SoapService
from stsfix.lab.sso import dsig
from stsfix.lab.sso.front import UNHEALTHY
from stsfix.lab.sso.logins import LoginRefusedError, Logins
from stsfix.lab.sso.names import SAML2, SOAP, WSSE
from stsfix.lab.vmomi import vim

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from stsfix.lab.clock import LabClock
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.https import Reply, Request
    from stsfix.lab.soap import Call, Session
    from stsfix.lab.sso.logins import TokenAuthority

logger = logging.getLogger(__name__)

_ASSERTION = f"{{{SOAP}}}Header/{{{WSSE}}}Security/{{{SAML2}}}Assertion"


class StartRefused(Exception):  # noqa: N818 - the lab's event, as in faults.py
    """vpxd did not start; the text is what it logs."""


class VcenterService:
    """vpxd. It needs a domain controller whose STS issues tokens, and a valid machine
    certificate, to start; once it runs only logins notice that the STS has expired.

    Args:
        node: FQDN; target of fault rules (``soap``, WSDL name, *node*).
        sts: The STS of the node's domain controller (the node itself, or its PSC).
        machine_certificate: Returns the node's machine certificate, PEM, leaf first.
        clock: The lab's time.
        clock_offset: How far the node's clock is ahead.
        faults: Every call runs inside it.
        api_version: Newest API version offered, such as "8.0.3.0".
        trust_at_start: See `Logins`.
        refused: Told about everybody who is not let in.
    """

    def __init__(
        self,
        node: str,
        sts: TokenAuthority,
        *,
        machine_certificate: Callable[[], bytes],
        clock: LabClock,
        clock_offset: Callable[[], timedelta],
        faults: FaultBook,
        api_version: str = "8.0.3.0",
        trust_at_start: bool = True,
        refused: Callable[[LoginRefusedError], None] | None = None,
    ) -> None:
        self.node = node
        self._sts = sts
        self._refused = refused
        self._machine_certificate = machine_certificate
        self._clock = clock
        self._clock_offset = clock_offset
        self._faults = faults
        self._api_version = api_version
        self._logins = Logins(authority=sts, now=self.now, trust_at_start=trust_at_start)
        self._soap: SoapService | None = None

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._soap is not None

    def now(self) -> datetime:
        """Return the time of the node, aware UTC."""
        return self._clock.now() + self._clock_offset()

    def start(self) -> None:
        """Serve, with no sessions and with the trusted chains of this moment. Nothing happens
        when it runs already.

        Raises:
            StartRefused: The STS cannot issue (KB 316619: "The vmware-vpxd service fails to
                start"), or the machine certificate is not valid now.
        """
        if self._soap is not None:
            return
        refusal = self._sts.refusal()
        if refusal is not None:
            raise StartRefused(_log_line(self.now(), f"Failed to acquire SSO token: {refusal}"))
        machine = x509.load_pem_x509_certificates(self._machine_certificate())[0]
        if not machine.not_valid_before_utc <= self.now() <= machine.not_valid_after_utc:
            expired = f"machine SSL certificate expired at {machine.not_valid_after_utc}"
            raise StartRefused(_log_line(self.now(), f"SSLVerifyException: {expired}"))
        self._logins.start()
        self._soap = self._service()

    def stop(self) -> None:
        """Serve no more; every session is gone. Nothing happens when it does not run."""
        service, self._soap = self._soap, None
        if service is not None:
            service.closing.set()
            service.expire_sessions()

    def login_refusal(self, user: str, password: str) -> str | None:
        """Return why *user* would not be let in now; None if they would be. Asks the STS for
        a token, as a login does.
        """
        if not self.running:
            return f"vpxd of {self.node} does not run"
        try:
            self._logins.by_password(user, password)
        except LoginRefusedError as error:
            return str(error)
        return None

    def handle(self, request: Request) -> Reply:
        """Answer a request below ``/sdk``.

        Raises:
            Dropped: A fault rule closes the connection.
        """
        service = self._soap
        return UNHEALTHY if service is None else service.answer(request)

    def _service(self) -> SoapService:
        service = SoapService(self.node, faults=self._faults, api_version=self._api_version)
        manager = service.add(SessionManager(self._logins, self.now, self._refused))
        folder = service.add(RootFolder())
        collector = service.add(Collector(vim.PropertyCollector("propertyCollector"), ChangeBell()))
        content = self._content(folder, manager, collector)
        service.add(ServiceInstance(content, self.now))
        return service

    def _content(self, folder: Any, manager: Any, collector: Any) -> Any:
        about = vim.AboutInfo(
            name="VMware vCenter Server",
            fullName=f"VMware vCenter Server {self._api_version} (lab)",
            vendor="VMware, Inc.",
            version=self._api_version,
            build="0",
            osType="linux-x64",
            productLineId="vpx",
            apiType="VirtualCenter",
            apiVersion=self._api_version,
        )
        return vim.ServiceInstanceContent(
            rootFolder=folder, propertyCollector=collector, about=about, sessionManager=manager
        )


class ServiceInstance(Servant):
    """The way in."""

    def __init__(self, content: Any, now: Callable[[], datetime]) -> None:
        super().__init__(vim.ServiceInstance("ServiceInstance"))
        self._content = content
        self._now = now

    anonymous_properties = frozenset({"content"})

    @operation("RetrieveServiceContent", anonymous=True)
    def content(self, _call: Call) -> Any:
        """Return the references of the managers."""
        return self._content

    @leaf("content")
    def read_content(self) -> Any:
        """Return the same as a property."""
        return self._content

    @operation("CurrentTime")
    def current_time(self, _call: Call) -> Any:
        """Return the clock of the node."""
        return self._now()


class RootFolder(Servant):
    """The empty inventory."""

    def __init__(self) -> None:
        super().__init__(vim.Folder("group-d1"))

    @leaf("name")
    def name(self) -> Any:
        """Return what every vCenter calls it."""
        return "Datacenters"

    @leaf("childEntity")
    def children(self) -> Any:
        """Return nothing."""
        return []


class SessionManager(Servant):
    """Lets people in. Whatever goes wrong, they hear InvalidLogin and no more (vsphere.md 0)."""

    def __init__(
        self,
        logins: Logins,
        now: Callable[[], datetime],
        refused: Callable[[LoginRefusedError], None] | None = None,
    ) -> None:
        super().__init__(vim.SessionManager("SessionManager"))
        self._logins = logins
        self._refused = refused
        self._now = now
        self._serial = itertools.count(1)

    @operation("Login", anonymous=True)
    def login(self, call: Call) -> Any:
        """Let a user in by password; a session that is in already cannot log in again."""
        user, password = call.args["userName"], call.args["password"]
        return self._enter(call, lambda: self._logins.by_password(user, password))

    @operation("LoginByToken", anonymous=True)
    def login_by_token(self, call: Call) -> Any:
        """Let the subject of the bearer token in the Security header in."""
        return self._enter(call, lambda: self._logins.by_token(_token(call.envelope)))

    @operation("Logout")
    def logout(self, call: Call) -> None:
        """End the caller's session."""
        call.service.log_out(call.session)

    def read(self, path: str, session: Session) -> Any:
        """Return ``currentSession`` of who asks; other properties as everywhere."""
        if path == "currentSession":
            return session.user
        return super().read(path, session)

    anonymous_properties = frozenset({"currentSession"})

    def _enter(self, call: Call, authenticate: Callable[[], str]) -> Any:
        if call.session.user is not None:
            raise vim.fault.InvalidLogin
        try:
            subject = authenticate()
        except LoginRefusedError as error:
            logger.info("%s: login refused: %s", call.service.name, error)
            if self._refused is not None:
                self._refused(error)
            raise vim.fault.InvalidLogin from error
        name, _, domain = subject.partition("@")
        moment = self._now()
        session = fill(
            vim.UserSession,
            key=f"52{next(self._serial):06x}-lab",
            userName=f"{domain}\\{name}",
            fullName=f"{name} {domain.lower()}",
            loginTime=moment,
            lastActiveTime=moment,
            locale=call.args.get("locale") or "en",
            messageLocale="en",
        )
        call.session.log_in(session)
        return session


def _token(envelope: bytes) -> bytes:
    """Return the one assertion in the Security header of *envelope*.

    Raises:
        LoginRefusedError: There is none, or more than one.
    """
    try:
        found = dsig.parse(envelope).findall(_ASSERTION)
    except ValueError as error:
        raise LoginRefusedError(str(error)) from error
    if len(found) != 1:
        raise LoginRefusedError(f"{len(found)} assertions in the request")
    return etree.tostring(found[0], with_tail=False)


def _log_line(moment: datetime, text: str) -> str:
    """Return the line as vpxd.log shows it; its exact form is [K]."""
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
    return (
        f"{stamp} error vpxd[00001] [Originator@6876 sub=vpxdvpxdMain] {text}; "
        "Failed to initialize VMware VirtualCenter. Shutting down"
    )
