"""The listening side of vmdird: LDAPS (and plain LDAP) on loopback, one thread a connection."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from stsfix.lab.faults import NOISE, Dripped, Dropped, Flooded, Garbled, Reset
from stsfix.lab.flood import send_slowly
from stsfix.lab.https import break_off
from stsfix.lab.seams import read_tls
from stsfix.lab.vmdir import ber
from stsfix.lab.vmdir.ages import AGES, ServerDied
from stsfix.lab.vmdir.flood import ldap_drip, ldap_pieces
from stsfix.lab.vmdir.messages import decode_message
from stsfix.lab.vmdir.reader import StoreReader
from stsfix.lab.vmdir.replication import Replicator
from stsfix.lab.vmdir.session import Service, Session

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from stsfix.lab.clock import LabClock
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.seams import KeyPair, TlsSource
    from stsfix.lab.vmdir.store import DirectoryStore

logger = logging.getLogger(__name__)

_IDLE_S = 180.0
_HANDSHAKE_S = 10.0
_JOIN_S = 5.0
_BACKLOG = 32


class VmdirServer:
    """vmdird of one node. It registers itself in *registry*, where its partners find it.

    Args:
        node: FQDN of the node.
        get_store: Returns the node's directory; asked for every operation, so that the store
            may be replaced while the server is stopped (a snapshot revert).
        port: LDAPS port on 127.0.0.1.
        tls: The machine certificate; read again by every start.
        clock: Durations (idle disconnect, replication) are field seconds.
        faults: Every operation runs inside ``around("ldap", BIND | SEARCH | ADD | MODIFY |
            DELETE, node)``; the detail of a REFUSE rule may name a result code (else 53). A pull
            runs inside ``around("replication", "PULL", node)``.
        registry: Servers of the domain by FQDN. A server that is not running is unreachable.
        age: ``D``, ``B`` or ``A`` (see `ages`).
        plain_port: Plain LDAP port; it refuses simple binds with 53 unless *allow_insecure*.
        min_idle_s: Real seconds an idle connection is kept at least, however fast the clock.
        replication_s: Field seconds between two pulls.
        write_refused: Told the kind of each write that is refused because it is read-only.
    """

    def __init__(
        self,
        node: str,
        get_store: Callable[[], DirectoryStore],
        *,
        port: int,
        tls: TlsSource,
        clock: LabClock,
        faults: FaultBook,
        registry: MutableMapping[str, VmdirServer],
        age: str = "D",
        plain_port: int | None = None,
        allow_insecure: bool = False,
        min_idle_s: float = 5.0,
        replication_s: float = 30.0,
        write_refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.node = node
        self.port = port
        self.plain_port = plain_port
        self.tls = tls
        self.get_store = get_store
        self._allow_insecure = allow_insecure
        self._idle_s = max(clock.real(_IDLE_S), min_idle_s)
        self._service = Service(
            node=node,
            get_store=get_store,
            behaviour=AGES[age],
            faults=faults,
            now=clock.now,
            write_refused=write_refused,
        )
        self.replicator = Replicator(
            node=node,
            get_store=get_store,
            partner=lambda host: _running_store(registry, host),
            behaviour=AGES[age],
            clock=clock,
            faults=faults,
            interval_s=replication_s,
        )
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._stopping = threading.Event()
        self._stopping.set()
        registry[node] = self

    @property
    def running(self) -> bool:
        """True from `start` until `stop`, or until a request killed the server."""
        return not self._stopping.is_set()

    @property
    def read_only(self) -> bool:
        """True while the server refuses writes with 53."""
        return self._service.read_only

    @read_only.setter
    def read_only(self, value: bool) -> None:
        self._service.read_only = value

    def reader(self) -> StoreReader:
        """Return the in-process view of this node's directory for services on the node."""
        return StoreReader(self.get_store, lambda: self.running)

    def local_session(self) -> Session:
        """Return a session of a program on the node: vmdird lets it bind in its own ways (SRP)."""
        return Session(service=self._service, simple_bind=True)

    def replicate(self) -> None:
        """Pull once from every partner now."""
        self.replicator.pull_all()

    def start(self) -> None:
        """Listen and replicate; on return clients can connect. Does nothing while running.

        Raises:
            OSError: A port is taken.
        """
        if self.running:
            return
        self._stopping = threading.Event()
        self.get_store().cycles = 0  # counted in memory (vmdir/server/replication/thread.c)
        try:
            self._listen_securely()
            if self.plain_port is not None:
                self._listen(self.plain_port, None)
        except OSError:
            self.stop()
            raise
        self._spawn(self.replicator.run, self._stopping)

    def _listen_securely(self) -> None:
        """Open LDAPS; without a usable certificate there is none (VmDirOpensslInit) [INFERRED]."""
        try:
            context = _tls_context(read_tls(self.tls))
        except ssl.SSLError as error:
            logger.warning("vmdird of %s serves no LDAPS: %s", self.node, error)
            return
        self._listen(self.port, context)

    def stop(self) -> None:
        """End every connection and thread. Does nothing while stopped."""
        self._stopping.set()
        with self._lock:
            sockets = [*self._listeners, *self._open]
            threads, self._threads, self._listeners = self._threads, [], []
        for open_socket in sockets:
            _shut_down(open_socket)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)
        for open_socket in sockets:
            open_socket.close()

    def _listen(self, port: int, context: ssl.SSLContext | None) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with self._lock:
            self._listeners.append(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
        self._spawn(self._accept, listener, context, self._stopping)

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(
            target=target, args=args, name=f"vmdir-{self.node}-{target.__name__}", daemon=True
        )
        with self._lock:
            self._threads = [t for t in self._threads if t.is_alive() or t.ident is None]
            self._threads.append(thread)
        thread.start()

    def _accept(
        self, listener: socket.socket, context: ssl.SSLContext | None, stopping: threading.Event
    ) -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if stopping.is_set():
                    connection.close()
                    return
                self._open.add(connection)
            self._spawn(self._serve, connection, context)

    def _serve(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        """Serve one client until it leaves, stays idle too long, or the server stops."""
        current = connection
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_HANDSHAKE_S)
            if context is not None:
                current = context.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open.discard(connection)
                    self._open.add(current)
            current.settimeout(self._idle_s)
            self._converse(
                current, Session(service=self._service, simple_bind=self._binds(context))
            )
        except ServerDied:
            logger.warning("vmdird of %s died on a request", self.node)
            self.stop()
        except Garbled:
            with contextlib.suppress(OSError):
                current.sendall(NOISE)
        except Reset:
            break_off(current)
        except (OSError, ber.BerError, Dropped) as error:
            # An idle client (TimeoutError) is dropped without a notice, as measured.
            logger.debug("vmdir %s: connection ends: %s", self.node, error)
        finally:
            with self._lock:
                self._open.discard(connection)
                self._open.discard(current)
            _shut_down(current)
            current.close()

    def _binds(self, context: ssl.SSLContext | None) -> bool:
        return context is not None or self._allow_insecure

    def _converse(self, connection: socket.socket, session: Session) -> None:
        def receive(size: int) -> bytes:
            parts: list[bytes] = []
            while size > 0 and (part := connection.recv(min(size, 65536))):
                parts.append(part)
                size -= len(part)
            return b"".join(parts)

        while self.running and (element := ber.read_message(receive)) is not None:
            message = decode_message(element)
            try:
                answer = session.answer(message)
            except Flooded as flood:
                for piece in ldap_pieces(flood.kind, message.id):
                    connection.sendall(piece)
                return
            except Dripped as drip:
                send_slowly(ldap_drip(), drip.pause_s, connection.sendall)
                return
            if answer is None:
                return
            connection.sendall(answer)


def _running_store(registry: MutableMapping[str, VmdirServer], host: str) -> DirectoryStore | None:
    server = registry.get(host)
    return server.get_store() if server is not None and server.running else None


def _shut_down(open_socket: socket.socket) -> None:
    """Wake whoever waits on the socket. SSLSocket's own method would take its TLS object away
    from under a reading thread, so the plain socket's is called.
    """
    with contextlib.suppress(OSError):
        socket.socket.shutdown(open_socket, socket.SHUT_RDWR)


def _tls_context(pair: KeyPair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # load_cert_chain takes a path only; the folder is private and gone on return.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "machine.pem"
        path.write_bytes(pair.key_pem + pair.certificates_pem)
        context.load_cert_chain(path)
    return context
