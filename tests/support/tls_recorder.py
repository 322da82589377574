"""A TLS server that keeps every byte a client sends after the handshake."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ready_keys import another_key
from stsfix.lab import pki

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from cryptography import x509

_CA_KEY = another_key()
_KEY = another_key()
ROOT = pki.vmca_root(
    _CA_KEY,
    domain="vsphere.local",
    host="vc1.lab.example",
    not_before=pki.days_from_now(-900),
    not_after=pki.days_from_now(30),
)

_FOREIGN_KEY = another_key()
_FOREIGN_ROOT = pki.vmca_root(
    _FOREIGN_KEY,
    domain="vsphere.local",
    host="new.lab.example",
    not_before=pki.days_from_now(-1),
    not_after=pki.days_from_now(30),
)


def host_certificate(*names: str, ended: bool = False) -> x509.Certificate:
    """Return a certificate of `ROOT` for *names*, valid now or *ended* yesterday."""
    return pki.vmca_leaf(
        _KEY,
        issuer=ROOT,
        issuer_key=_CA_KEY,
        common_name="esx1.lab.example",
        not_before=pki.days_from_now(-800),
        not_after=pki.days_from_now(-1 if ended else 20),
        names=names,
    )


def foreign_certificate(*names: str) -> x509.Certificate:
    """Return a certificate for *names* of a CA that nobody trusts."""
    return pki.vmca_leaf(
        _KEY,
        issuer=_FOREIGN_ROOT,
        issuer_key=_FOREIGN_KEY,
        common_name=names[0],
        not_before=pki.days_from_now(-1),
        not_after=pki.days_from_now(20),
        names=names,
    )


def certificate_below(leaf: x509.Certificate, *names: str) -> x509.Certificate:
    """Return a certificate for *names* that was signed with the key of *leaf*."""
    return pki.vmca_leaf(
        _KEY,
        issuer=leaf,
        issuer_key=_KEY,
        common_name=names[0],
        not_before=pki.days_from_now(-1),
        not_after=pki.days_from_now(20),
        names=names,
    )


class Recorder:
    """Accepts until stopped; *connections* and *handshakes* count, *received* keeps bytes.

    The nth connection is shown the nth of *leaves*, further ones the last. *reply* answers what
    was received at once; an answer to nothing is none.
    """

    def __init__(self, leaves: Sequence[x509.Certificate], reply: Callable[[bytes], bytes]) -> None:
        self._contexts = [_server_context(leaf) for leaf in leaves]
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.handshakes = 0
        self.received = b""

    def _run(self) -> None:
        while not self._over.is_set():
            plain, _ = self._listener.accept()
            plain.settimeout(5)
            with plain, contextlib.suppress(OSError):
                if self._over.is_set():
                    return
                context = self._contexts[min(self.connections, len(self._contexts) - 1)]
                self.connections += 1
                with context.wrap_socket(plain, server_side=True) as secure:
                    self.handshakes += 1
                    while part := secure.recv(4096):
                        self.received += part
                        secure.sendall(self._reply(part))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._thread.join(10)
        self._listener.close()


@contextmanager
def recording(
    *leaves: x509.Certificate, reply: Callable[[bytes], bytes] = lambda _: b""
) -> Generator[Recorder]:
    """Run a `Recorder`; when the block ends every connection was read to its end."""
    server = Recorder(leaves, reply)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _server_context(leaf: x509.Certificate) -> ssl.SSLContext:
    pair = pki.key_pair(_KEY, [leaf])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "host.pem"
        path.write_bytes(pair.certificates_pem + pair.key_pem)
        context.load_cert_chain(path)
    return context
