"""The Security Token Service of one node (vmware-stsd with IDM inside)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.lab import pki
from stsfix.lab.faults import FaultBook, Refused
from stsfix.lab.https import Reply, Request
from stsfix.lab.sso import hok, saml, wstrust
from stsfix.lab.sso import tenant as tenants
from stsfix.lab.sso.lifetime import (
    Lifespan,
    TokenPolicy,
    check_signer,
    milliseconds,
    token_lifetime,
)
from stsfix.lab.sso.names import WSSE, WST, WST_ISSUE_ACTION
from stsfix.lab.sso.tenant_cache import TenantCache
from stsfix.lab.sso.wstrust import IssuedToken, StsFault

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from cryptography import x509

    from stsfix.lab.clock import LabClock
    from stsfix.lab.seams import DirectoryReader
    from stsfix.lab.service_logs import ServiceLogs

_REQUEST = timedelta(minutes=5)
"""How long a request of a service is good for."""

_SERVICE_TOKEN = timedelta(days=1)  # what vpxd-svcs asks for (KB 316619)
_PERSON_TOKEN = timedelta(minutes=10)
_PATH = "/sts/STSService"
_XML = "text/xml;charset=utf-8"
_GROUPS = ("Users", "Administrators", "CAAdmins", "SystemConfiguration.Administrators", "Everyone")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    """Who gets a token, and of which kind."""

    subject: str
    solution: bool = False
    holder: x509.Certificate | None = None
    delegatable: bool = False
    renewable: bool = False


class StsService:
    """Issues tokens for the accounts of *directory* and says which tokens it trusts.

    It works on a copy of the tenant (`TenantCache`), signs with the credential of the highest
    index and looks at no date but its leaf's, on the clock of the node.

    Args:
        node_fqdn: The node it runs on.
        directory: The node's own vmdir.
        tenant: Name of the tenant and of the SSO domain.
        clock: The lab's time.
        clock_offset: How far the node's clock is ahead of the true time, asked each time.
        faults: Every issue runs inside ``around("sts", "issue", node_fqdn)``.
        policy: Lifetimes and time zone.
        logs: Where it tells what it refuses, and that it could not read the tenant.
        stale: See `TenantCache`.
        keeps: The same.
    """

    def __init__(
        self,
        node_fqdn: str,
        directory: DirectoryReader,
        tenant: str = "vsphere.local",
        *,
        clock: LabClock,
        clock_offset: Callable[[], timedelta],
        faults: FaultBook,
        policy: TokenPolicy | None = None,
        logs: ServiceLogs | None = None,
        stale: bool = False,
        keeps: bool = False,
    ) -> None:
        self.node = node_fqdn
        self.tenant_name = tenant
        self._directory = directory
        self._clock = clock
        self._clock_offset = clock_offset
        self._faults = faults
        self._policy = policy or TokenPolicy()
        self._logs = logs
        self._cache = TenantCache(
            node_fqdn, directory, tenant, clock=clock, logs=logs, stale=stale, keeps=keeps
        )

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._cache.running

    @property
    def tenant(self) -> tenants.Tenant | None:
        """The cached tenant; None if none was loaded since `start`."""
        return self._cache.tenant

    def start(self) -> None:
        """Read the tenant and serve. A tenant that cannot be read leaves an STS that runs but
        cannot issue, until a later read succeeds. Nothing happens when it runs already.
        """
        self._cache.start()

    def stop(self) -> None:
        """Serve no more and forget the tenant; nothing happens when it does not run."""
        self._cache.stop()

    def refresh(self) -> bool:
        """Read the tenant now. On failure the cached one stays; False then."""
        return self._cache.refresh()

    def now(self) -> datetime:
        """Return the time of the node, aware UTC."""
        return self._clock.now() + self._clock_offset()

    # What others on the node ask in process.

    def refusal(self) -> str | None:
        """Return why a token for the administrator would be refused now; None if it would be
        issued. Fault rules do not count, and nothing is signed.
        """
        if not self.running:
            return f"the STS of {self.node} does not run"
        try:
            self._valid_signer(self.now(), Lifespan())
        except StsFault as fault:
            return fault.text
        return None

    def issue_for(self, user: str, password: str) -> IssuedToken:
        """Return a bearer token for *user*, as the SOAP endpoint would.

        Raises:
            StsFault: The STS says no.
            Dropped: A fault rule closes the connection.
        """
        with self._logged():
            self._check_running()
            with self._around():
                subject = self._authenticated(user, password)
                return self._issued(_Grant(subject=subject), self._lifespan(_PERSON_TOKEN))

    def issue_for_service(self, name: str) -> IssuedToken:
        """Return a bearer token for the solution user *name*, which is not checked.

        Raises:
            StsFault: The STS says no.
        """
        with self._logged():
            self._check_running()
            return self._issued(_Grant(subject=name, solution=True), self._lifespan(_SERVICE_TOKEN))

    def check_service(self, client_now: datetime) -> None:
        """Return if a service whose clock says *client_now* would get a token; nothing is signed.

        Raises:
            StsFault: It would not.
        """
        with self._logged():
            self._check_running()
            self._check_time(client_now, client_now + _REQUEST)
            self._valid_signer(self.now(), self._lifespan(_SERVICE_TOKEN))

    def _lifespan(self, lasting: timedelta) -> Lifespan:
        now = self.now()
        return Lifespan(start=now, end=now + lasting)

    def _check_running(self) -> None:
        if not self.running:
            raise StsFault(WST, "RequestFailed", f"the STS of {self.node} does not run")

    @contextmanager
    def _logged(self) -> Generator[None]:
        try:
            yield
        except StsFault as fault:
            if self._logs is not None and self.running:
                self._logs.token_refused(fault)
            raise

    def validate(
        self, token: str | bytes, anchors: tuple[x509.Certificate, ...] | None = None
    ) -> saml.VerifiedToken:
        """Return what *token* says, if a leaf of the trusted chains vouches for it.

        Args:
            token: The assertion as XML.
            anchors: Instead of the cached tenant's own.

        Raises:
            TokenRejectedError: It must not be accepted.
        """
        if anchors is None:
            anchors = self.anchors()
        return saml.verify(token, anchors=anchors, now=self.now(), tolerance=self._policy.tolerance)

    def anchors(self) -> tuple[x509.Certificate, ...]:
        """Return the leaf of every trusted chain of the cached tenant; empty without one."""
        tenant = self.tenant
        return () if tenant is None else tenant.anchors

    # The endpoint.

    def handle(self, request: Request) -> Reply:
        """Answer ``POST /sts/STSService[/<tenant>]``.

        Raises:
            Dropped: A fault rule closes the connection.
        """
        path = request.path.partition("?")[0]
        name = path.removeprefix(_PATH).strip("/") or self.tenant_name
        if not path.startswith(_PATH) or name.casefold() != self.tenant_name.casefold():
            return Reply(status=404, content_type="text/html", body=b"Not Found")
        if request.method != "POST":
            return Reply(status=405)
        try:
            with self._logged(), self._around():
                return Reply(content_type=_XML, body=wstrust.answer(self._soap(request)))
        except StsFault as fault:
            return Reply(status=500, content_type=_XML, body=wstrust.fault(fault))

    def _soap(self, request: Request) -> IssuedToken:
        action = request.headers.get("soapaction", "").strip('"')
        if action not in {"", WST_ISSUE_ACTION}:
            raise StsFault(WST, "InvalidRequest")
        asked = wstrust.parse(request.body)
        self._check_time(asked.created, asked.expires)
        return self._issued(self._grant(asked), Lifespan(start=asked.start, end=asked.end))

    def _grant(self, asked: wstrust.IssueRequest) -> _Grant:
        """Settle who asks. This comes before any date of the signer: bad credentials stay bad
        credentials when it has expired (vmdir.md 4.1).
        """
        certificate = None
        if asked.username:
            subject = self._authenticated(asked.username, asked.password)
        else:
            certificate = hok.signing_certificate(asked)
            subject = self._principal(certificate)
        public_key = asked.signed if asked.public_key is None else asked.public_key
        if public_key and certificate is None:
            raise StsFault(WST, "InvalidRequest")
        return _Grant(
            subject=subject,
            solution=certificate is not None,
            holder=certificate if public_key else None,
            delegatable=asked.delegatable,
            renewable=asked.renewable,
        )

    def _check_time(self, created: datetime, expires: datetime) -> None:
        now, tolerance = self.now(), self._policy.tolerance
        if created - tolerance <= now <= expires + tolerance:
            return
        told = self._policy.zone.java_date
        first, last = told(created), told(expires)
        raise StsFault(
            WSSE,
            "MessageExpired",
            f"The time now {told(now)} does not fall in the request lifetime interval "
            f"extended with clock tolerance of {milliseconds(tolerance)} ms: [ {first}; {last}). "
            "This might be due to a clock skew problem.",
        )

    @contextmanager
    def _around(self) -> Generator[None]:
        try:
            with self._faults.around("sts", "issue", self.node):
                yield
        except Refused as refused:
            raise StsFault(WST, "RequestFailed", str(refused)) from refused

    def _authenticated(self, user: str, password: str) -> str:
        upn = tenants.upn(user, self.tenant_name)
        try:
            matches = bool(password) and self._directory.password_matches(upn, password)
        except ConnectionError as error:
            raise StsFault(WST, "RequestFailed", f"IDM: {error}") from error
        if not (matches and self._takes_passwords()):
            raise StsFault(WSSE, "FailedAuthentication", "Invalid credentials")
        name, _, domain = upn.partition("@")
        return f"{name}@{domain.upper()}"

    def _takes_passwords(self) -> bool:
        """Whether the tenant's login policy allows them (DirectoryConfigStore.java,
        FLAG_AUTHN_TYPE_ALLOW_PASSWORD = 1). The fault's text is [INFERRED].
        """
        base = f"cn=Tenants,cn=IdentityManager,cn=Services,{tenants.domain_dn(self.tenant_name)}"
        found = self._directory.children(base, tenants.TENANT)
        types = [v for entry in found for v in entry.attributes.get("vmwstsauthntypes", [])]
        return not types or b"1" in types

    def _principal(self, certificate: x509.Certificate) -> str:
        base = f"cn=ServicePrincipals,{tenants.domain_dn(self.tenant_name)}"
        wanted = pki.der(certificate)
        try:
            entries = self._directory.children(base, tenants.SERVICE_PRINCIPAL)
        except ConnectionError as error:
            raise StsFault(WST, "RequestFailed", f"IDM: {error}") from error
        for entry in entries:
            if wanted in entry.attributes.get("usercertificate", []):
                name = entry.attributes["cn"][0].decode()
                return f"{name}@{self.tenant_name.upper()}"
        raise StsFault(WSSE, "FailedAuthentication", "Invalid credentials")

    def _issued(self, grant: _Grant, asked: Lifespan) -> IssuedToken:
        now = self.now()
        signer = self._valid_signer(now, asked)
        start, end = token_lifetime(signer.chain[0], now, asked, self._policy, grant.holder)
        spec = saml.TokenSpec(
            issuer=f"https://{self.node}/websso/SAML2/Metadata/{self.tenant_name}",
            subject=grant.subject,
            groups=tuple(f"{self.tenant_name}\\{group}" for group in _GROUPS),
            issued=now,
            start=start,
            end=end,
            solution=grant.solution,
            delegatable=grant.delegatable,
            hok_certificate=grant.holder,
        )
        return IssuedToken(
            assertion=saml.issue(spec, signer),
            start=start,
            end=end,
            public_key=grant.holder is not None,
            delegatable=grant.delegatable,
            renewable=grant.renewable,
        )

    def _valid_signer(self, now: datetime, asked: Lifespan) -> saml.Signer:
        tenant = self.tenant
        if tenant is None:
            raise StsFault(
                WST, "RequestFailed", f"no tenant {self.tenant_name}: {self._cache.trouble}"
            )
        if tenant.signer is None:
            raise StsFault(WST, "RequestFailed", "the tenant has no signing credential")
        check_signer(tenant.signer.chain[0], now, asked, self._policy.zone)
        return tenant.signer
