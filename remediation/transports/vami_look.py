"""What an appliance's management interface says of the appliance: release and health."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.nodes.node_facts import Management, Unread
from stsfix.remediation.nodes.vami_answers import HEALTH, VERSION, parse_health, parse_text
from stsfix.remediation.transports.vami import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.transports.attempts import Attempts
    from stsfix.remediation.transports.vami import Vami


class ManagementLook:
    """Asks by VAMI; *open_vami* gives a node's interface."""

    def __init__(self, open_vami: Callable[[str], Vami], attempts: Attempts) -> None:
        self._open = open_vami
        self._attempts = attempts

    def read(self, node: NodePlan) -> Management:
        """Return what it says; what it does not tell is `Unread`. Raises what `Vami` does."""
        return self._attempts.guarded(node.fqdn, lambda: self._read(node))

    def _read(self, node: NodePlan) -> Management:
        with self._open(node.fqdn) as vami:
            version, health = vami.get(VERSION), vami.get(HEALTH)
        return Management(
            version=_told(version, lambda body: parse_text(body, "version"), VERSION),
            health=_told(health, parse_health, HEALTH),
        )


def _told(answer: bytes | Refusal, parse: Callable[[bytes], str], path: str) -> str | Unread:
    if isinstance(answer, Refusal):
        return Unread(reason=f"{path}: {answer}")
    return parse(answer) or Unread(reason=f"{path} said something else")
