"""One HTTPS request to a node: verified or pinned, within a deadline, of bounded size.

Nothing of the environment has a say: no proxy variables, no CA bundle variables, no netrc, and
no redirect is followed (a redirect would carry a password to another place).
"""

from __future__ import annotations

import email.utils
import http.client
import io
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from stsfix.remediation.errors import NodeTlsError, NodeUnreachableError
from stsfix.snapshot.answers import MIB, OverdueError, OversizedError, bytes_over
from stsfix.snapshot.broken import in_words
from stsfix.snapshot.errors import AnswerTooLargeError
from stsfix.snapshot.tls import NoHostError, PeerContext, peer_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.tls import Endpoint

BODY_LIMIT = 4 * MIB
"""Bytes of an answer that are read at most; metadata and tokens are far below 1 MiB."""

_UNAVAILABLE = http.client.SERVICE_UNAVAILABLE
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a node answered. *date* is its own clock as it says in the Date header, if it does;
    *location* where a redirect leads, which nobody followed.
    """

    status: int
    body: bytes
    date: datetime | None
    location: str | None = None


def context_for(endpoint: Endpoint) -> PeerContext:
    """Return the context that accepts *endpoint* alone.

    Raises:
        NodeTlsError: The CA file is missing or holds no certificate; nothing was sent.
        NodeUnreachableError: A directory told a name that no host can have.
    """
    try:
        return peer_context(endpoint)
    except NoHostError as error:
        raise NodeUnreachableError(endpoint.name, str(error)) from error
    except OSError as error:
        reason = f"its CA file cannot be used ({error.strerror or error})"
        raise NodeTlsError(endpoint.name, reason) from error


def tls_error(endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> NodeTlsError:
    """Translate a failed verification, with the SHA-256 that was shown if it is known."""
    # Without a message of OpenSSL's, str() shows the tuple of arguments.
    said = error.args[-1] if error.args else error
    text = str(getattr(error, "verify_message", "") or said)
    shown = re.search(r"sha256:([0-9a-f]{64})", text)
    sha256 = shown.group(1) if shown else None
    return NodeTlsError(endpoint.name, text, sha256, answered=True)


def request(
    endpoint: Endpoint,
    method: str,
    path: str,
    *,
    clock: Clock,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    may_be_unavailable: bool = False,
) -> Answer:
    """Send one request and read the whole answer within connect plus read timeout.

    The limits hold for the request as a whole: a node that sends one byte now and then does
    not keep it alive.

    Raises:
        NodeUnreachableError: No connection, it broke, it took too long, the answer is no HTTP,
            or 503 (the node's proxy has no such service yet) unless it *may_be_unavailable*.
        AnswerTooLargeError: The answer is above `BODY_LIMIT`.
        NodeTlsError: The certificate is not the one wanted; no byte of the request was sent.
    """
    context = context_for(endpoint)
    try:
        answer = _exchange(endpoint, context, clock, (method, path, body, headers or {}))
    except ssl.SSLCertVerificationError as error:
        raise tls_error(endpoint, error) from error
    except TimeoutError as error:
        said_some = isinstance(error, OverdueError) and error.received > 0
        raise NodeUnreachableError(endpoint.name, _late(error), answered=said_some) from error
    except OversizedError as error:
        raise AnswerTooLargeError(endpoint.name, str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        no_http = isinstance(error, http.client.HTTPException)  # of a connection that was made
        raise NodeUnreachableError(endpoint.name, in_words(error), answered=no_http) from error
    except UnicodeError as error:  # a name out of a directory that cannot be a host name
        raise NodeUnreachableError(endpoint.name, "its name cannot be a host name") from error
    if answer.status == _UNAVAILABLE and not may_be_unavailable:
        raise NodeUnreachableError(endpoint.name, "503 Service Unavailable", answered=True)
    return answer


def _late(error: TimeoutError) -> str:
    return str(error) if isinstance(error, OverdueError) else "no connection in time"


def _exchange(
    endpoint: Endpoint,
    context: PeerContext,
    clock: Clock,
    asked: tuple[str, str, bytes | None, Mapping[str, str]],
) -> Answer:
    method, path, body, headers = asked
    deadline = _Deadline(clock, endpoint.connect_timeout_s)
    plain = socket.create_connection((endpoint.address, endpoint.port), deadline.left())
    with plain:
        plain.settimeout(deadline.left())
        with context.wrap_socket(plain) as secure:
            deadline = _Deadline(clock, endpoint.read_timeout_s, secure.overdue)
            connection = http.client.HTTPConnection(endpoint.name, endpoint.port)
            connection.auto_open = 0
            # http.client only calls sendall, makefile and close of what it is given.
            connection.sock = _Timed(secure, deadline)
            sent = {"Host": _host(endpoint), "Accept-Encoding": "identity", "Connection": "close"}
            connection.request(method, path, body=body, headers={**sent, **headers})
            response = connection.getresponse()
            content = response.read(BODY_LIMIT + 1)
            if len(content) > BODY_LIMIT:
                raise bytes_over(BODY_LIMIT)
            if response.length:  # read(n) does not tell that the body was cut, read() would
                raise http.client.IncompleteRead(content, response.length)
            date = response.getheader("Date")
            return Answer(
                status=response.status,
                body=content,
                date=_parsed(date),
                location=response.getheader("Location"),
            )


def _host(endpoint: Endpoint) -> str:
    name = f"[{endpoint.name}]" if ":" in endpoint.name else endpoint.name
    return name if endpoint.port == _HTTPS_PORT else f"{name}:{endpoint.port}"


def _parsed(date: str | None) -> datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(date) if date else None
        return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):  # a year, or a zone, that there is not
        return None


class _Deadline:
    """A moment on the monotonic clock, and what is raised after it."""

    def __init__(
        self, clock: Clock, seconds: float, late: Callable[[], TimeoutError] = TimeoutError
    ) -> None:
        self._late = late
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, or raise TimeoutError."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise self._late()
        return left


class _Timed:
    """The part of a socket that http.client uses, each operation limited to what is left."""

    def __init__(self, inner: ssl.SSLSocket, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def sendall(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            self._inner.settimeout(self._deadline.left())
            view = view[self._inner.send(view) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError(mode)
        return io.BufferedReader(_TimedReader(self._inner, self._deadline))

    def close(self) -> None:
        """Do nothing: the with statements around the sockets close them."""


class _TimedReader(io.RawIOBase):
    def __init__(self, inner: ssl.SSLSocket, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # any writable buffer; no type for it in 3.11
        self._inner.settimeout(self._deadline.left())
        return self._inner.recv_into(buffer)
