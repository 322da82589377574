"""What the inventory costs does not grow with other people's VMs."""

from __future__ import annotations

import pytest

from estate_lab import running_estate
from lab_keys import shared_keys
from preflight_lab import wired
from stsfix.plugin.sources import preflight_sources
from stsfix.remediation.discovery.domain import Discovery

pytestmark = pytest.mark.lab


def calls_and_vms(vms):
    """Return the calls of each host during one inventory, and how many VMs were seen."""
    with running_estate(hosts=4, vms=vms, nodes=2, keys=shared_keys()) as estate:
        with wired(estate) as wiring:
            before = estate.calls()
            inventory = Discovery(preflight_sources(wiring)).discover()
            after = estate.calls()
        assert inventory.problems == ()
        assert all(node.vm is not None and node.role_verified for node in inventory.nodes)
        seen = {h.host: len(h.vms) for h in inventory.hosts}
    return {name: after[name] - before[name] for name in after}, seen


def test_calls_per_host_do_not_grow_with_its_vms():
    """Ten times the VMs, the same calls; a host without a node costs seven."""
    few, seen_few = calls_and_vms(20)
    many, seen_many = calls_and_vms(200)

    grown = {name: seen_many[name] - seen_few[name] for name in seen_many}
    bare = [name for name in few if name.endswith(".estate.example")]
    assert set(grown.values()) == {180}
    assert {name: many[name] for name in bare} == {name: few[name] for name in bare}
    assert {few[name] for name in bare} == {7}
