"""Who has to learn a new machine certificate follows from names of extensions alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation.renewal.dependents import PRODUCTS, dependents

OWN = (
    "com.vmware.vim.eam",
    "com.vmware.rbd",
    "com.vmware.imagebuilder",
    "com.vmware.vcIntegrity",
    "com.vmware.vsan.health",
    "VirtualCenter",
    "hostdiag",
)


def test_a_plain_vcenter_has_none():
    """Its own extensions are seen to by the run."""
    assert dependents(OWN) == ()


def test_known_products_are_told_apart():
    """Each with its own action, and with all its keys."""
    found = dependents(
        [*OWN, "com.vmware.nsx.management.nsxt", "com.vmware.vcDr", "com.vmware.vcDr-1"]
    )

    assert [(f.product, f.keys) for f in found] == [
        ("NSX", ("com.vmware.nsx.management.nsxt",)),
        ("Site Recovery Manager or VMware Live Recovery", ("com.vmware.vcDr", "com.vmware.vcDr-1")),
    ]
    assert all(f.action for f in found)


def test_strangers_are_not_hidden():
    """Nobody knows whether they pin anything, so a person has to look."""
    (found,) = dependents(["com.acme.backup", "com.acme.backup"])

    assert (found.product, found.keys, found.sure) == ("Others", ("com.acme.backup",), False)


@given(st.lists(st.sampled_from([*OWN, "com.vmware.nsx.x", "com.vmware.h4.vapp", "a", "b.c", ""])))
def test_no_key_is_lost_or_named_twice(keys):
    """Every key is vCenter's own or is told once."""
    told = [key for found in dependents(keys) for key in found.keys]

    assert len(told) == len(set(told))
    assert set(told) == set(keys) - set(OWN)


def test_no_product_is_listed_twice():
    """A pattern in two products would give its keys to the first only."""
    patterns = [pattern for product in PRODUCTS for pattern in product.keys]

    assert len(patterns) == len(set(patterns))
    assert all(pattern == pattern.lower() for pattern in patterns)
