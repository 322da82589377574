"""What a node's certificate tools say, by one script over `NodeShell`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.discovery.stores import ToolAnswer
from stsfix.remediation.nodes import extensions, scheduled_tasks, vcdb
from stsfix.remediation.pki import certool, vecs
from stsfix.remediation.transports.vmca import STORES_BYTES, STORES_LIMIT, new_nonce

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import NodeShell


class NodeToolsReader:
    """`discovery.stores.ToolsReader` by certool, psql and vecs-cli on the node.

    The scripts are one run: each run costs a dozen calls by guest operations. Each has
    marks of its own, so that an output that ends early costs only what is missing. Stores come
    last: they are the longest.
    """

    def __init__(
        self,
        shell: NodeShell,
        *,
        programs: certool.Programs | None = None,
        psql: tuple[str, str] = vcdb.PSQL,
        vecs_cli: str = vecs.TOOL,
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        self._shell = shell
        self._programs = programs or certool.Programs()
        self._psql = psql
        self._vecs_cli = vecs_cli
        self._nonce = nonce

    def read_tools(self, node: NodePlan) -> ToolAnswer:
        """Run the script once."""
        authority, database, stores = (self._nonce() for _ in range(3))
        tasks = [self._nonce(), self._nonce()]
        script = "\n".join(
            [
                certool.read_script(authority, self._programs) if node.role.has_directory else "",
                extensions.script(database, self._psql) if node.role.has_vcenter else "",
                scheduled_tasks.script(tasks, self._psql) if node.role.has_vcenter else "",
                vecs.script(stores, self._vecs_cli),
            ]
        )
        result = self._shell.run(node, script, limit=STORES_LIMIT, output_limit=STORES_BYTES)
        return ToolAnswer(
            authority=certool.parse_authority(result.output, node=node.fqdn, nonce=authority),
            extensions=extensions.parse(result.output, database),
            scheduled_tasks=scheduled_tasks.parse(result.output, tasks),
            stores=vecs.parse(result.output, stores),
        )
