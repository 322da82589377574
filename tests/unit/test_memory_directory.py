"""The in-memory directories see what they must, and hide what a partner has not pulled."""

from __future__ import annotations

import pytest

from memory_directory import MemoryDomain
from memory_node import Fault
from sts_material import NODE, credential, key
from stsfix.lab import pki
from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryUnreachableError,
    WriteInDoubtError,
)
from stsfix.remediation.ports import IssuedCredential
from stsfix.snapshot.secret import Secret

OTHER = "vc2.lab.example"
OLD, NEW = credential("old", start=-800, end=-1), credential("new")


@pytest.fixture
def domain():
    """Two nodes with one expired credential."""
    made = MemoryDomain(NODE, OTHER)
    made.seed(1, OLD)
    return made


def _signs(domain, node):
    signing = domain.directory(node).read_sts_entries().signing()
    return signing and signing.index


def test_sound_repair_has_no_violations(domain):
    """Chain, credential, then the old pair away, all on one node."""
    writer = domain.directory(NODE)
    old = writer.read_sts_entries()

    writer.add_chain(2, NEW.chain)
    writer.add_credential(2, NEW)
    writer.delete_entry(old.credentials[0])
    writer.delete_entry(old.chains[0])

    assert domain.violations == []
    assert _signs(domain, OTHER) == 2


def test_delete_before_add_is_a_violation(domain):
    """The order of the well-known script leaves the domain without a credential."""
    writer = domain.directory(NODE)

    writer.delete_entry(writer.read_sts_entries().credentials[0])

    assert domain.violations == [f"delete_entry: no credential is left on {NODE}"]


def test_credential_before_its_chain_is_a_violation(domain):
    """The STS would refuse the tokens it signs."""
    domain.directory(NODE).add_credential(2, NEW)

    assert domain.violations == ["add_credential: no chain trusts the signing credential 2"]


def test_deleting_the_newest_is_a_violation(domain):
    """Going back to a lower number is not what a repair does."""
    domain.seed(2, NEW)
    writer = domain.directory(NODE)

    writer.delete_entry(writer.read_sts_entries().credentials[1])

    assert domain.violations == ["delete_entry: the signing credential 2 was deleted"]


def test_key_of_another_leaf_is_a_violation(domain):
    """A credential that cannot sign is told."""
    mixed = IssuedCredential(chain=NEW.chain, key_pkcs8=Secret(pki.pkcs8(key("another"))))
    writer = domain.directory(NODE)
    writer.add_chain(2, NEW.chain)

    writer.add_credential(2, mixed)

    assert domain.violations == ["add_credential: the key of credential 2 does not match"]


def test_writing_on_two_nodes_is_a_violation(domain):
    """Only one concrete node is written."""
    domain.directory(NODE).add_chain(2, NEW.chain)

    domain.directory(OTHER).add_chain(3, NEW.chain)

    assert domain.violations == [f"written on {NODE}, {OTHER}"]


def test_lag_hides_a_change_from_partners():
    """A partner shows a change only after so many calls; then its vector holds the writer's USN."""
    domain = MemoryDomain(NODE, OTHER, lag=3)
    domain.seed(1, OLD)
    writer = domain.directory(NODE)
    writer.add_chain(2, NEW.chain)
    writer.add_credential(2, NEW)

    seen = [_signs(domain, OTHER) for _ in range(5)]

    assert seen == [1, 1, 1, 2, 2]
    status = domain.directory(OTHER).read_replication_status()
    assert status.up_to_date == {f"id-{NODE}": domain.nodes[NODE].usn}


def test_restored_node_lost_what_came_later(domain):
    """A saved directory is a copy: later writes are not in it."""
    saved = domain.save(NODE)
    writer = domain.directory(NODE)
    writer.add_chain(2, NEW.chain)
    writer.add_credential(2, NEW)

    domain.restore(saved)

    assert _signs(domain, NODE) == 1
    assert _signs(domain, OTHER) == 2


@pytest.mark.parametrize(
    ("effect", "error", "written"),
    [
        ("refuse", DirectoryFaultError, False),
        ("unreachable", DirectoryUnreachableError, False),
        ("lost-before", WriteInDoubtError, False),
        ("lost", WriteInDoubtError, True),
    ],
)
def test_faults(domain, effect, error, written):
    """Each fault raises its error once, and only ``lost`` leaves the change behind."""
    domain.faults.append(Fault(call="add_chain", effect=effect))
    writer = domain.directory(NODE)

    with pytest.raises(error):
        writer.add_chain(2, NEW.chain)

    assert (len(writer.read_sts_entries().chains) == 2) is written


def test_node_that_is_down_does_not_answer(domain):
    """Every call of a node that is down is unreachable."""
    domain.down.add(NODE)

    with pytest.raises(DirectoryUnreachableError):
        domain.directory(NODE).read_root_dse()
