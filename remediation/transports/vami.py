"""An appliance's management interface (VAMI) as local root: REST on 5480, without any SSO.

A session is opened and deleted; where there are none (404), each request carries the password.
TLS is verified or pinned first, as everywhere.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

from stsfix.remediation.errors import (
    LoginRefusal,
    NodeLoginError,
    NodeUnreachableError,
    TransportUnavailableError,
)
from stsfix.remediation.nodes.pam_words import refusal_in
from stsfix.remediation.nodes.vami_answers import SESSION, parse_error, parse_text
from stsfix.remediation.web.https import request
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from types import TracebackType

    from stsfix.remediation.web.https import Answer
    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint

NAME: Final = "VAMI"
_OK = range(200, 300)
_NO_SESSIONS = frozenset({http.client.NOT_FOUND, http.client.METHOD_NOT_ALLOWED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A call that the interface did not carry out. *kind* is a standard error's name."""

    status: int
    kind: str
    text: str

    def __str__(self) -> str:
        """Its own words, or what is left of them."""
        return self.text or self.kind or f"HTTP {self.status}"


class Vami:
    """One logged-in user of one node's interface; a context manager.

    Every call may raise TransportUnavailableError (no answer, or 503), NodeTlsError and, at the
    first, NodeLoginError.
    """

    def __init__(self, endpoint: Endpoint, user: str, password: Secret[str], clock: Clock) -> None:
        self._endpoint = endpoint
        self._user = user
        self._password = password
        self._clock = clock
        self._session: str | None = None

    def __enter__(self) -> Self:
        """Log in."""
        self._log_in()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Delete the session; that it cannot be deleted is no error, it ends by itself."""
        if self._session:
            with contextlib.suppress(OperationError):
                self._send("DELETE", SESSION, {"vmware-api-session-id": self._session})

    def get(self, path: str) -> bytes | Refusal:
        """Return the body of *path*."""
        return self._call("GET", path, None)

    def post(self, path: str, *, wait_s: float) -> Refusal | None:
        """Carry out *path* within *wait_s*; None if it was.

        Raises:
            TransportUnavailableError: No answer; it may have been carried out.
        """
        answer = self._call("POST", path, wait_s)
        return answer if isinstance(answer, Refusal) else None

    def _call(self, method: str, path: str, wait_s: float | None) -> bytes | Refusal:
        answer = self._send(method, path, self._proof(), wait_s)
        if answer.status == http.client.UNAUTHORIZED and self._session:
            self._log_in()  # applmgmt has restarted and forgotten its sessions
            answer = self._send(method, path, self._proof(), wait_s)
        if answer.status in _OK:
            return answer.body
        if not self._session:  # else no password was sent with it, and the one of the login taken
            self._require_taken(answer)
        kind, text = parse_error(answer.body)
        return Refusal(status=answer.status, kind=kind, text=text)

    def _log_in(self) -> None:
        self._session = None
        answer = self._send("POST", SESSION, self._basic())
        if answer.status in _NO_SESSIONS:
            self._session = ""
            return
        self._require_taken(answer)
        session = parse_text(answer.body) if answer.status in _OK else ""
        if not session or not session.isprintable():
            kind, text = parse_error(answer.body)
            reason = text or kind or f"HTTP {answer.status} to a login"
            raise TransportUnavailableError(self._endpoint.name, NAME, reason)
        self._session = session

    def _require_taken(self, answer: Answer) -> None:
        """Return unless *answer* refuses a password. Only an expired one is told (KB 332308)."""
        if answer.status in _OK:
            return
        refusal = refusal_in(parse_error(answer.body)[1])
        if answer.status == http.client.UNAUTHORIZED:
            refusal = refusal or LoginRefusal.REFUSED
        if refusal is not None:
            raise NodeLoginError(self._endpoint.name, self._user, NAME, refusal)

    def _proof(self) -> dict[str, str]:
        return {"vmware-api-session-id": self._session} if self._session else self._basic()

    def _basic(self) -> dict[str, str]:
        pair = f"{self._user}:{self._password.reveal()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}

    def _send(
        self, method: str, path: str, headers: dict[str, str], wait_s: float | None = None
    ) -> Answer:
        endpoint = self._endpoint
        if wait_s is not None:
            endpoint = replace(endpoint, read_timeout_s=wait_s)
        body = b"" if method == "POST" else None
        try:
            return request(
                endpoint,
                method,
                path,
                clock=self._clock,
                body=body,
                headers={**headers, "Accept": "application/json"},
            )
        except NodeUnreachableError as error:
            raise TransportUnavailableError(endpoint.name, NAME, error.reason) from error
