"""A connection of ldap3 to a node's vmdir: verified before a byte is sent, leaving no trace.

What ldap3 2.9.1 must not be left to decide about a connection is decided here (libraries.md 4 and
vmdird-measured.md 6): its own TLS verifies nothing, a Server object remembers a failed connect for
300 s, SAFE_SYNC copies every answer deeply, and request and answer stay in memory.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import select
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import ldap3
from ldap3.core.exceptions import LDAPExceptionError
from pyasn1.error import PyAsn1Error

from stsfix.remediation.errors import DirectoryUnreachableError, NodeTlsError
from stsfix.snapshot.answers import MIB, OversizedError, bytes_over
from stsfix.snapshot.broken import NO_ADDRESS, in_words
from stsfix.snapshot.tls import NoHostError, peer_context
from stsfix.snapshot.words import CUT, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint, PeerContext

logger = logging.getLogger(__name__)

# What ldap3 raises when the connection breaks or the answer is no LDAP. Its fast decoder does not
# guard against other bytes, hence the plain classes.
LOST: Final = (
    LDAPExceptionError,
    PyAsn1Error,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
)

MESSAGES: Final = 20_000
"""Entries of one answer; ldap3 takes 150 us for each. 15 vCenters register below 5,000."""

ELEMENTS: Final = 500_000
"""BER elements in all messages of one answer: ldap3 makes a tuple, an int and a copy of each (200
bytes of memory for two of a message). The registrations of 15 vCenters are below 200,000."""

MESSAGE_BYTES: Final = 16 * MIB
"""One entry, or one result. The largest that a domain has are entries with a few certificates; one
with 10 MB of rubbish is told as such, and the others are read."""

_AT_OPERATION: Final = 2
_ENTRY: Final = 0x64
_NUMBER_BYTES: Final = 8
_NUMBERS: Final = {0x02: 1, 0x0A: 3}
"""INTEGER and ENUMERATED, and the one place of each among the elements of a message: its id, and
the result code (RFC 4511, 4.1.1 and 4.1.9). ldap3 decodes numbers in quadratic time, and makes of
one that stands for a value as many zero bytes as it says (asn1.py, search.py, 2.9.1)."""

_TAGS: Final = frozenset(
    b"\x01\x02\x04\x0a\x30\x31\x61\x64\x65\x67\x69\x6b\x6d\x6f\x73\x78\x79\x87\x8a\x8b\xa0\xa3"
)
"""Every kind of element in answers (RFC 4511, appendix B). ldap3 ignores the bit that tells whether
others are within (asn1.py): what hides them here would be counted as one."""

_DEPTH: Final = 16
"""Elements within elements; an answer with controls has six."""

_SHORT_HEAD: Final = 2
_CONSTRUCTED: Final = 0x20
_LONG: Final = 0x80
_MAX_TEXT = 160
_PIECE_BYTES: Final = 1 << 16
_SHOWN_PIN = re.compile(r"sha256:([0-9a-f]{64})")


class NotLdapError(ValueError):
    """A message is BER, and not what LDAP allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as read; attribute names in lower case, values in the order received."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]

    def values(self, attribute: str) -> tuple[bytes, ...]:
        """Return the values of *attribute*, empty if absent."""
        return self.attributes.get(attribute.lower(), ())

    def text(self, attribute: str) -> str:
        """Return the first value of *attribute* as text, empty if absent."""
        values = self.values(attribute)
        return values[0].decode(errors="replace") if values else ""


class _VerifiedTls(ldap3.Tls):
    """Wraps ldap3's sockets in our own context; keeps why it failed, which ldap3 flattens."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__()
        self._context = context
        self.refused: ssl.SSLCertVerificationError | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: FBT001, FBT002 - ldap3's signature
        """Finish the handshake and every check before ldap3 may send a byte."""
        del do_handshake
        plain = connection.socket
        try:
            connection.socket = self._context.wrap_socket(plain)
        except ssl.SSLCertVerificationError as error:
            self.refused = error
            plain.close()
            raise
        except OSError:
            plain.close()
            raise


def plain_text(text: str) -> str:
    """Return the part of a server's diagnostic text that is safe to show.

    vmdird quotes a refused value up to its first NUL, and a value may be a private key
    (measured, section 4): everything from the first unprintable or non-ASCII character is cut.
    """
    shown = re.match(r"[ -~]*", text)
    told = shown[0].strip() if shown else ""
    is_cut = told != text.strip("\0 \r\n")
    return shortened(f"{told}{CUT}" if told and is_cut else told, _MAX_TEXT)


def open_connection(
    node: str, endpoint: Endpoint, *, user_dn: str | None, password: Secret[str]
) -> ldap3.Connection:
    """Return an open connection whose peer is verified; nothing was sent on it yet.

    Raises:
        NodeTlsError: The certificate is not the one wanted, or the CA file cannot be used.
        DirectoryUnreachableError: No connection.
    """
    try:
        tls = _VerifiedTls(peer_context(endpoint))
    except NoHostError as error:
        raise DirectoryUnreachableError(node, str(error)) from error
    except OSError as error:
        raise NodeTlsError(node, f"the CA file cannot be used: {error}") from error
    connection = ldap3.Connection(
        _server(node, endpoint, tls),
        user=user_dn,
        password=password.reveal() if user_dn else None,
        authentication=ldap3.SIMPLE if user_dn else ldap3.ANONYMOUS,
        # Not SAFE_SYNC, which copies every answer deeply: a third of all that a search costs.
        # Nobody but us has this connection, and the session has a lock.
        client_strategy=ldap3.SYNC,
        auto_bind=ldap3.AUTO_BIND_NONE,
        auto_referrals=False,
        raise_exceptions=True,
        check_names=False,
        return_empty_attributes=False,
        # struct.pack inside ldap3 takes whole numbers only.
        receive_timeout=max(1, math.ceil(endpoint.read_timeout_s)),
    )
    limit_answers(connection)
    try:
        connection.open(read_server_info=False)
    except LOST as error:
        if tls.refused is not None:
            shown = _SHOWN_PIN.search(str(tls.refused))
            raise NodeTlsError(
                node, _tls_reason(tls.refused), shown[1] if shown else None, answered=True
            ) from error
        raise DirectoryUnreachableError(node, reason(error)) from error
    return connection


def _server(node: str, endpoint: Endpoint, tls: _VerifiedTls) -> ldap3.Server:
    """Return a new Server, because a used one remembers a failed connect for 300 s."""
    try:
        return ldap3.Server(
            endpoint.address,
            port=endpoint.port,
            use_ssl=True,
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=endpoint.connect_timeout_s,
            allowed_referral_hosts=[],
        )
    except LDAPExceptionError as error:  # an IPv6 address with a zone
        raise DirectoryUnreachableError(node, reason(error)) from error


def limit_answers(connection: ldap3.Connection) -> None:
    """Let *connection* raise OversizedError instead of taking too large an answer."""
    _Receiver(connection)


class _Receiver:
    """Receives for ldap3, in place of `SyncStrategy.receiving`, and looks at what comes before it
    is decoded: the size of each message, and how many they are, and of how many elements.

    ldap3's own copies a message anew with each 16 KiB of it and knows no limit. A request begins a
    new count of elements; bytes are counted by the socket.
    """

    def __init__(self, connection: ldap3.Connection) -> None:
        self._connection = connection
        self._messages = self._elements = 0
        self._send = connection.strategy.sending
        connection.strategy.receiving = self.receive
        connection.strategy.sending = self.send

    def send(self, message: Any) -> None:
        """Send a request."""
        self._messages = self._elements = 0
        self._send(message)

    def receive(self) -> list[bytes]:
        """Return whole messages, at least one; none if the peer closed the connection.

        Raises:
            OversizedError: A message is too large, or all of them have too many elements.
            NotLdapError: A message has a number where none belongs.
            OSError: The connection broke.
        """
        try:
            return self._received()
        except OSError:
            # As ldap3's own does: afterwards it would send a farewell first, and fail.
            with contextlib.suppress(OSError, LDAPExceptionError):
                self._connection.strategy.close()
            raise

    def _received(self) -> list[bytes]:
        messages: list[bytes] = []
        unread = bytearray()
        while True:
            size = _message_size(unread)
            if size > MESSAGE_BYTES:
                raise bytes_over(MESSAGE_BYTES)
            if not size or len(unread) < size:
                piece = self._connection.socket.recv(_PIECE_BYTES)
                if not piece:
                    return messages
                unread += piece
                continue
            messages.append(self._counted(bytes(unread[:size])))
            del unread[:size]
            if not unread:
                return messages

    def _counted(self, message: bytes) -> bytes:
        self._messages += 1
        if self._messages > MESSAGES:
            raise OversizedError(f"more than {MESSAGES} entries in one answer")
        self._elements += count_elements(message, ELEMENTS - self._elements)
        if self._elements > ELEMENTS:
            raise OversizedError(f"more than {ELEMENTS} elements in one answer")
        return message


def _message_size(begun: bytes | bytearray) -> int:
    """Return how many bytes the message has that *begun* begins with; 0 if that is not told yet."""
    if len(begun) < _SHORT_HEAD:
        return 0
    length = begun[1]
    if not length & _LONG:
        return _SHORT_HEAD + length
    end = _SHORT_HEAD + (length & ~_LONG)
    return end + int.from_bytes(begun[_SHORT_HEAD:end], "big") if len(begun) >= end else 0


def count_elements(message: bytes, most: int) -> int:
    """Return how many BER elements *message* has, one more than *most* if there are more.

    ldap3's decoder looks neither at what stands within what nor at which kind belongs where.

    Raises:
        NotLdapError: It is no answer of LDAP.
    """
    at, count, operation = 0, 0, 0
    ends = [len(message)]
    while ends and count <= most:
        if at == ends[-1]:
            ends.pop()
            continue
        tag, at, stop = _element(message, at, ends[-1])
        if count == _AT_OPERATION:
            operation = tag
        if tag in _NUMBERS and (
            stop - at > _NUMBER_BYTES or operation == _ENTRY or count != _NUMBERS[tag]
        ):
            raise NotLdapError("a number where LDAP has none")
        if not tag & _CONSTRUCTED:
            at = stop
        elif len(ends) > _DEPTH:
            raise NotLdapError("elements within elements without end")
        else:
            ends.append(stop)
        count += 1
    return count


def _element(message: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return kind, begin and end of the content of the element at *at*, which ends at *end* at
    the latest.
    """
    if at + _SHORT_HEAD > end:
        raise NotLdapError("an element that is cut off")
    tag, length = message[at], message[at + 1]
    at += _SHORT_HEAD
    if length & _LONG:
        digits = length & ~_LONG
        length = int.from_bytes(message[at : at + digits], "big") if digits else end
        at += digits
    if at + length > end or tag not in _TAGS:
        raise NotLdapError("an element that does not belong where it is")
    return tag, at, at + length


def entry_of(response: Mapping[str, Any]) -> Entry:
    """Return one entry of ldap3's answer."""
    raw = response["raw_attributes"]
    attributes = {str(name).lower(): tuple(bytes(v) for v in raw[name]) for name in raw}
    return Entry(dn=str(response["dn"]), attributes=attributes)


def is_over(connection: ldap3.Connection) -> bool:
    """Tell whether the peer said something (a close, a notice) while nothing was asked."""
    if connection.closed or connection.socket is None:
        return True
    return bool(select.select([connection.socket], [], [], 0)[0])


def forget(connection: ldap3.Connection) -> None:
    """Drop the last request and answer, which ldap3 keeps: they may hold a password or a key."""
    connection.request = connection.response = None


def close(connection: ldap3.Connection) -> None:
    """Unbind and disconnect; never raises."""
    try:
        connection.unbind()
    except LOST as error:
        logger.debug("closing: %s", error)


def reason(error: BaseException) -> str:
    """Return what is safe to show of *error*, never empty."""
    text = plain_text(in_words(error)) or type(error).__name__
    # ldap3's words for a host whose name cannot be resolved (core/server.py).
    return text.replace("invalid server address", NO_ADDRESS)


def _tls_reason(error: ssl.SSLCertVerificationError) -> str:
    message = getattr(error, "verify_message", "")
    return message or plain_text(str(error.args[-1] if error.args else error))
