"""The step that saves the STS entries, and putting them back without a snapshot."""

from __future__ import annotations

from dataclasses import replace

import pytest

import sts_material
from credential_bench import BOTH, OLD, VC1, VC2, Bench
from memory_node import Fault
from stsfix.plugin.diagnostics import RunContext, explain
from stsfix.remediation.errors import (
    EntryChangedError,
    ForeignEntriesError,
    ReplicationOverdueError,
    WriteInDoubtError,
)
from stsfix.remediation.errors_run import ExportError, RestoreRefusedError
from stsfix.remediation.ports import Observed
from stsfix.remediation.steps.credential import RetireOld
from stsfix.remediation.steps.export import ExportSts, restore

OLD_PAIR = ["chain 1", "credential 1"]


class ExportBench(Bench):
    """The bench of the credential steps, with an export made before they ran."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.step = ExportSts(self.context)
        self.facts: dict[str, str] = {}
        self.step.do({}, self.facts.__setitem__)
        self.export = self.context.exports.load(self.context.spec.run)

    def repair(self, *, retire=True):
        """Replace the credential, and retire the old one."""
        self.replace()
        if retire:
            RetireOld(self.context, self.written, dict).do({}, lambda key, value: None)

    def restore(self):
        """Put the export back."""
        self.begun = 0
        return restore(self.context, self.export, self.written(), self.begin)

    def begin(self):
        """Count, and see what is there by then."""
        self.begun += 1
        self.at_first = self.names()


def test_the_entries_of_every_directory_are_saved_whole():
    """Each node's own, with keys; the digest of the file is noted."""
    bench = ExportBench()

    assert set(bench.export.nodes) == {VC1, VC2}
    for entries in bench.export.nodes.values():
        credential = next(e for e in entries if e.kind == "credential")
        assert credential.key == OLD.key_pkcs8
    assert bench.facts == {"sha256": "1"}


def test_an_export_of_other_entries_is_not_overwritten():
    """A journal from a backup would save what was written over what was before."""
    bench = ExportBench()
    bench.repair()
    bench.domain.replicate()
    noted: dict[str, str] = {}

    with pytest.raises(ExportError, match="not overwritten") as caught:
        bench.step.do({}, noted.__setitem__)

    kept = bench.context.exports.load(bench.context.spec.run)
    assert (noted, kept) == ({}, bench.export)
    told = explain(caught.value, RunContext(run="stsfix-1", phase="stopped"))
    assert "--adopt" in told.next_actions[0]
    assert told.next_actions[1].endswith("stsfix rollback stsfix-1")


def test_what_an_attempt_saved_that_died_is_saved_anew():
    """It had no time to note its digest; the entries are the same."""
    bench = ExportBench()

    bench.step.do({}, bench.facts.__setitem__)

    assert bench.facts == {"sha256": "2"}


def test_a_saved_file_is_complete_and_another_one_is_made_again():
    """In doubt it is looked at, never trusted."""
    bench = ExportBench()

    assert bench.step.probe(bench.facts) is Observed.COMPLETE
    assert bench.step.probe({"sha256": "another"}) is Observed.REPEATABLE
    assert bench.step.probe({}) is Observed.REPEATABLE


@pytest.mark.parametrize("retire", [False, True])
@pytest.mark.parametrize("lag", [0, 3])
def test_a_repair_is_put_back_on_every_node(lag, retire):
    """The old pair is everywhere, ours nowhere, and there was a credential all the time."""
    bench = ExportBench(lag=lag)
    bench.repair(retire=retire)

    bench.restore()

    assert bench.names(VC1) == bench.names(VC2) == OLD_PAIR
    # Deleting the newer of two sound ones is what this is for; nothing worse happened.
    assert all("signing credential 2 was deleted" in v for v in bench.domain.violations)
    assert bench.leaves() == {VC1: OLD.chain[0], VC2: OLD.chain[0]}


def test_repeating_it_changes_nothing():
    """Done is done."""
    bench = ExportBench()
    bench.repair()
    bench.restore()

    assert bench.restore().is_done


@pytest.mark.parametrize("call", ["add_material", "delete_entry"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_lost_answer_is_gone_on_from(call, nth):
    """Whatever was written, the next attempt ends in the same."""
    bench = ExportBench()
    bench.repair()
    bench.domain.faults.append(Fault(call=call, nth=nth, effect="lost"))

    with pytest.raises(WriteInDoubtError):
        bench.restore()
    bench.restore()

    assert bench.names(VC1) == bench.names(VC2) == OLD_PAIR


def test_it_is_recorded_before_the_first_write():
    """A death after it is known to have left entries of both times."""
    bench = ExportBench()
    bench.repair()
    before = bench.names()

    bench.restore()

    assert (bench.begun, bench.at_first) == (1, before)


def test_what_somebody_wrote_meanwhile_under_our_name_stays():
    """Replication was waited for since the plan was made: the entry is looked at again."""
    bench = ExportBench()
    bench.repair()
    other = sts_material.credential("somebody else's")

    def hook(event):
        if event.text == "added TenantCredential-1":
            bench.domain.seed(2, other)

    bench.context = replace(bench.context, hook=hook)

    with pytest.raises(EntryChangedError, match="TenantCredential-2"):
        bench.restore()

    assert bench.names() == BOTH
    assert bench.leaves()[VC1] == other.chain[0]


def test_what_somebody_adds_while_it_is_put_back_is_told():
    """What signs in the end is not what was put back; nobody calls that a refusal of vmdird."""
    bench = ExportBench()
    bench.repair()

    def hook(event):
        if event.text == "removed TenantCredential-2":
            bench.domain.seed(9, sts_material.credential("somebody else's"))

    bench.context = replace(bench.context, hook=hook)

    with pytest.raises(ForeignEntriesError, match=r"TenantCredential-9.* would sign"):
        bench.restore()


def test_nothing_is_deleted_before_everybody_has_the_old_pair():
    """A partner that does not follow stops it while both pairs are there."""
    bench = ExportBench()
    bench.repair()
    bench.domain.lag = 10**6

    with pytest.raises(ReplicationOverdueError):
        bench.restore()

    assert bench.names(VC1) == BOTH


def test_nothing_is_written_to_a_domain_of_which_a_part_was_reverted():
    """Both hold the same entries, and what the writer writes reaches its partner no more."""
    bench = ExportBench()
    saved = bench.domain.save(VC1)
    bench.repair()
    bench.restore()
    bench.domain.replicate()
    bench.domain.restore(saved)
    before = bench.names(VC1)

    with pytest.raises(RestoreRefusedError, match=f"{VC2} has seen .* changes of {VC1} that"):
        bench.restore()

    assert bench.begun == 0
    assert bench.names(VC1) == before


def test_directories_that_differ_are_left_alone():
    """Nobody writes to a domain whose nodes do not agree."""
    bench = ExportBench()
    bench.repair()
    bench.domain.lag = 10**6
    bench.domain.directory(VC2).delete_entry(
        bench.domain.directory(VC2).read_sts_entries().chains[0]
    )
    before = bench.names(VC1)

    with pytest.raises(RestoreRefusedError, match=f"entries of {VC2} are not"):
        bench.restore()

    assert bench.begun == 0
    assert bench.names(VC1) == before
