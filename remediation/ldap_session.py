"""One LDAPS session with a node's vmdir: connect, log in once, search, add, delete.

Everything that ldap3 2.9.1 must not be left to decide is decided here (libraries.md 4 and
vmdird-measured.md 6): its own TLS verifies nothing, a Server object remembers a failed connect for
300 s, results other than 0 can pass silently, StartTLS, WhoAmI and Abandon break on vmdird.
"""

from __future__ import annotations

import logging
import math
import re
import select
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import ldap3
from ldap3.core.exceptions import LDAPExceptionError, LDAPOperationResult
from pyasn1.error import PyAsn1Error
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryLoginError,
    DirectoryUnreachableError,
    NodeTlsError,
    PlainBindRefusedError,
    WriteInDoubtError,
)
from stsfix.snapshot.tls import peer_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint, PeerContext

    Scope = Literal["BASE", "LEVEL", "SUBTREE"]

logger = logging.getLogger(__name__)

SUCCESS: Final = 0
NO_SUCH_OBJECT: Final = 32
UNWILLING: Final = 53
ALREADY_EXISTS: Final = 68

IDLE_LIMIT_S: Final = 150.0
"""vmdird drops a connection after 180 s of silence without a notice (measured; 150 s is safe)."""

# vmdird answers 32 or 34 for an unknown or unusable user DN on newer builds, and 50 for an account
# that is locked (measured, section 2): all of them mean that this login will not work.
_LOGIN_REFUSED: Final = frozenset({32, 34, 49, 50})

# What ldap3 raises when the connection breaks or the answer is no LDAP. Its fast decoder does not
# guard against other bytes, hence the plain classes.
_LOST: Final = (LDAPExceptionError, PyAsn1Error, OSError, LookupError, ValueError, TypeError)

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


class LdapSession:
    """Reads and writes on one node. Not a pool: one connection, safe to use from threads.

    A refused login is remembered and raised again without being sent again; reads that lose the
    connection are asked once more on a new one; writes never are.
    """

    def __init__(
        self,
        node: str,
        endpoint: Endpoint,
        *,
        find_user_dn: Callable[[], str],
        password: Secret[str],
        clock: Clock,
    ) -> None:
        if not password.reveal():
            # A bind with a DN and no password is anonymous (RFC 4513 5.1.2).
            raise ValueError("the password of the directory is empty")
        self.node = node
        self._endpoint = endpoint
        self._find_user_dn = find_user_dn
        self._password = password
        self._clock = clock
        self._lock = threading.RLock()
        self._connection: ldap3.Connection | None = None
        self._used_s = 0.0
        self._lost_while_reading = False
        self._refusal: tuple[str, int] | None = None

    def search(
        self, base: str, filter_: str, *, scope: Scope, attributes: Sequence[str]
    ) -> tuple[Entry, ...]:
        """Return the entries found, logged in. Never sets a size limit: vmdird's is silent.

        Raises:
            DirectoryFaultError: Refused; code 32 if *base* does not exist.
            DirectoryUnreachableError: No answer, also not on a second connection.
            DirectoryLoginError, PlainBindRefusedError, NodeTlsError: No session.
        """
        retrying = Retrying(
            stop=stop_after_attempt(2),
            wait=wait_fixed(0.5),
            sleep=self._clock.sleep,
            retry=retry_if_exception(self._worth_another),
            reraise=True,
        )
        with self._lock:
            return retrying(self._search_once, base, filter_, scope, attributes)

    def search_anonymous(
        self, base: str, filter_: str, *, scope: Scope, attributes: Sequence[str]
    ) -> tuple[Entry, ...]:
        """Return the entries found on a connection of its own, without logging in."""
        connection = self._open(user_dn=None)
        try:
            return self._ask(connection, base, filter_, scope, attributes)
        except _LOST as error:
            raise DirectoryUnreachableError(self.node, _reason(error)) from error
        finally:
            _close(connection)

    def add(self, dn: str, attributes: Mapping[str, Sequence[bytes]], *, call: str) -> None:
        """Add one entry. The caller has just read something, so that the session is alive.

        Raises:
            DirectoryFaultError: Refused; nothing was added.
            WriteInDoubtError: The connection broke after the request was sent.
            ValueError: An attribute has no value, or an empty one (it kills old vmdirds).
        """
        if any(not values or not all(values) for values in attributes.values()):
            raise ValueError(f"{call} with an empty value")
        values = {name: list(given) for name, given in attributes.items()}
        self._write(call, lambda c: c.add(dn, attributes=values))

    def replace(self, dn: str, attributes: Mapping[str, Sequence[bytes]], *, call: str) -> None:
        """Replace whole attributes of one entry, all of them or none; the caller has just read it.

        One change an attribute: vmdird applies several in reverse order, and adding or deleting
        single values fails for certificates (measured, sections 1.1, 1.2 and 4).

        Raises:
            DirectoryFaultError: Refused; nothing was changed.
            WriteInDoubtError: The connection broke after the request was sent.
            ValueError: An attribute has no value, or an empty one (it kills old vmdirds).
        """
        if not attributes or any(not v or not all(v) for v in attributes.values()):
            raise ValueError(f"{call} with an empty value")
        changes = {n: [(ldap3.MODIFY_REPLACE, list(v))] for n, v in attributes.items()}
        self._write(call, lambda c: c.modify(dn, changes))

    def delete(self, dn: str, *, call: str) -> None:
        """Delete one entry; raises as `add`, code 32 if it is absent."""
        self._write(call, lambda c: c.delete(dn))

    def close(self) -> None:
        """Unbind and disconnect; never raises."""
        with self._lock:
            self._drop()

    # ------------------------------------------------------------------ inside

    def _worth_another(self, error: BaseException) -> bool:
        """A second try helps only if a connection that worked is gone, never for a login."""
        return isinstance(error, DirectoryUnreachableError) and self._lost_while_reading

    def _search_once(
        self, base: str, filter_: str, scope: Scope, attributes: Sequence[str]
    ) -> tuple[Entry, ...]:
        self._lost_while_reading = False
        connection = self._session()
        try:
            found = self._ask(connection, base, filter_, scope, attributes)
        except _LOST as error:
            self._drop()
            self._lost_while_reading = True
            raise DirectoryUnreachableError(self.node, _reason(error)) from error
        self._used_s = self._clock.monotonic()
        return found

    def _ask(
        self,
        connection: ldap3.Connection,
        base: str,
        filter_: str,
        scope: Scope,
        attributes: Sequence[str],
    ) -> tuple[Entry, ...]:
        call = f"search of {base or 'the rootDSE'}"
        logger.debug("%s: %s %s", self.node, call, filter_)
        try:
            connection.search(base, filter_, search_scope=scope, attributes=list(attributes))
            result, response = connection.result, connection.response
        except LDAPOperationResult as error:
            raise self._fault(call, error) from None
        finally:
            _forget(connection)
        self._require_success(call, result)
        return tuple(_entry(r) for r in response or () if r.get("type") == "searchResEntry")

    def _write(self, call: str, send: Callable[[Any], Any]) -> None:
        with self._lock:
            connection = self._session()
            logger.debug("%s: %s", self.node, call)
            try:
                send(connection)
                result = connection.result
            except LDAPOperationResult as error:
                self._used_s = self._clock.monotonic()
                raise self._fault(call, error) from None
            except _LOST as error:
                # Also when sending failed: a part or all of the request may have arrived.
                self._drop()
                raise WriteInDoubtError(self.node, call) from error
            finally:
                _forget(connection)
            self._used_s = self._clock.monotonic()
            self._require_success(call, result)

    def _session(self) -> ldap3.Connection:
        """Return a connection that is logged in, was used less than IDLE_LIMIT_S ago, and that
        the node has not closed since: what is sent on a closed one is lost, and in doubt.
        """
        if self._refusal is not None:
            raise self._login_error(*self._refusal)
        if self._connection is not None:
            idle_s = self._clock.monotonic() - self._used_s
            if idle_s <= IDLE_LIMIT_S and not _is_over(self._connection):
                return self._connection
            self._drop()
        user_dn = self._find_user_dn()
        connection = self._open(user_dn)
        try:
            self._bind(connection, user_dn)
        except BaseException:  # also an interrupt: close what is open, then raise it again
            _close(connection)
            raise
        self._connection = connection
        self._used_s = self._clock.monotonic()
        return connection

    def _bind(self, connection: ldap3.Connection, user_dn: str) -> None:
        """Send the password once.

        A refusal is final for this object. A lost answer is not tried again here either: it may
        have been a refusal, and those count towards a lockout.
        """
        try:
            connection.bind(read_server_info=False)
            code = int(connection.result["result"])
        except LDAPOperationResult as error:
            code = int(error.result)
        except _LOST as error:
            raise DirectoryUnreachableError(self.node, _reason(error)) from error
        finally:
            _forget(connection)
        if code == SUCCESS:
            return
        self._refusal = (user_dn, code)
        raise self._login_error(user_dn, code)

    def _login_error(
        self, user_dn: str, code: int
    ) -> DirectoryLoginError | PlainBindRefusedError | DirectoryFaultError:
        if code == UNWILLING:
            return PlainBindRefusedError(self.node)
        if code in _LOGIN_REFUSED:
            return DirectoryLoginError(self.node, user_dn, code)
        return DirectoryFaultError(self.node, f"login of {user_dn}", code, "")

    def _open(self, user_dn: str | None) -> ldap3.Connection:
        """Return an open connection whose peer is verified; nothing was sent on it yet."""
        try:
            tls = _VerifiedTls(peer_context(self._endpoint))
        except OSError as error:
            raise NodeTlsError(self.node, f"the CA file cannot be used: {error}") from error
        connection = ldap3.Connection(
            # A new Server each time: a used one remembers a failed connect for 300 s.
            ldap3.Server(
                self._endpoint.address,
                port=self._endpoint.port,
                use_ssl=True,
                tls=tls,
                get_info=ldap3.NONE,
                connect_timeout=self._endpoint.connect_timeout_s,
            ),
            user=user_dn,
            password=self._password.reveal() if user_dn else None,
            authentication=ldap3.SIMPLE if user_dn else ldap3.ANONYMOUS,
            # Not SAFE_SYNC, which copies every answer deeply: a third of all that a search costs.
            # Nobody but us has this connection, and we have a lock.
            client_strategy=ldap3.SYNC,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            raise_exceptions=True,
            check_names=False,
            return_empty_attributes=False,
            # struct.pack inside ldap3 takes whole numbers only.
            receive_timeout=max(1, math.ceil(self._endpoint.read_timeout_s)),
        )
        # ldap3 copies all it has so far with every piece it receives: the fewer, the better.
        connection.strategy.socket_size = _PIECE_BYTES
        try:
            connection.open(read_server_info=False)
        except _LOST as error:
            if tls.refused is not None:
                shown = _SHOWN_PIN.search(str(tls.refused))
                raise NodeTlsError(
                    self.node, _tls_reason(tls.refused), shown[1] if shown else None
                ) from error
            raise DirectoryUnreachableError(self.node, _reason(error)) from error
        return connection

    def _fault(self, call: str, error: LDAPOperationResult) -> DirectoryFaultError:
        text = plain_text(str(error.message or ""))
        return DirectoryFaultError(self.node, call, int(error.result), text)

    def _require_success(self, call: str, result: Mapping[str, Any]) -> None:
        """ldap3 raises nothing for a few codes, for example a referral (10)."""
        if result["result"] != SUCCESS:
            text = plain_text(str(result.get("message") or ""))
            raise DirectoryFaultError(self.node, call, int(result["result"]), text)

    def _drop(self) -> None:
        if self._connection is not None:
            _close(self._connection)
            self._connection = None


def _entry(response: Mapping[str, Any]) -> Entry:
    raw = response["raw_attributes"]
    attributes = {str(name).lower(): tuple(bytes(v) for v in raw[name]) for name in raw}
    return Entry(dn=str(response["dn"]), attributes=attributes)


def _is_over(connection: ldap3.Connection) -> bool:
    """Tell whether the peer said something (a close, a notice) while nothing was asked."""
    if connection.closed or connection.socket is None:
        return True
    return bool(select.select([connection.socket], [], [], 0)[0])


def _forget(connection: ldap3.Connection) -> None:
    """Drop the last request and answer, which ldap3 keeps: they may hold a password or a key."""
    connection.request = connection.response = None


def _close(connection: ldap3.Connection) -> None:
    try:
        connection.unbind()
    except _LOST as error:
        logger.debug("closing: %s", error)


def _reason(error: BaseException) -> str:
    return plain_text(str(error)) or type(error).__name__


def _tls_reason(error: ssl.SSLCertVerificationError) -> str:
    message = getattr(error, "verify_message", "")
    return message or plain_text(str(error.args[-1] if error.args else error))
