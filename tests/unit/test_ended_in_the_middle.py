"""A run that wrote nothing ends without a VM that is gone, once all others were seen to be on."""

from __future__ import annotations

from contextlib import closing

import pytest

from machines_bench import PSC, VC
from repaired import PLAN, STOPPED, Repaired
from stsfix.remediation.departed import note_of_departure
from stsfix.remediation.errors_run import OlderJournalError
from stsfix.remediation.journal import Journal
from stsfix.remediation.records import Phase
from stsfix.snapshot.errors import VmNotFoundError


@pytest.fixture
def folder(tmp_path):
    """A state folder."""
    tmp_path.chmod(0o700)
    return tmp_path


def without_vc(folder, done=STOPPED):
    """Return a run whose vCenter is gone."""
    world = Repaired(folder, done)
    del world.bench.hosts[1].vms[world.bench.vc.moref]
    return world


def test_a_host_that_left_the_configuration_is_named(folder):
    """Not a bug of ours: whether its VM is on is not known."""
    world = without_vc(folder)
    runs = world.runs(world.bench.hosts[1:])

    with pytest.raises(VmNotFoundError) as caught:
        runs.release(world.spec.run, without=[VC])

    assert world.file.read(world.spec.run).records == world.records
    assert caught.value.host == world.bench.psc.host


def test_so_is_one_whose_vm_is_lost_as_well(folder):
    """The operator spoke of another node; nothing is decided about this one."""
    world = Repaired(folder, STOPPED)
    world.bench.hosts[1].vms.clear()
    runs = world.runs(world.bench.hosts[1:])

    with pytest.raises(VmNotFoundError):
        runs.release(world.spec.run, without=[PSC])

    assert world.file.read(world.spec.run).records == world.records


def test_a_word_that_was_given_before_still_counts(folder):
    """Of a release that was refused, say: the VM is looked for, and not found."""
    world = without_vc(folder)
    del world.bench.hosts[0].vms[world.bench.psc.moref]
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        journal.append(note_of_departure(VC, "ann"))

    world.runs().release(world.spec.run, without=[PSC])

    assert world.file.read(world.spec.run).phase is Phase.RELEASED


def test_an_older_journal_ends_nothing(folder):
    """That it wrote nothing is not so."""
    world = without_vc(folder, PLAN[:1])

    with pytest.raises(OlderJournalError, match=PSC):
        world.runs().release(world.spec.run, without=[VC])

    assert world.file.read(world.spec.run).records == world.records
    assert world.bench.hosts[0].vm(world.bench.psc).snapshots
