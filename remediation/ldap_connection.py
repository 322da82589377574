"""A connection of ldap3 to a node's vmdir: verified before a byte is sent, leaving no trace.

What ldap3 2.9.1 must not be left to decide about a connection is decided here (libraries.md 4 and
vmdird-measured.md 6): its own TLS verifies nothing, a Server object remembers a failed connect for
300 s, SAFE_SYNC copies every answer deeply, and request and answer stay in memory.
"""

from __future__ import annotations

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
from stsfix.snapshot.tls import NoHostError, peer_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint, PeerContext

logger = logging.getLogger(__name__)

# What ldap3 raises when the connection breaks or the answer is no LDAP. Its fast decoder does not
# guard against other bytes, hence the plain classes.
LOST: Final = (LDAPExceptionError, PyAsn1Error, OSError, LookupError, ValueError, TypeError)

_MAX_TEXT = 160
_PIECE_BYTES: Final = 1 << 16
_SHOWN_PIN = re.compile(r"sha256:([0-9a-f]{64})")


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
    return shown[0][:_MAX_TEXT].strip() if shown else ""


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
    # ldap3 copies all it has so far with every piece it receives: the fewer, the better.
    connection.strategy.socket_size = _PIECE_BYTES
    try:
        connection.open(read_server_info=False)
    except LOST as error:
        if tls.refused is not None:
            shown = _SHOWN_PIN.search(str(tls.refused))
            raise NodeTlsError(
                node, _tls_reason(tls.refused), shown[1] if shown else None
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
    return plain_text(str(error)) or type(error).__name__


def _tls_reason(error: ssl.SSLCertVerificationError) -> str:
    message = getattr(error, "verify_message", "")
    return message or plain_text(str(error.args[-1] if error.args else error))
