"""One LDAPS session with a node's vmdir: log in once, search, add, delete.

What ldap3 2.9.1 must not be left to decide is decided here and in `ldap_connection` (libraries.md
4 and vmdird-measured.md 6): results other than 0 can pass silently, StartTLS, WhoAmI and Abandon
break on vmdird.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

import ldap3
from ldap3.core.exceptions import LDAPOperationResult
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from stsfix.remediation.directory.ldap_connection import (
    LOST,
    NotLdapError,
    close,
    entry_of,
    forget,
    is_over,
    open_connection,
    plain_text,
    reason,
)
from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryLoginError,
    DirectoryUnreachableError,
    PlainBindRefusedError,
    WriteInDoubtError,
)
from stsfix.snapshot.answers import OverdueError, OversizedError
from stsfix.snapshot.errors import AnswerTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stsfix.remediation.directory.ldap_connection import Entry
    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint

    Scope = Literal["BASE", "LEVEL", "SUBTREE"]

logger = logging.getLogger(__name__)

SUCCESS: Final = 0
NO_SUCH_OBJECT: Final = 32
UNWILLING: Final = 53
_BIND_ANSWER: Final = "bindResponse"
ALREADY_EXISTS: Final = 68

_SHOW_DELETED: Final = ("1.2.840.113556.1.4.417", False, None)
"""Control that shows entries below cn=Deleted Objects (measured, section 4); not critical, which
vmdird does not look at."""

IDLE_LIMIT_S: Final = 150.0
"""vmdird drops a connection after 180 s of silence without a notice (measured; 150 s is safe)."""

LOST_LOGIN_S: Final = 180.0
"""How long a password that nobody has accepted yet is kept back after a login without an answer: it
may have been a refusal, and the SSO policy counts those for 180 s [PRIOR]."""

# vmdird answers 32 or 34 for an unknown or unusable user DN on newer builds, and 50 for an account
# that is locked (measured, section 2): all of them mean that this login will not work.
_LOGIN_REFUSED: Final = frozenset({32, 34, 49, 50})


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
        self._is_proven = False
        self._lost_login_s: float | None = None

    def search(
        self,
        base: str,
        filter_: str,
        *,
        scope: Scope,
        attributes: Sequence[str],
        most: int = 0,
        deleted: bool = False,
    ) -> tuple[Entry, ...]:
        """Return the entries found, logged in; those that were *deleted*, too, if asked for.

        *most* is how many to return at most (0: all). vmdird cuts in silence: as many as that
        may be all or not.

        Raises:
            DirectoryFaultError: Refused; code 32 if *base* does not exist.
            DirectoryUnreachableError: No answer, also not on a second connection.
            AnswerTooLargeError: It answers more than anybody has to read.
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
            return retrying(
                self._search_once, base, filter_, scope, attributes, most=most, deleted=deleted
            )

    def search_anonymous(
        self, base: str, filter_: str, *, scope: Scope, attributes: Sequence[str]
    ) -> tuple[Entry, ...]:
        """Return the entries found on a connection of its own, without logging in."""
        connection = open_connection(
            self.node, self._endpoint, user_dn=None, password=self._password
        )
        try:
            return self._ask(connection, base, filter_, scope, attributes)
        except LOST as error:
            raise self._unread(error) from error
        finally:
            close(connection)

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
        self,
        base: str,
        filter_: str,
        scope: Scope,
        attributes: Sequence[str],
        *,
        most: int,
        deleted: bool,
    ) -> tuple[Entry, ...]:
        self._lost_while_reading = False
        connection = self._session()
        try:
            found = self._ask(
                connection, base, filter_, scope, attributes, most=most, deleted=deleted
            )
        except LOST as error:
            self._drop()
            # Who answers too slowly would do so again.
            is_slow = isinstance(error, OverdueError) and error.received
            self._lost_while_reading = not is_slow
            raise self._unread(error) from error
        self._used_s = self._clock.monotonic()
        return found

    def _ask(
        self,
        connection: ldap3.Connection,
        base: str,
        filter_: str,
        scope: Scope,
        attributes: Sequence[str],
        *,
        most: int = 0,
        deleted: bool = False,
    ) -> tuple[Entry, ...]:
        call = f"search of {base or 'the rootDSE'}"
        logger.debug("%s: %s %s", self.node, call, filter_)
        try:
            connection.search(
                base,
                filter_,
                search_scope=scope,
                attributes=list(attributes),
                size_limit=most,
                controls=[_SHOW_DELETED] if deleted else None,
            )
            result, response = connection.result, connection.response
        except LDAPOperationResult as error:
            raise self._fault(call, error) from None
        finally:
            forget(connection)
        self._require_success(call, result)
        return tuple(entry_of(r) for r in response or () if r.get("type") == "searchResEntry")

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
            except LOST as error:
                # Also when sending failed: a part or all of the request may have arrived.
                self._drop()
                doubt = WriteInDoubtError(self.node, call)
                if isinstance(error, OversizedError):
                    doubt.add_note(f"its answer was too large: {error}")
                elif isinstance(error, OverdueError):
                    doubt.add_note(str(error))
                raise doubt from error
            finally:
                forget(connection)
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
            if idle_s <= IDLE_LIMIT_S and not is_over(self._connection):
                return self._connection
            self._drop()
        self._check_lost_login()
        user_dn = self._find_user_dn()
        connection = open_connection(
            self.node, self._endpoint, user_dn=user_dn, password=self._password
        )
        try:
            self._bind(connection, user_dn)
        except BaseException:  # also an interrupt: close what is open, then raise it again
            close(connection)
            raise
        self._connection = connection
        self._used_s = self._clock.monotonic()
        return connection

    def _check_lost_login(self) -> None:
        """Return if the password may be sent: it is known to be right, or nobody left a login with
        it unanswered a moment ago.
        """
        lost_s = self._lost_login_s
        if self._is_proven or lost_s is None:
            return
        if self._clock.monotonic() - lost_s < LOST_LOGIN_S:
            waits = f"a login got no answer, and its password is kept back for {LOST_LOGIN_S:.0f} s"
            raise DirectoryUnreachableError(self.node, waits)

    def _bind(self, connection: ldap3.Connection, user_dn: str) -> None:
        """Send the password once.

        A refusal is final for this object. A lost answer is not tried again here either, and by
        nobody for a while (`LOST_LOGIN_S`): it may have been a refusal, and those count towards a
        lockout.
        """
        try:
            connection.bind(read_server_info=False)
            code = int(connection.result["result"])
            if connection.result["type"] != _BIND_ANSWER:
                raise NotLdapError("the answer to a login is that to something else")
        except LDAPOperationResult as error:
            code = int(error.result)
        except LOST as error:
            self._lost_login_s = self._clock.monotonic()
            raise self._unread(error) from error
        finally:
            forget(connection)
        if code == SUCCESS:
            self._is_proven = True
            return
        self._refusal = (user_dn, code)
        raise self._login_error(user_dn, code)

    def _unread(self, error: BaseException) -> DirectoryUnreachableError | AnswerTooLargeError:
        """Return what *error* of an open connection is."""
        if isinstance(error, OversizedError):
            return AnswerTooLargeError(self.node, str(error))
        return DirectoryUnreachableError(self.node, reason(error), answered=True)

    def _login_error(
        self, user_dn: str, code: int
    ) -> DirectoryLoginError | PlainBindRefusedError | DirectoryFaultError:
        if code == UNWILLING:
            return PlainBindRefusedError(self.node)
        if code in _LOGIN_REFUSED:
            return DirectoryLoginError(self.node, user_dn, code)
        return DirectoryFaultError(self.node, f"login of {user_dn}", code, "")

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
            close(self._connection)
            self._connection = None
