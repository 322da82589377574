"""A node's VM is found by what its guest says; a name alone is believed of a silent guest only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memory_hypervisor import MemoryClock, MemoryHost
from stsfix.remediation.inventory import locate

FQDN = "vc1.prod.example"
ESX = MemoryHost("esx1.prod.example", MemoryClock())
ESX.add_vm("vc1")
FACTS = ESX.observe_host()


def seen(hostname="", addresses=(), name="vc1"):
    """Return what the host lists: one VM whose guest says *hostname* and *addresses*."""
    (summary,) = FACTS.vms
    vm = replace(summary.vm, name=name)
    return replace(
        FACTS, vms=[replace(summary, vm=vm, hostname=hostname, addresses=tuple(addresses))]
    )


@pytest.mark.parametrize("told", ["", "VC1", "vc1.prod.example", "localhost", "photon-machine"])
def test_a_vm_with_the_nodes_name_is_the_node(told):
    """Tools may be off, or the guest may have no name of its own."""
    found = locate(FQDN, [seen(told)])

    assert found.found is not None
    assert found.namesakes == ()


@pytest.mark.parametrize("told", ["vc1.test.example", "mail", "VC1.prod.example.net"])
def test_a_guest_that_says_it_is_somebody_else_is_no_node(told):
    """It only has the name; its name and its words are kept for the finding."""
    found = locate(FQDN, [seen(told)])

    assert found.found is None
    assert [vm.hostname for vm in found.namesakes] == [told]


def test_an_address_of_the_node_is_believed_whatever_the_guest_is_called():
    """What it was deployed as is asked of the guest itself (NODE-IDENTITY)."""
    host = seen("appliance.other.example", ["192.0.2.7"])

    assert locate(FQDN, [host], addresses=frozenset({"192.0.2.7"})).found is not None


def test_a_uuid_in_the_configuration_decides():
    """The operator said so."""
    host = seen("vc1.test.example")
    (summary,) = host.vms

    found = locate(FQDN, [host], instance_uuid=summary.vm.instance_uuid)

    assert found.found is summary
