"""The HTTPS front of a node (rhttpproxy, envoy): one port, services by path prefix."""

from __future__ import annotations

from dataclasses import replace
from email.utils import format_datetime
from typing import TYPE_CHECKING, Protocol

from stsfix.lab.faults import FaultBook, Refused
from stsfix.lab.https import HttpsServer, Reply, Request
from stsfix.lab.seams import read_tls

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.seams import KeyPair, TlsSource

UNHEALTHY = Reply(status=503, body=b"no healthy upstream", content_type="text/plain")
"""What a client sees of a service that does not run (KB 316619, releases with Envoy)."""

_PIPE = (
    "[N7Vmacore4Http20NamedPipeServiceSpecE:0x00007fb444041040] _serverNamespace = {prefix} "
    "action = Allow _pipeName =/var/run/vmware/vpxd-webserver-pipe"
)
_PORT = (
    "[N7Vmacore4Http16LocalServiceSpecE:0x00007fb444041040] _serverNamespace = {prefix} "
    "action = Allow _port = {port}"
)
_PORTS = {"/ui": 5090, "/api": 12346, "/rest": 12346}
_TOMCAT = 7080


def no_endpoint(prefix: str) -> Reply:
    """Return what a client of rhttpproxy sees of such a service (KB 316619, releases 6.x; for
    services with a port public reports, and the numbers [K]).
    """
    form = _PIPE if prefix == "/sdk" else _PORT
    shown = "/" if prefix == "/sdk" else prefix
    where = form.format(prefix=shown, port=_PORTS.get(prefix, _TOMCAT))
    body = f"503 Service Unavailable (Failed to connect to endpoint: {where})"
    return Reply(status=503, body=body.encode(), content_type="text/plain")


class WebService(Protocol):
    """A service behind the front of a node."""

    @property
    def running(self) -> bool:
        """False makes the front answer 503."""

    def handle(self, request: Request) -> Reply:
        """Answer one request; called from many threads at once.

        Raises:
            Dropped: The front closes the connection without an answer.
        """


class NodeFront:
    """HTTPS on 127.0.0.1:*port* for one node; services are added with `route`.

    A request goes to the longest prefix that matches whole path segments. A service that does
    not run, or a fault rule that refuses (protocol ``https``, call ``<METHOD> <prefix>``, the
    node), gives 503: "no healthy upstream", or with *older*, as rhttpproxy, the endpoint that it
    could not connect to. `start` and `stop` may follow each other any number
    of times; the port stays the same, and *tls* is read by each start. With *now*, the node's
    clock, every answer has a Date.
    """

    def __init__(
        self,
        node: str,
        port: int,
        tls: TlsSource,
        *,
        faults: FaultBook,
        now: Callable[[], datetime] | None = None,
        older: bool = False,
    ) -> None:
        self.node = node
        self.port = port
        self._older = older
        self._tls = tls
        self._shown: KeyPair | None = None
        self._faults = faults
        self._now = now
        self._routes: dict[str, WebService] = {}
        self._server: HttpsServer | None = None

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._server is not None

    def route(self, prefix: str, service: WebService) -> None:
        """Send every path below *prefix* (``/sdk``, no slash at the end) to *service*."""
        self._routes[prefix] = service

    def use(self, tls: TlsSource) -> None:
        """Serve *tls* from the next `start` on."""
        self._tls = tls

    @property
    def shown(self) -> KeyPair | None:
        """The certificate clients see now, None while it does not run."""
        return self._shown

    def start(self) -> None:
        """Accept connections on return; nothing happens when it runs already.

        Raises:
            OSError: The port is taken.
            ssl.SSLError: Key and certificate do not belong together.
        """
        if self._server is not None:
            return
        shown = read_tls(self._tls)
        server = HttpsServer(f"front {self.node}", port=self.port, tls=shown, answer=self.dispatch)
        server.start()
        self.port = server.port
        self._server, self._shown = server, shown

    def stop(self) -> None:
        """Close the port and cut every open connection; nothing happens when it does not run."""
        server, self._server, self._shown = self._server, None, None
        if server is not None:
            server.stop()

    def dispatch(self, request: Request) -> Reply:
        """Answer *request* as the front does.

        Raises:
            Dropped: A fault rule closes the connection.
        """
        reply = self._dispatch(request)
        if self._now is None or any(name.lower() == "date" for name, _ in reply.headers):
            return reply
        date = ("Date", format_datetime(self._now(), usegmt=True))
        return replace(reply, headers=(*reply.headers, date))

    def _dispatch(self, request: Request) -> Reply:
        path = request.path.partition("?")[0]
        prefix = self._prefix(path)
        call = f"{request.method} {path if prefix is None else prefix}"
        try:
            with self._faults.around("https", call, self.node):
                if prefix is None:
                    return Reply(status=404)
                service = self._routes[prefix]
                return service.handle(request) if service.running else self._down(prefix)
        except Refused:
            return self._down(prefix or "/")

    def _down(self, prefix: str) -> Reply:
        return no_endpoint(prefix) if self._older else UNHEALTHY

    def _prefix(self, path: str) -> str | None:
        matching = [p for p in self._routes if path == p or path.startswith(p + "/")]
        return max(matching, key=len, default=None)
