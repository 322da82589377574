"""What a node's tools say is collected; what a node cannot say has a reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bash_node import PLAN
from reports import vm_of
from sts_material import NODE
from stsfix.remediation.discovery.stores import ToolAnswer, with_tools
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.inventory import NodeInventory
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.model import Role
from stsfix.remediation.nodes.extensions import Extension
from stsfix.remediation.nodes.node_facts import NOT_ASKED, NodeFacts, Unread
from stsfix.remediation.pki.authority import Authority
from stsfix.remediation.pki.vecs import NodeStores
from stsfix.snapshot.errors import GuestUnavailableError

STORES = NodeStores(stores=("vpxd",))
VMCA = Authority(node=NODE, certool=True, serves=True, serves_root=True, key_matches=True)
EXTENSIONS = (Extension(key="com.vmware.vim.eam", thumbprint=""),)


class Tools:
    """Answers, or raises what it was given."""

    def __init__(self, error=None, extensions=EXTENSIONS, tasks=0):
        self.error = error
        self.answer = ToolAnswer(
            stores=STORES, authority=VMCA, extensions=extensions, scheduled_tasks=tasks
        )
        self.asked = []

    def read_tools(self, node):
        self.asked.append(node.fqdn)
        if self.error is not None:
            raise self.error
        return self.answer


def node(role=Role.EMBEDDED, **changes):
    """Return a node whose facts were read."""
    values: dict[str, Any] = {"vm": vm_of("vc1", "esx1"), "facts": NodeFacts()}
    return NodeInventory(fqdn=NODE, role=role, **(values | changes))


@pytest.mark.parametrize("role", Role)
def test_a_node_tells_what_it_has(role):
    """VMCA is where the directory is, extensions and scheduled tasks are where vCenter is."""
    seen = with_tools(node(role), Tools())

    assert seen.stores == STORES
    assert (seen.authority == VMCA) is role.has_directory
    assert (seen.extensions == EXTENSIONS) is role.has_vcenter
    assert isinstance(seen.authority, Unread) is not role.has_directory
    assert isinstance(seen.extensions, Unread) is not role.has_vcenter
    assert (seen.scheduled_tasks == 0) is role.has_vcenter


def test_a_tool_that_fails_costs_its_answer_only():
    """The others are there all the same."""
    lost = UnreadPart(what="x", reason="no psql")

    seen = with_tools(node(), Tools(extensions=lost, tasks=lost))

    assert (seen.stores, seen.authority) == (STORES, VMCA)
    assert seen.extensions == seen.scheduled_tasks == Unread(reason="no psql")


def test_a_node_that_cannot_be_asked_says_why():
    """The error's sentence is the reason of all three."""
    broken = GuestUnavailableError(PLAN.vm, "GuestOperationsUnavailable")

    seen = with_tools(node(), Tools(broken))

    assert seen.stores == seen.authority == seen.extensions == Unread(reason=str(broken))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"facts": Unread(reason="no Tools")}, "no Tools"),
        ({"vm": replace(vm_of("vc1", "esx1"), guest_os="windowsGuest")}, "Windows"),
    ],
    ids=["facts", "windows"],
)
def test_node_without_a_way_in_is_not_asked(changes, reason):
    """The reason is the one that its facts have, or its system."""
    tools = Tools()

    seen = with_tools(node(**changes), tools)

    assert tools.asked == []
    assert isinstance(seen.stores, Unread)
    assert reason in seen.stores.reason
    assert seen.authority == seen.extensions == seen.stores


@pytest.mark.parametrize(
    ("changes", "reader"), [({"vm": None}, Tools()), ({}, None)], ids=["no-vm", "nobody-asks"]
)
def test_nothing_is_made_up(changes, reader):
    """Without a VM, or without anybody to ask, the node stays as it was."""
    seen = with_tools(node(**changes), reader)

    assert (seen.stores, seen.authority, seen.extensions) == (NOT_ASKED,) * 3


def test_a_stop_comes_out():
    """Whoever asks to stop is not told that a store could not be read."""
    with pytest.raises(InterruptedRunError):
        with_tools(node(), Tools(InterruptedRunError("x")))
