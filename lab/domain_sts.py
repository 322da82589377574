"""The STS of a node's domain controller, as services of other nodes meet it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.sso.names import WST
from stsfix.lab.sso.wstrust import StsFault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cryptography import x509

    from stsfix.lab.programs import Network
    from stsfix.lab.sso.sts import StsService
    from stsfix.lab.sso.wstrust import IssuedToken


class DomainSts:
    """The STS of *psc* as the services of *node* see it: maybe not there (ServiceAuthority).

    *now* is the clock of those services. If *outlived*, the boot of the node starts them as if
    the STS still issued tokens.
    """

    def __init__(
        self,
        network: Network,
        node: str,
        psc: str,
        *,
        now: Callable[[], datetime],
        outlived: bool = False,
    ) -> None:
        self._network = network
        self._node = node
        self._psc = psc
        self._now = now
        self._outlived = outlived

    def _sts(self) -> StsService:
        sts = self._network.sts_of(self._psc)
        if sts is None:
            raise StsFault(WST, "RequestFailed", f"the STS of {self._psc} does not run")
        return sts

    def fault(self) -> StsFault | None:
        """Return what it says to a service that wants to start; None if that gets a token."""
        if self._outlived and self._network.is_starting(self._node):
            return None
        try:
            self._sts().check_service(self._now())
        except StsFault as fault:
            return fault
        return None

    def refusal(self) -> str | None:
        """Return why it would not issue a token now; None if it would."""
        fault = self.fault()
        return None if fault is None else fault.text

    def anchors(self) -> Sequence[x509.Certificate]:
        """Return the leaf of every trusted chain of its directory."""
        sts = self._network.sts_of(self._psc)
        return () if sts is None else sts.anchors()

    def issue_for(self, user: str, password: str) -> IssuedToken:
        """Return a bearer token, or raise StsFault or Dropped."""
        return self._sts().issue_for(user, password)

    def issue_for_service(self, name: str) -> IssuedToken:
        """Return a bearer token of a solution user, or raise StsFault."""
        return self._sts().issue_for_service(name)
