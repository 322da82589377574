"""How services of a node let people in: a password becomes a token, a token is verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stsfix.lab.faults import Dropped
from stsfix.lab.sso import saml
from stsfix.lab.sso.wstrust import StsFault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cryptography import x509

    from stsfix.lab.sso.wstrust import IssuedToken


class TokenAuthority(Protocol):
    """What a service asks of the STS of its domain controller; `StsService` is one."""

    def refusal(self) -> str | None:
        """Return why it would not issue a token now; None if it would."""

    def anchors(self) -> Sequence[x509.Certificate]:
        """Return the leaf of every trusted chain of its directory."""

    def issue_for(self, user: str, password: str) -> IssuedToken:
        """Return a bearer token, or raise StsFault or Dropped."""


class ServiceAuthority(TokenAuthority, Protocol):
    """What a service with an account of its own asks of that STS, too."""

    def issue_for_service(self, name: str) -> IssuedToken:
        """Return a bearer token for the solution user *name*, or raise StsFault."""


class LoginRefusedError(Exception):
    """Somebody is not let in. The reason is for the service's log, never for the client."""


@dataclass(kw_only=True)
class Logins:
    """Logins of one service.

    With *trust_at_start* the trusted chains count as they were at `start`: a service that was
    not restarted refuses tokens of a new signer. VMware's procedure restarts every service
    after the repair (KB 316619, 318197); that this is the reason is [INFERRED] (vmdir.md 3.5).
    """

    authority: TokenAuthority
    now: Callable[[], datetime]
    trust_at_start: bool = True
    _anchors: tuple[x509.Certificate, ...] = ()

    def start(self) -> None:
        """Read the trusted chains."""
        self._anchors = tuple(self.authority.anchors())

    def by_password(self, user: str, password: str) -> str:
        """Return the subject (name@DOMAIN) of a token issued for *user*.

        Raises:
            LoginRefusedError: The STS says no, or its token is not trusted.
        """
        try:
            token = self.authority.issue_for(user, password)
        except (StsFault, Dropped) as error:
            raise LoginRefusedError(str(error)) from error
        return self.by_token(token.assertion)

    def by_token(self, token: str | bytes) -> str:
        """Return the subject of a bearer *token*.

        Raises:
            LoginRefusedError: It must not be accepted.
        """
        anchors = self._anchors if self.trust_at_start else tuple(self.authority.anchors())
        try:
            verified = saml.verify(token, anchors=anchors, now=self.now())
        except saml.TokenRejectedError as error:
            raise LoginRefusedError(str(error)) from error
        if verified.holder_of_key:
            raise LoginRefusedError("holder-of-key token without a proof of the key")
        return verified.subject
