"""Read what a node's own tools tell: stores, VMCA, registered extensions, scheduled tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from stsfix.remediation.inventory import NodeInventory
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.extensions import Extension
    from stsfix.remediation.pki.authority import Authority
    from stsfix.remediation.pki.vecs import NodeStores

ON_WINDOWS: Final = "it runs on Windows: stsfix does not ask VMware's certificate tools there"


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswer:
    """What the tools of one node said."""

    stores: NodeStores
    authority: Authority
    extensions: tuple[Extension, ...] | UnreadPart
    scheduled_tasks: int | UnreadPart


class ToolsReader(Protocol):
    """Asks vecs-cli, certool and psql of a node, over its transport."""

    def read_tools(self, node: NodePlan) -> ToolAnswer:
        """Read everything in one run of one script; changes nothing.

        Raises:
            OperationError: As `NodeShell.run`. A tool that fails is no error: its answer says so.
        """


def with_tools(node: NodeInventory, reader: ToolsReader | None) -> NodeInventory:
    """Return *node* with what its tools said; never raises for what a node does.

    Nothing is asked of a node whose facts could not be read: the reason is the same.
    """
    plan = node.plan
    if reader is None or plan is None:
        return node
    why = node.facts if isinstance(node.facts, Unread) else _refusal(node)
    answer = why if why is not None else _tried(reader, plan)
    if isinstance(answer, Unread):
        return replace(
            node, stores=answer, authority=answer, extensions=answer, scheduled_tasks=answer
        )
    nothing = Unread(reason=f"a node of role {node.role} has none")
    return replace(
        node,
        stores=answer.stores,
        authority=answer.authority if node.role.has_directory else nothing,
        extensions=_known(answer.extensions) if node.role.has_vcenter else nothing,
        scheduled_tasks=_known(answer.scheduled_tasks) if node.role.has_vcenter else nothing,
    )


def _tried(reader: ToolsReader, plan: NodePlan) -> ToolAnswer | Unread:
    try:
        return reader.read_tools(plan)
    except InterruptedRunError:
        raise
    except OperationError as error:
        return Unread(reason=str(error))


def _refusal(node: NodeInventory) -> Unread | None:
    if node.platform is Platform.WINDOWS:
        return Unread(reason=ON_WINDOWS)
    return None


def _known(answer: _T | UnreadPart) -> _T | Unread:
    return Unread(reason=answer.reason) if isinstance(answer, UnreadPart) else answer
