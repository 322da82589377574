"""Registered extensions of a vCenter through psql on its node, over `NodeShell`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.nodes import extensions
from stsfix.remediation.transports.vmca import new_nonce

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.inventory_certificates import UnreadPart
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import NodeShell

OUTPUT_BYTES: Final = 1024 * 1024


class PsqlExtensions:
    """`ports_certificates.Extensions` by psql on the node."""

    def __init__(
        self,
        shell: NodeShell,
        *,
        places: tuple[str, str] = extensions.PSQL,
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        self._shell = shell
        self._places = places
        self._nonce = nonce

    def read_extensions(self, node: NodePlan) -> tuple[extensions.Extension, ...] | UnreadPart:
        """Run the query once."""
        nonce = self._nonce()
        result = self._shell.run(
            node, extensions.script(nonce, self._places), output_limit=OUTPUT_BYTES
        )
        return extensions.parse(result.output, nonce)

    def replace_thumbprint(self, node: NodePlan, old: str, new: str) -> int | UnreadPart:
        """See `ports_certificates.Extensions`."""
        nonce = self._nonce()
        result = self._shell.run(node, extensions.replace_script(old, new, nonce, self._places))
        return extensions.parse_replaced(result.output, nonce)
