"""Whom we talk to and how we know it is them: verified against a CA, or pinned.

pyVmomi's own ``thumbprint`` is never used: it is only looked at after a verification failure and
turns the caller's context to CERT_NONE for every later connection (measured, pyVmomi 9.1.1.0).
One context class serves pyVmomi, ldap3, http.client and requests alike. Roots are loaded once for
all peers that trust the same file: 3.8 ms for ten of them, 50 ms for the system's (measured).
"""

from __future__ import annotations

import hashlib
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stsfix.snapshot.answers import ANSWER_BYTES, Exchange, OverdueError, bytes_over
from stsfix.snapshot.host_names import is_host

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Collection, Generator
    from pathlib import Path


class NoHostError(ValueError):
    """A name or address that can be none: whoever told it could mean anything by it."""

    def __init__(self) -> None:
        super().__init__("its name cannot be a host name")


def nothing_made() -> Collection[bytes]:
    """Return the leaves that were made for a peer nobody made any for."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How a peer proves itself: *sha256* pins its leaf (64 lower-case hex digits of the DER),
    else *ca_file* holds the PEM roots to verify against, else the system's roots are used.
    """

    ca_file: Path | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        if self.ca_file is not None and self.sha256 is not None:
            raise ValueError("a peer is verified against a CA file or pinned, not both")
        if self.sha256 is not None and (
            len(self.sha256) != hashlib.sha256().digest_size * 2
            or not set(self.sha256) <= set("0123456789abcdef")
        ):
            raise ValueError(f"not a SHA-256 in lower-case hex: {self.sha256!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A TLS peer. *name* is what its certificate must say and what messages print; *address*
    is where to connect (DNS is often down in such an outage). Timeouts in seconds: to connect, and
    again for the TLS handshake; *read_timeout_s* for an answer that is small (`answers.Exchange`).

    *made* gives the leaves (DER) that a run made for this very peer: they are believed besides
    *trust*. It is asked for every context, because a run makes leaves while its adapters exist.
    """

    name: str
    address: str
    port: int
    trust: Trust
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    made: Callable[[], Collection[bytes]] = field(default=nothing_made, repr=False, compare=False)


class BoundedSocket(ssl.SSLSocket):
    """Gives up on a peer that sends more than `ANSWER_BYTES` since something was sent to it, or
    that keeps us waiting (`Exchange`), also in reading what we send.

    Every read of data, also by http.client, urllib3 and ldap3, goes through `read`, and every write
    through `send`. Handshakes need no limit of ours: OpenSSL takes no certificates above 100 KiB
    (SSL_CTX_set_max_cert_list), and no other message of a handshake that is as large.
    """

    _answered = 0
    _has_answered = True
    _exchange: Exchange
    _patience_s: float

    def be_patient(self, seconds: float) -> None:
        """Wait so long for an answer, and longer if much of it comes. Before that nobody reads."""
        self.settimeout(seconds)
        self._patience_s = seconds
        self._exchange = Exchange(patience_s=seconds)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - ssl's name
        """Read as usual, count, and look at the clock.

        Raises:
            OversizedError: The limit is passed, now or before.
            OverdueError: The peer keeps us waiting.
        """
        self._has_answered = True
        with self._in_time():
            got: Any = super().read(len, buffer)
        size = got if buffer is not None else memoryview(got).nbytes
        self._exchange.took(size)
        self._answered += size
        if self._answered > ANSWER_BYTES:
            raise bytes_over(ANSWER_BYTES)
        return got

    def send(self, *args: Any, **kwargs: Any) -> int:
        """Send as usual; what comes now answers this.

        Raises:
            OverdueError: The peer does not take what is sent.
        """
        self._answered = 0
        if self._has_answered:
            self._has_answered = False
            self._exchange = Exchange(patience_s=self._patience_s)
        with self._in_time():
            sent = super().send(*args, **kwargs)
        self._exchange.gave(sent)
        return sent

    def overdue(self) -> OverdueError:
        """Return what is to be said of a peer that nobody waits for any longer."""
        return self._exchange.overdue()

    @contextmanager
    def _in_time(self) -> Generator[None]:
        """Let one operation take no longer than is left; OpenSSL's reads and writes each have one
        deadline, however many pieces come (CPython, _ssl.c). Its lack of memory is ours, no fault
        of the peer.
        """
        left_s, own_s = self._exchange.left_s(), self.gettimeout()
        is_shorter = own_s is None or left_s < own_s
        if is_shorter:
            self.settimeout(left_s)
        try:
            yield
        except TimeoutError as error:
            raise self.overdue() from error
        except ssl.SSLError as error:
            if "malloc failure" in str(error):  # OpenSSL's ERR_R_MALLOC_FAILURE
                raise MemoryError from error
            raise
        finally:
            if is_shorter:
                self.settimeout(own_s)


class PeerContext(ssl.SSLContext):
    """A client context that always checks the name or the pins of one `Endpoint`.

    After the handshake and before a byte of the caller's data, a pin mismatch closes the
    socket and raises ssl.SSLCertVerificationError. What libraries set here changes nothing:
    the handshake is *shared*'s, which no library gets hold of.
    """

    endpoint: Endpoint
    pins: frozenset[str]
    shared: ssl.SSLContext

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> BoundedSocket:
        """Wrap as usual, with the endpoint's own name, then compare the pin.

        The whole handshake has the endpoint's connect timeout, or the shorter one of *sock*.
        """
        kwargs["server_hostname"] = self.endpoint.name
        kwargs["do_handshake_on_connect"] = True
        own_s, most_s = sock.gettimeout(), self.endpoint.connect_timeout_s
        limit_s = most_s if own_s is None else min(own_s, most_s)
        sock.settimeout(limit_s)
        try:
            wrapped: Any = self.shared.wrap_socket(sock, *args, **kwargs)
        except TimeoutError as error:
            raise OverdueError(f"no TLS handshake in {limit_s:.3g} s") from error
        if self.pins:
            leaf = wrapped.getpeercert(binary_form=True) or b""
            found = hashlib.sha256(leaf).hexdigest()
            if found not in self.pins:
                wrapped.close()
                raise ssl.SSLCertVerificationError(
                    ssl.SSL_ERROR_SSL, f"pinned certificate mismatch: it shows sha256:{found}"
                )
        wrapped.be_patient(self.endpoint.read_timeout_s)
        return wrapped  # type: ignore[no-any-return] # of sslsocket_class

    def wrap_bio(self, *_args: Any, **_kwargs: Any) -> ssl.SSLObject:
        """Refuse: nothing looks at a pin there, and no library in use needs it."""
        raise NotImplementedError("TLS only over a socket of its own")


def peer_context(endpoint: Endpoint) -> PeerContext:
    """Return a context that accepts *endpoint* and nobody else.

    Raises:
        NoHostError: *endpoint* has a name or address that no host can have.
        OSError: The CA file cannot be read (ssl.SSLError if it holds no certificate).
    """
    if not (is_host(endpoint.name) and is_host(endpoint.address)):
        raise NoHostError
    context = PeerContext(ssl.PROTOCOL_TLS_CLIENT)
    context.endpoint = endpoint
    context.pins = frozenset()
    trust, made = endpoint.trust, endpoint.made()
    if trust.sha256 is not None:
        context.pins = frozenset(
            {trust.sha256, *(hashlib.sha256(leaf).hexdigest() for leaf in made)}
        )
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.shared = _pinned_context()
    elif made:
        context.shared = _believing(_verifying_context(trust.ca_file), made)
    else:
        context.shared = _shared_context(trust.ca_file)
    return context


def _shared_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return the context of all who trust *ca_file* as it is now."""
    state = None if ca_file is None else ca_file.stat()
    version = None if state is None else (state.st_ino, state.st_size, state.st_mtime_ns)
    with _loading:  # many threads begin at once: the first loads, the others find it loaded
        return _loaded(ca_file, version)


_loading = threading.Lock()


@lru_cache(maxsize=32)
def _loaded(ca_file: Path | None, version: tuple[int, int, int] | None) -> ssl.SSLContext:
    del version  # it tells one state of the file from another
    return _verifying_context(ca_file)


def _verifying_context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = BoundedSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # who was believed stays who is spoken to
    # VMCA-signed leaves may lack AKI, which Python >= 3.13 refuses by default (measured).
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=ca_file)
    return context


def _believing(context: ssl.SSLContext, leaves: Collection[bytes]) -> ssl.SSLContext:
    """Let *context*, which nobody shares, believe *leaves* as well."""
    for leaf in leaves:
        # An end of the chain by itself (OpenSSL, X509_V_FLAG_PARTIAL_CHAIN): name and dates are
        # checked as ever, and it cannot vouch for others, being no CA.
        context.load_verify_locations(cadata=leaf)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _pinned_context() -> ssl.SSLContext:
    """Return a context that shakes hands with anybody: the pin is looked at afterwards."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = BoundedSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # who was believed stays who is spoken to
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
