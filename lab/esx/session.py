"""SessionManager of a host: passwords, lockdown mode, the lock after too many failures."""

from __future__ import annotations

import ipaddress
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stsfix.lab.servant import Servant, fill, leaf, operation
from stsfix.lab.vmomi import vim

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.soap import Call, Session

LOCKDOWN_DISABLED = "lockdownDisabled"


@dataclass(kw_only=True)
class Accounts:
    """Local users of a host and who may come in.

    *lockdown* is lockdownDisabled, lockdownNormal or lockdownStrict; in the last two only
    *exception_users* log in, others get *lockdown_fault* [the real fault is not known:
    InvalidLogin or NoPermission; PasswordExpired stands for a password that has ended]. After
    *lock_after* failures in a row a user is locked for *lock_s* real seconds (0: never).
    *attempts* counts every attempt per user.
    """

    users: dict[str, str]
    lockdown: str = LOCKDOWN_DISABLED
    exception_users: frozenset[str] = frozenset()
    lockdown_fault: str = "InvalidLogin"
    read_only: frozenset[str] = frozenset()
    lock_after: int = 5
    lock_s: float = 900.0
    attempts: Counter[str] = field(default_factory=Counter)
    _failures: Counter[str] = field(default_factory=Counter, init=False)
    _locked_at: dict[str, datetime] = field(default_factory=dict, init=False)

    def check(self, user: str, password: str, now: datetime) -> None:
        """Return if *user* may log in with *password*; counts the attempt.

        Raises:
            vim.fault.InvalidLogin: Wrong password, locked account, or lockdown.
            vim.fault.NoPermission: Lockdown, if `lockdown_fault` says so.
        """
        self.attempts[user] += 1
        locked_at = self._locked_at.get(user)
        if locked_at is not None and (now - locked_at).total_seconds() < self.lock_s:
            raise vim.fault.InvalidLogin
        if not user or self.users.get(user) != password:
            self._failures[user] += 1
            if self.lock_after and self._failures[user] >= self.lock_after:
                self._locked_at[user] = now
            raise vim.fault.InvalidLogin
        if self.lockdown != LOCKDOWN_DISABLED and user not in self.exception_users:
            if self.lockdown_fault == "NoPermission":
                raise vim.fault.NoPermission(privilegeId="System.View")
            if self.lockdown_fault == "PasswordExpired":
                raise vim.fault.PasswordExpired
            raise vim.fault.InvalidLogin
        self._failures[user] = 0
        self._locked_at.pop(user, None)


class SessionManager(Servant):
    """Logs users of a host in and out."""

    anonymous_properties = frozenset({"currentSession", "defaultLocale", "supportedLocaleList"})

    def __init__(self, ref: Any, accounts: Accounts, now: Callable[[], datetime]) -> None:
        super().__init__(ref)
        self._accounts = accounts
        self._now = now

    def read(self, path: str, session: Session) -> Any:
        """Return a property; the current session is the asker's, unset before login."""
        if path == "currentSession":
            return session.user
        return super().read(path, session)

    @leaf("defaultLocale")
    def _default_locale(self) -> object:
        return "en"

    @leaf("supportedLocaleList", "messageLocaleList")
    def _locales(self) -> object:
        return ["en"]

    @operation("Login", anonymous=True)
    def login(self, call: Call) -> Any:
        """Log in; a session that is logged in already is refused."""
        if call.session.user is not None:
            raise vim.fault.InvalidLogin
        user, password = call.args["userName"], call.args["password"]
        self._accounts.check(user, password or "", self._now())
        made = fill(
            vim.UserSession,
            key=secrets.token_hex(16),
            userName=user,
            fullName="Administrator" if user == "root" else user,
            loginTime=self._now(),
            lastActiveTime=self._now(),
            locale="en",
            messageLocale="en",
            ipAddress=str(ipaddress.IPv4Address(0x7F000001)),
        )
        call.session.log_in(made)
        return made

    @operation("Logout")
    def logout(self, call: Call) -> None:
        """End the session."""
        call.service.log_out(call.session)

    @operation("SessionIsActive")
    def is_active(self, call: Call) -> bool:
        """Tell whether a session of that key and user exists."""
        wanted = (call.args["sessionID"], call.args["userName"])
        return any((s.user.key, s.user.userName) == wanted for s in call.service.sessions)

    @operation("TerminateSession", write=True)
    def terminate(self, call: Call) -> None:
        """End other sessions."""
        for session in call.service.sessions:
            if session.user.key in call.args["sessionId"]:
                call.service.log_out(session)
