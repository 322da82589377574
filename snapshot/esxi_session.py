"""One session with one ESXi host: connect, log in once, log in again when it expired.

pyVmomi's SmartConnect, Connect and thumbprint are not used: its version probe has no timeout,
its pin is looked at only after a failed verification and switches verification off for good,
and for 127.0.0.1 it verifies nothing (all measured with pyVmomi 9.1.1.0).
"""

from __future__ import annotations

import contextlib
import logging
import re
import select
import ssl
import threading
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from lxml import etree
from pyVmomi import vim, vmodl
from pyVmomi.VmomiSupport import GetServiceVersions, versionIdMap

from stsfix.snapshot.answers import bytes_over
from stsfix.snapshot.errors import HostLoginError, HostTlsError, HostUnreachableError
from stsfix.snapshot.esxi_faults import BROKEN, describe, fault_name, reading, writing
from stsfix.snapshot.soap_stub import BoundedStub
from stsfix.snapshot.tls import PeerContext, peer_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.snapshot.model import HostRef, VmId
    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint

logger = logging.getLogger(__name__)

T = TypeVar("T")

VERSIONS_PATH = "/sdk/vimServiceVersions.xml"
_VERSIONS_BYTES = 256 * 1024
_POOL = 8
_SHOWN = re.compile(r"sha256:([0-9a-f]{64})")


class EsxiSession:
    """Talks to the host when first asked; safe to use from several threads.

    A refused password is remembered and never sent again: ESXi locks the account for 900 s
    after about five failures (terraform-provider-esxi #65).
    """

    def __init__(self, host: HostRef, endpoint: Endpoint, user: str, password: Secret[str]) -> None:
        self.host = host
        self.endpoint = endpoint
        self._user = user
        self._password = password
        self._lock = threading.Lock()
        self._context: PeerContext | None = None
        self._stub: _Stub | None = None
        self._content: vim.ServiceInstanceContent | None = None
        self._login = 0
        self._refusal: str | None = None

    def read(
        self,
        call: Callable[[vim.ServiceInstanceContent], T],
        *,
        where: str = "",
        vm: VmId | None = None,
    ) -> T:
        """Make a call that changes nothing.

        Raises:
            HostUnreachableError, HostTlsError, HostLoginError: No connection or no login.
            OperationError: What `esxi_faults.translate` makes of the host's fault.
        """
        with reading(self.host, where or str(vm or self.host), vm):
            return self._call(call)

    def write(self, name: str, call: Callable[[vim.ServiceInstanceContent], T], *, vm: VmId) -> T:
        """Make a call that changes *vm*; it is sent at most once.

        Raises:
            AnswerLostError: The connection broke after it was sent.
            HostUnreachableError, HostTlsError, HostLoginError: It was not sent.
            OperationError: What `esxi_faults.translate` makes of the host's fault.
        """
        logger.debug("%s: %s %s", self.host, name, vm)
        with writing(self.host, name, vm):
            return self._call(call)

    def make(self, kind: type[T], moref: str) -> T:
        """Return the managed object *moref* of this host, without a call.

        Only inside a *call*: before, there may be no connection yet.

        Raises:
            HostUnreachableError: Another thread's login found the connection broken meanwhile;
                nothing was sent.
        """
        stub = self._stub
        if stub is None:
            raise HostUnreachableError(self.host, "the connection broke")
        return kind(moref, stub)  # type: ignore[call-arg]  # pyVmomi's stubs hide it

    def speaks(self, version: str) -> bool:
        """Tell whether the API version agreed on is *version* (as pyVmomi names it) or a later one.

        Only inside a *call*: before, nothing was agreed on.
        """
        agreed = self._stub.version if self._stub is not None else ""
        newest_first = list(GetServiceVersions("vim25"))
        return agreed in newest_first[: newest_first.index(version) + 1]

    def tls(self) -> PeerContext:
        """Return the TLS context for this host, also for file transfers.

        Raises:
            HostTlsError: The CA file cannot be used.
        """
        if self._context is None:
            try:
                self._context = peer_context(self.endpoint)
            except OSError as error:
                raise HostTlsError(self.endpoint.name, describe(error)) from error
        return self._context

    def connect(self) -> HTTPSConnection:
        """Return an open connection to the host, for plain HTTP requests; no login.

        Raises:
            HostTlsError: The certificate is not the one to trust.
            HostUnreachableError: No connection.
        """
        connection = HTTPSConnection(
            self.endpoint.address,
            self.endpoint.port,
            timeout=self.endpoint.connect_timeout_s,
            context=self.tls(),
        )
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise _tls_error(self.endpoint, error) from error
        except OSError as error:
            raise HostUnreachableError(self.host, describe(error)) from error
        return connection

    def close(self) -> None:
        """Log out; never raises. The next call would log in again."""
        with self._lock:
            content, stub = self._content, self._stub
            self._content = self._stub = None
        if content is not None and content.sessionManager is not None:
            with contextlib.suppress(*BROKEN, vmodl.MethodFault, HostUnreachableError):
                content.sessionManager.Logout()
        if stub is not None:
            stub.DropConnections()  # type: ignore[no-untyped-call]  # pyVmomi

    def _call(self, call: Callable[[vim.ServiceInstanceContent], T]) -> T:
        content, login = self._open(after=0)
        try:
            return call(content)
        except vim.fault.NotAuthenticated:
            # The session expired or the host restarted; nothing was done. Once, with the
            # password that worked before.
            logger.info("the session with %s is over, logging in again", self.host)
        content, _ = self._open(after=login)
        return call(content)

    def _open(self, *, after: int) -> tuple[vim.ServiceInstanceContent, int]:
        """Return the content of a session that is younger than login number *after*."""
        with self._lock:
            if self._content is None or self._login <= after:
                self._content = self._log_in()
                self._login += 1
            return self._content, self._login

    def _log_in(self) -> vim.ServiceInstanceContent:
        if self._refusal is not None:
            raise HostLoginError(self.host, self._user, self._refusal)
        with reading(self.host, str(self.host)):
            if self._stub is None:
                self._stub = self._make_stub()
            instance = vim.ServiceInstance("ServiceInstance", self._stub)
            content = instance.RetrieveContent()
            if content.sessionManager is None:
                raise HostUnreachableError(self.host, "it has no session manager")
            if content.rootFolder is None or content.propertyCollector is None:
                raise HostUnreachableError(self.host, "it has no inventory")
            try:
                content.sessionManager.Login(self._user, self._password.reveal(), None)
            except (vim.fault.InvalidLogin, vim.fault.NoPermission) as fault:
                # Wrong password, lockdown mode and a locked account look alike (KB 425190); an
                # expired password has a fault of its own, which no host was seen to answer yet.
                self._refusal = fault_name(fault)
                raise HostLoginError(self.host, self._user, self._refusal) from fault
            except BROKEN:
                # Nobody knows whether it was accepted. If it was, a second Login in the same
                # session would be refused like a wrong password: the next try begins a new one.
                self._stub = None
                raise
        return content

    def _make_stub(self) -> _Stub:
        """Ask the host which API versions it speaks, and return a stub for the newest we know.

        The stub goes on with the same connection if it is still open: a TLS handshake costs
        more than most calls.
        """
        connection = self.connect()
        try:
            stub = _Stub(self.endpoint, self.tls(), self._choose_version(connection))
        except BaseException:  # also an interrupt: close what is open, then raise it again
            connection.close()
            raise
        if connection.sock is not None:
            stub.ReturnConnection(connection)  # type: ignore[no-untyped-call]  # pyVmomi
        return stub

    def _choose_version(self, connection: HTTPSConnection) -> str:
        connection.request("GET", VERSIONS_PATH)
        answer = connection.getresponse()
        document = answer.read(_VERSIONS_BYTES)
        if not answer.isclosed():
            raise bytes_over(_VERSIONS_BYTES)
        served = _served_versions(document) if answer.status == 200 else set()  # noqa: PLR2004 - HTTP OK
        for version in GetServiceVersions("vim25"):
            if versionIdMap[version] in served:
                return str(version)
        raise HostUnreachableError(
            self.host, f"no vSphere API at {VERSIONS_PATH} (HTTP {answer.status})"
        )


def _served_versions(document: bytes) -> set[str]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(document, parser)
    except etree.XMLSyntaxError:
        return set()
    found: set[str] = set()
    for namespace in root.iter("namespace"):
        if namespace.findtext("name") == "urn:vim25":
            found |= {str(v.text).strip() for v in namespace.iter("version")}
    return found


def _tls_error(endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> HostTlsError:
    """Return the error for a certificate that was not accepted."""
    reason = getattr(error, "verify_message", "") or describe(error)
    shown = _SHOWN.search(describe(error))
    return HostTlsError(endpoint.name, reason, shown.group(1) if shown else None)


class _Stub(BoundedStub):
    """A stub with our TLS context, and connect errors told from lost answers."""

    def __init__(self, endpoint: Endpoint, context: PeerContext, version: str) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # pyVmomi
            host=endpoint.address,
            port=endpoint.port,
            path="/sdk",
            version=version,
            sslContext=context,
            poolSize=_POOL,
            httpConnectionTimeout=endpoint.connect_timeout_s,
        )
        self._endpoint = endpoint
        self._used: WeakSet[HTTPSConnection] = WeakSet()

    def GetConnection(self) -> Any:  # noqa: N802 - overrides pyVmomi's
        """Return a connection that is open; a pooled one that the host closed is replaced.

        Otherwise a request on it would be lost, and nobody could tell whether it was made.
        """
        try:
            connection = super().GetConnection()  # type: ignore[no-untyped-call]  # pyVmomi
            while connection in self._used and _is_stale(connection):
                self._used.discard(connection)
                connection.close()
                connection = super().GetConnection()  # type: ignore[no-untyped-call]  # pyVmomi
        except ssl.SSLCertVerificationError as error:
            raise _tls_error(self._endpoint, error) from error
        except (OSError, HTTPException) as error:
            raise HostUnreachableError(self._endpoint.name, describe(error)) from error
        # A new one may be readable for another reason (TLS session tickets).
        self._used.add(connection)
        return connection


def _is_stale(connection: HTTPSConnection) -> bool:
    """Tell whether the peer said something (a close) on a connection that should be idle."""
    if connection.sock is None:
        return True
    return bool(select.select([connection.sock], [], [], 0)[0])
