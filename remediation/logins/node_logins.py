"""Logins on real nodes: WS-Trust, SOAP with and without a token, vAPI session, metadata.

pyVmomi and vmware.* are imported where they are used: importing this module costs neither.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.remediation.errors import ProofError, SsoLoginError
from stsfix.remediation.logins import saml, wstrust
from stsfix.remediation.logins.vcenter import open_vapi_session, soap_login
from stsfix.remediation.web import https, metadata

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from datetime import datetime

    from stsfix.remediation.inventory_certificates import PublishedKey
    from stsfix.remediation.model import VerifiedToken
    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint

TOKEN_LIFETIME = timedelta(seconds=300)
"""Wanted lifetime of a token: enough for one login (vmdir.md 5, minimal probe)."""

_OK = 200
_NOT_FOUND = 404
_SKEW_TOLD = timedelta(seconds=60)


class NodeLogins:
    """`stsfix.remediation.ports.Logins` over HTTPS.

    *endpoints* maps each node's FQDN to its HTTPS endpoint; *user* is a UPN of *domain*. The
    object is safe to use from several threads. Until an STS has accepted the password, one
    request at a time carries it; once an STS refused it, it is never sent again by this object,
    to no node (the SSO lockout policy counts over the whole domain).
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        domain: str,
        user: str,
        password: Secret[str],
        clock: Clock,
    ) -> None:
        self._endpoints = dict(endpoints)
        self._domain = domain
        self._user = user
        self._password = password
        self._clock = clock
        self._unproven = threading.Lock()
        self._accepted = False
        self._refused: SsoLoginError | None = None

    def read_published_leaf(self, node: str) -> bytes:
        """See `ports.Logins`."""
        path = f"/websso/SAML2/Metadata/{self._domain}"
        answer = https.request(self._endpoints[node], "GET", path, clock=self._clock)
        if answer.status != _OK:
            raise ProofError(node, "metadata", f"HTTP {answer.status}")
        try:
            return metadata.parse_signing_chain(answer.body)[0]
        except metadata.MetadataError as error:
            raise ProofError(node, "metadata", str(error)) from None

    def read_published_keys(self, node: str) -> tuple[PublishedKey, ...]:
        """See `ports.Logins`."""
        path = f"/openidconnect/jwks/{self._domain}"
        answer = https.request(self._endpoints[node], "GET", path, clock=self._clock)
        if answer.status != _OK:
            raise ProofError(node, "metadata", f"HTTP {answer.status} for its JWKS")
        try:
            keys = metadata.parse_jwks(answer.body)
        except metadata.MetadataError as error:
            raise ProofError(node, "metadata", str(error)) from None
        if not keys:
            raise ProofError(node, "metadata", "a JWKS without an RSA key")
        return keys

    def issue_token(self, node: str) -> VerifiedToken:
        """See `ports.Logins`."""
        return self._issue(node)[0]

    def login_by_token(self, node: str, *, sts: str) -> VerifiedToken:
        """See `ports.Logins`."""
        verified, token = self._issue(sts)
        soap_login(self._endpoints[node], token=token)
        return verified

    def login(self, node: str) -> None:
        """See `ports.Logins`."""
        with self._sending_password():
            soap_login(self._endpoints[node], user=self._user, password=self._password)

    def open_vapi_session(self, node: str) -> None:
        """See `ports.Logins`."""
        with self._sending_password():
            open_vapi_session(self._endpoints[node], user=self._user, password=self._password)

    def _issue(self, node: str) -> tuple[VerifiedToken, Secret[bytes]]:
        with self._sending_password():
            answer, now = self._ask_sts(node)
            try:
                token = wstrust.parse_issue_response(
                    answer.body, node=node, user=self._user, password=self._password
                )
            except SsoLoginError as error:
                self._refused = error
                raise
            except ProofError as error:
                raise _with_skew(error, answer, now) from None
            self._accepted = True
        verified = saml.verify_assertion(token, node=node)
        self._check_token(verified)
        return verified, token

    def _ask_sts(self, node: str) -> tuple[https.Answer, datetime]:
        now = self._clock.now()
        try:
            body = wstrust.build_issue_request(
                self._user, self._password, now=now, lifetime=TOKEN_LIFETIME
            )
        except ValueError as error:
            raise ProofError(node, wstrust.WAY, str(error)) from None
        answer = https.request(
            self._endpoints[node],
            "POST",
            f"/sts/STSService/{self._domain}",
            clock=self._clock,
            body=body.reveal(),
            headers={
                "Content-Type": "text/xml; charset=utf-8",
                "SOAPAction": f'"{wstrust.ISSUE_ACTION}"',
            },
        )
        if answer.status == _NOT_FOUND:
            reason = f"HTTP 404: the STS knows no tenant {self._domain}, or is not up"
            raise ProofError(node, wstrust.WAY, reason)
        return answer, now

    def _check_token(self, token: VerifiedToken) -> None:
        """Refuse a token for somebody else. Only the account is compared: the STS writes the
        domain in its own way (``Administrator@VSPHERE.LOCAL``, or the name of an alias).
        """
        wanted = self._user.partition("@")[0].casefold()
        if token.subject.partition("@")[0].casefold() != wanted:
            raise ProofError(token.node, wstrust.WAY, f"the token is for {token.subject}")
        if token.not_on_or_after <= token.not_before:
            raise ProofError(token.node, wstrust.WAY, "the token is never valid")

    @contextmanager
    def _sending_password(self) -> Generator[None]:
        """Let the password out, one at a time until an STS has accepted it.

        Raises:
            SsoLoginError: An STS has refused it before; nothing is sent.
        """
        if self._accepted:
            self._check_refused()
            yield
            return
        with self._unproven:
            self._check_refused()
            yield

    def _check_refused(self) -> None:
        if self._refused is not None:
            known = self._refused
            raise SsoLoginError(known.node, known.user, known.text)


def _with_skew(error: ProofError, answer: https.Answer, now: datetime) -> ProofError:
    """Add how far the node's clock is off, when its Date header tells and it matters."""
    if answer.date is None or abs(answer.date - now) < _SKEW_TOLD:
        return error
    seconds = (answer.date - now).total_seconds()
    side = "ahead of" if seconds > 0 else "behind"
    reason = f"{error.reason}; the node's clock is {abs(seconds):.0f} s {side} this workstation's"
    return ProofError(error.node, error.way, reason)
