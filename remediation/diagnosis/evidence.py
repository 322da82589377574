"""What speaks of the cause when nobody can log in: an inventory, logs, answers. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.remediation.inventory_certificates import UnreadPart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.nodes.log_script import LogReading


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAnswer:
    """What a node's web server said to one GET without a login.

    *request* is what was asked for, for people; *text* is the page's text, one line, cut.
    *verified* is false if the node's certificate could not be verified: then it may have been
    somebody else who answered. No secret is ever sent with such a request.
    """

    request: str
    status: int
    text: str
    verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """What a node's STS said when it was asked for a token with the administrator's password.

    *error* is empty if it issued one, else the class name of what was raised; *text* its sentence.
    """

    error: str = ""
    text: str = ""

    @property
    def issued(self) -> bool:
        """Tell whether the STS works."""
        return not self.error


_NOT_ASKED = UnreadPart(what="logs", reason="the node was not asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvidence:
    """What one node told besides what the inventory holds. What was not read says why.

    *token* is of nodes with an STS; None on others. *signer* is the leaf (DER) in its SAML
    metadata, also where the node's certificate could not be verified.
    """

    logs: LogReading | UnreadPart = _NOT_ASKED
    web: tuple[WebAnswer | UnreadPart, ...] = ()
    signer: bytes | None = None
    token: TokenAnswer | UnreadPart | None = None

    @property
    def answers(self) -> tuple[WebAnswer, ...]:
        """What was answered over the web."""
        return tuple(answer for answer in self.web if isinstance(answer, WebAnswer))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was read. *nodes* are by FQDN; a node that is not in it told nothing."""

    inventory: Inventory
    nodes: Mapping[str, NodeEvidence] = field(default_factory=dict)

    def of(self, fqdn: str) -> NodeEvidence:
        """Return what *fqdn* told, maybe nothing."""
        return self.nodes.get(fqdn) or NodeEvidence()
