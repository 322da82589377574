"""What a node's tools say is collected; what a node cannot say has a reason."""

from __future__ import annotations

from typing import Any

import pytest

from bash_node import PLAN
from reports import vm_of
from sts_material import NODE
from stsfix.remediation.authority import Authority
from stsfix.remediation.discover_stores import ToolSources, with_tools
from stsfix.remediation.errors import InterruptedRunError
from stsfix.remediation.extensions import Extension
from stsfix.remediation.inventory import NodeInventory
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.model import Role
from stsfix.remediation.node_facts import NOT_ASKED, NodeFacts, Unread
from stsfix.remediation.vecs import NodeStores
from stsfix.snapshot.errors import GuestUnavailableError

STORES = NodeStores(stores=("vpxd",))
VMCA = Authority(node=NODE, certool=True, serves=True, serves_root=True, key_matches=True)
EXTENSIONS = (Extension(key="com.vmware.vim.eam", thumbprint=""),)


class Tools:
    """Answers, or raises what it was given as an answer."""

    def __init__(self, stores=STORES, authority=VMCA, extensions=EXTENSIONS):
        self.answers = {"stores": stores, "root": authority, "extensions": extensions}
        self.asked = []

    def _answer(self, what, node):
        self.asked.append((what, node.fqdn))
        answer = self.answers[what]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def read_stores(self, node):
        return self._answer("stores", node)

    def read_root(self, node):
        return self._answer("root", node)

    def read_extensions(self, node):
        return self._answer("extensions", node)

    @property
    def sources(self):
        return ToolSources(stores=self, authority=self, extensions=self)


def node(role=Role.EMBEDDED, **changes):
    """Return a node whose facts were read."""
    values: dict[str, Any] = {"vm": vm_of("vc1", "esx1"), "facts": NodeFacts()}
    return NodeInventory(fqdn=NODE, role=role, **(values | changes))


@pytest.mark.parametrize(
    ("role", "asked"),
    [
        (Role.EMBEDDED, ["stores", "root", "extensions"]),
        (Role.PSC, ["stores", "root"]),
        (Role.VCENTER, ["stores", "extensions"]),
    ],
)
def test_a_node_is_asked_for_what_it_has(role, asked):
    """VMCA is where the directory is, extensions are where vCenter is."""
    tools = Tools()

    seen = with_tools(node(role), tools.sources)

    assert tools.asked == [(what, NODE) for what in asked]
    assert seen.stores == STORES
    assert seen.authority == VMCA if role.has_directory else isinstance(seen.authority, Unread)
    assert (
        seen.extensions == EXTENSIONS if role.has_vcenter else isinstance(seen.extensions, Unread)
    )


def test_one_failure_costs_that_answer_only():
    """The others are read all the same."""
    broken = GuestUnavailableError(PLAN.vm, "GuestOperationsUnavailable")
    tools = Tools(stores=broken, extensions=UnreadPart(what="x", reason="no psql"))

    seen = with_tools(node(), tools.sources)

    assert isinstance(seen.stores, Unread)
    assert seen.authority == VMCA
    assert seen.extensions == Unread(reason="no psql")


def test_node_without_a_way_in_is_not_asked():
    """The reason is the one that its facts have."""
    tools = Tools()
    why = Unread(reason="its guest is Windows")

    seen = with_tools(node(facts=why), tools.sources)

    assert tools.asked == []
    assert (seen.stores, seen.authority, seen.extensions) == (why, why, why)


@pytest.mark.parametrize("changes", [{"vm": None}, {}], ids=["no-vm", "nobody-asks"])
def test_nothing_is_made_up(changes):
    """Without a VM, or without anybody to ask, the node stays as it was."""
    tools = None if not changes else Tools().sources

    seen = with_tools(node(**changes), tools)

    assert (seen.stores, seen.authority, seen.extensions) == (NOT_ASKED,) * 3


def test_a_stop_comes_out():
    """Whoever asks to stop is not told that a store could not be read."""
    with pytest.raises(InterruptedRunError):
        with_tools(node(), Tools(stores=InterruptedRunError("x")).sources)
