"""The management interface of a node (VAMI, port 5480): REST for local root, without any SSO.

The web server runs from boot to power off; what answers is applmgmt, whose absence it tells by 503.
It works while STS and vpxd are down (vsphere.md 0.3).

Fault rules of protocol ``vami``, target the FQDN; the call is method and path, as in
``POST /rest/appliance/services/vmafdd/restart``. Refused: 503 ``service_unavailable``, or the
standard error that *detail* names.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import secrets
import ssl
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.lab.faults import Dropped, Refused
from stsfix.lab.https import HttpsServer, Reply, Request
from stsfix.lab.releases import BUILDS, TYPES, product
from stsfix.lab.root_login import Login, log_in
from stsfix.lab.services import PowerLost
from stsfix.lab.vami_services import Operations, Units, VmonServices
from stsfix.lab.vami_wire import (
    EMPTY,
    GATEWAY_DOWN,
    NO_SUCH_PATH,
    STATUSES,
    ApiError,
    argument,
    keyed,
    value,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.guest_operations import GuestTools
    from stsfix.lab.seams import KeyPair
    from stsfix.lab.services import Board
    from stsfix.lab.ssh import SshDaemon

logger = logging.getLogger(__name__)

SESSION_HEADER = "vmware-api-session-id"
_SESSION = "/rest/com/vmware/cis/session"
_SERVICE = re.compile(r"/rest/appliance/(services|vmon/service)(?:/([^/]+)(?:/(\w+))?)?")
_HEALTH = re.compile(
    r"/rest/appliance/health/(system|applmgmt|load|mem|storage|swap|database-storage|"
    r"software-packages)(/lastcheck)?"
)
_VERBS = ("start", "stop", "restart")
_FULL_KIB = 100_000
_CHECKED_AGO = timedelta(minutes=1)


class Backend:
    """applmgmt, the service: it answers, and it keeps the sessions."""

    def __init__(self, started: Callable[[], None]) -> None:
        self.running = False
        self.sessions: dict[str, datetime] = {}
        self._started = started

    def start(self) -> None:
        """See services.Program."""
        self.running = True
        self._started()

    def stop(self) -> None:
        """See services.Program."""
        self.running = False
        self.sessions.clear()


@dataclass(kw_only=True)
class Vami:
    """One node's interface on 127.0.0.1:*port*; *tls* gives what it presents.

    `wire` gives it what it works on; `start` and `stop` are those of the web server.
    """

    disk: NodeDisk
    port: int
    tls: Callable[[], KeyPair]
    faults: FaultBook
    now: Callable[[], datetime]
    backend: Backend = field(init=False)
    _server: HttpsServer | None = field(default=None, init=False)
    _shown: KeyPair | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.backend = Backend(self._renew)

    def wire(self, board: Board, tools: GuestTools, sshd: SshDaemon) -> None:
        """Connect it to the services of this boot."""

        def later(work: Callable[[], None]) -> None:
            tools.spawn(work)

        web_server = "vami-lighttp" if self.disk.release < (8,) else "cap-lighttpd"
        operations = Operations(self.disk, board, later)
        self._vmon = VmonServices(self.disk, board, operations)
        self._units = Units(self.disk, board, operations, later, {"sshd": sshd, web_server: self})
        self._sshd = sshd

    @property
    def running(self) -> bool:
        """True while the web server listens."""
        return self._server is not None

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        with self._lock:
            if self._server is not None or self._closed:
                return
            self._shown = self.tls()
            try:
                server = HttpsServer(
                    f"vami {self.disk.fqdn}", port=self.port, tls=self._shown, answer=self.answer
                )
                server.start()
            except ssl.SSLError as error:
                logger.warning("VAMI of %s has no usable certificate: %s", self.disk.fqdn, error)
                return
            self._server = server

    def stop(self) -> None:
        """Close the port and cut every connection."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.stop()

    def close(self) -> None:
        """Stop for good: the node has no power any more."""
        with self._lock:
            self._closed = True
        self.stop()

    def _renew(self) -> None:
        """Present another certificate if there is one since the web server was started [K]."""
        if self.running and self._shown != self.tls():
            self.stop()
            self.start()

    def answer(self, request: Request) -> Reply:
        """Answer one request.

        Raises:
            Dropped: By a fault rule, or because what answers was told to stop.
        """
        path = request.path.partition("?")[0].rstrip("/")
        try:
            with self.faults.around("vami", f"{request.method} {path}", self.disk.fqdn):
                if not self.backend.running:
                    return GATEWAY_DOWN
                return self._authenticated(request, path)
        except ApiError as error:
            return error.reply
        except PowerLost:
            raise Dropped from None
        except Refused as refused:
            name = refused.rule.detail if refused.rule.detail in STATUSES else "service_unavailable"
            return ApiError(name, "lab.fault", "Refused by a fault rule of the lab").reply

    def _authenticated(self, request: Request, path: str) -> Reply:
        session = self._authenticate(request)
        if path == _SESSION:
            return self._session(request.method, session)
        if (match := _SERVICE.fullmatch(path)) is not None:
            return self._service(request.method, *match.groups())
        if (match := _HEALTH.fullmatch(path)) is not None and request.method == "GET":
            checked = f"{self.now() - _CHECKED_AGO:%Y-%m-%dT%H:%M:%S.000Z}"
            return value(checked if match[2] else self._health(match[1]))
        if path == "/rest/appliance/system/version" and request.method == "GET":
            return value(self._version())
        if path == "/rest/appliance/access/ssh":
            return self._ssh(request)
        return NO_SUCH_PATH

    def _authenticate(self, request: Request) -> str:
        """Return the session's id, empty for basic authentication.

        Raises:
            ApiError: Nobody is let in, or the password has expired.
        """
        session = request.headers.get(SESSION_HEADER, "") or _cookie(request)
        if session:
            if session not in self.backend.sessions:
                raise _unauthenticated()
            return session
        user, password = _basic(request)
        match log_in(self.disk, user, password):
            case Login.WELCOME:
                return ""
            case Login.EXPIRED:
                text = "Exception in invoking authentication handler User password expired"
                error_id = "vapi.security.authentication.exception"
                raise ApiError("internal_server_error", error_id, text)
            case _:
                raise _unauthenticated()

    def _session(self, method: str, session: str) -> Reply:
        sessions = self.backend.sessions
        if method == "POST" and not session:
            new = secrets.token_hex(16)
            sessions[new] = self.now()
            cookie = f"{SESSION_HEADER}={new};Path=/rest;Secure;HttpOnly"
            return value(new, (("Set-Cookie", cookie),))
        if method == "DELETE" and session:
            sessions.pop(session, None)
            return EMPTY
        if method == "GET" and session:
            created = f"{sessions[session]:%Y-%m-%dT%H:%M:%S.000Z}"
            return value({"created_time": created, "last_accessed_time": created, "user": "root"})
        raise _unauthenticated()

    def _service(self, method: str, kind: str, name: str | None, verb: str | None) -> Reply:
        if kind == "services" and self.disk.release < (6, 7):
            return NO_SUCH_PATH
        services: Units | VmonServices = self._units if kind == "services" else self._vmon
        if method == "GET" and name is None:
            return value(keyed(services.list()))
        if method == "GET" and name is not None and verb is None:
            return value(services.get(name))
        if method == "POST" and name is not None and verb in _VERBS:
            services.change(name, verb)
            return EMPTY
        return NO_SUCH_PATH

    def _health(self, part: str) -> str:
        is_full = any(free < _FULL_KIB for free in self.disk.free_kib.values())
        return "red" if is_full and part in ("system", "storage") else "green"

    def _version(self) -> dict[str, str]:
        build = BUILDS[self.disk.version]
        return {
            "version": build,
            "product": product(self.disk),
            "build": build.rpartition(".")[2],
            "type": TYPES[self.disk.role],
            "summary": "",
            "releasedate": "",
            "install_time": "",
        }

    def _ssh(self, request: Request) -> Reply:
        if request.method == "GET":
            return value(self.disk.ssh_enabled)
        if request.method != "PUT":
            return NO_SUCH_PATH
        enabled = argument(request.body, "enabled")
        if not isinstance(enabled, bool):
            raise ApiError(
                "invalid_argument", "vapi.data.type.mismatch", "enabled is not a boolean"
            )
        self.disk.ssh_enabled = enabled
        if enabled:
            self._sshd.start()
        else:
            self._sshd.stop()
        return EMPTY


def _unauthenticated() -> ApiError:
    """Return the error that says nothing of the reason."""
    text = "Unable to authenticate user"
    return ApiError("unauthenticated", "vapi.security.authentication.invalid", text)


def _basic(request: Request) -> tuple[str, str]:
    """Return user and password of the request.

    Raises:
        ApiError: There are none.
    """
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _unauthenticated() from error
    user, colon, password = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise _unauthenticated()
    return user, password


def _cookie(request: Request) -> str:
    found = re.search(rf"(?:^|;\s*){SESSION_HEADER}=(\w+)", request.headers.get("cookie", ""))
    return "" if found is None else found[1]
