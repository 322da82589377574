"""Read what a node's own tools tell of its certificates: stores, VMCA, registered extensions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from stsfix.remediation.errors import InterruptedRunError
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.node_facts import Unread
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.authority import Authority
    from stsfix.remediation.extensions import Extension
    from stsfix.remediation.inventory import NodeInventory
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.vecs import NodeStores

T = TypeVar("T")


class StoresReader(Protocol):
    """Lists certificate stores; see `ports.CertificateStores`."""

    def read_stores(self, node: NodePlan) -> NodeStores:
        """List every entry of every store of *node*, keys left out."""


class AuthorityReader(Protocol):
    """Looks at VMCA; see `ports.CertificateAuthority`."""

    def read_root(self, node: NodePlan) -> Authority:
        """Look at VMCA of *node*; changes nothing."""


class ExtensionsReader(Protocol):
    """Lists registered extensions of a vCenter."""

    def read_extensions(self, node: NodePlan) -> tuple[Extension, ...] | UnreadPart:
        """List the extensions of *node*; changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSources:
    """Whom to ask on a node, each over its transport."""

    stores: StoresReader
    authority: AuthorityReader
    extensions: ExtensionsReader


def with_tools(node: NodeInventory, tools: ToolSources | None) -> NodeInventory:
    """Return *node* with what its tools said; never raises for what a node does.

    Nothing is asked of a node whose facts could not be read: the reason is the same.
    """
    plan = node.plan
    if tools is None or plan is None:
        return node
    if isinstance(node.facts, Unread):
        return replace(node, stores=node.facts, authority=node.facts, extensions=node.facts)
    nothing = Unread(reason=f"a node of role {node.role} has none")
    return replace(
        node,
        stores=_tried(lambda: tools.stores.read_stores(plan)),
        authority=(
            _tried(lambda: tools.authority.read_root(plan)) if node.role.has_directory else nothing
        ),
        extensions=(
            _known(_tried(lambda: tools.extensions.read_extensions(plan)))
            if node.role.has_vcenter
            else nothing
        ),
    )


def _tried(call: Callable[[], T]) -> T | Unread:
    try:
        return call()
    except InterruptedRunError:
        raise
    except OperationError as error:
        return Unread(reason=str(error))


def _known(
    answer: tuple[Extension, ...] | UnreadPart | Unread,
) -> tuple[Extension, ...] | Unread:
    return Unread(reason=answer.reason) if isinstance(answer, UnreadPart) else answer
