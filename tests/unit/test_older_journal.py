"""A journal that is older than its run is not believed: it would give the way back away."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from machines_bench import PSC, VC
from repaired import PLAN, Repaired
from stsfix.plugin.diagnostics import RunContext, explain
from stsfix.remediation.directory.sts_export import StsExport
from stsfix.remediation.errors_run import OlderJournalError
from stsfix.remediation.journal import Journal
from stsfix.remediation.records import QUIESCE, Mark, MarkRecord, Phase, StepRecord, StepState

QUIET = PLAN[:1]
"""What a copy of the journal from before the first snapshot knows at most."""


@pytest.fixture
def folder(tmp_path):
    """A state folder that was restored from a backup."""
    tmp_path.chmod(0o700)
    return tmp_path


def snapshots(world):
    """Return every snapshot of the nodes."""
    machines = zip(world.bench.hosts, (world.bench.psc, world.bench.vc), strict=True)
    return [s.moref for host, vm in machines for s in host.vm(vm).snapshots]


def as_it_was(world, before):
    """True if both ways back, the set and what is written, are there."""
    return snapshots(world) == before and world.disk["certificate"] == "new"


@pytest.mark.parametrize("done", [(), QUIET], ids=["no record", "quiesced"])
@pytest.mark.parametrize("command", ["carry_on", "roll_back"])
def test_neither_goes_on_nor_back(folder, done, command):
    """The run ended elsewhere: nobody is shut down, and no snapshot is deleted."""
    world = Repaired(folder, done)
    before = snapshots(world)

    with pytest.raises(OlderJournalError, match=f"{VC}, {PSC}"):
        getattr(world.runs(), command)(world.spec.run)

    assert as_it_was(world, before)
    assert world.asked_to_stop() == 0
    assert world.file.read(world.spec.run).phase in {Phase.OPEN, Phase.STOPPED}


def test_nor_where_quiesce_was_under_way(folder):
    """Nodes that are on now were off for the snapshots since then."""
    world = Repaired(folder, ())
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        journal.append(StepRecord(step=QUIESCE, state=StepState.STARTED))

    with pytest.raises(OlderJournalError):
        world.runs().carry_on(world.spec.run)

    assert world.asked_to_stop() == 0


def test_nor_on_the_way_back(folder):
    """What an earlier version recorded is no reason to go on with it."""
    world = Repaired(folder, QUIET)
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        journal.append(MarkRecord(mark=Mark.ROLLBACK))

    with pytest.raises(OlderJournalError):
        world.runs().carry_on(world.spec.run)


def test_an_export_tells_it_as_well(folder):
    """It is made after the snapshots, and what the run wrote is not known here."""
    world = Repaired(folder, QUIET)
    export = StsExport(
        run=world.spec.run,
        domain=world.spec.domain,
        writer=PSC,
        created=world.bench.clock.now(),
        nodes={},
    )

    for refused in (world.runs().plan_restore, world.runs().restore):
        with pytest.raises(OlderJournalError, match="export"):
            refused(world.spec.run, export)

    assert world.file.read(world.spec.run).records == world.records


@pytest.mark.parametrize("done", [(), QUIET], ids=["no record", "quiesced"])
def test_a_run_that_died_before_its_snapshots_goes_on_and_back(folder, done):
    """Nothing on the hosts says that there was more."""
    world = Repaired(folder, done)
    for host, vm in zip(world.bench.hosts, (world.bench.psc, world.bench.vc), strict=True):
        host.vm(vm).snapshots.clear()

    assert world.runs().roll_back(world.spec.run) is Phase.ROLLED_BACK


@pytest.mark.parametrize(
    ("named", "beside"),
    [
        ("/", "/stsfix-adopted"),
        (".", "{here}-adopted"),
        ("..", "{above}-adopted"),
        (None, "{here}/stsfix-adopted"),
    ],
)
def test_another_folder_is_named_whatever_this_one_is_called(named, beside, tmp_path, monkeypatch):
    """Of every error, since the command is made for all of them."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    context = RunContext(run="stsfix-1", state_dir=None if named is None else Path(named))

    told = explain(OlderJournalError("stsfix-1", f"{PSC} has one"), context)

    wanted = beside.format(here=here, above=tmp_path)
    assert told.next_actions[-1].endswith(f"--state-dir {wanted} --adopt")


def test_what_to_do_can_be_copied():
    """The run is taken over into another folder; this one knows less."""
    context = RunContext(run="stsfix-1", phase="open", state_dir=Path("/srv/state"), off=True)

    told = explain(OlderJournalError("stsfix-1", f"{PSC} has one"), context)

    wanted = "stsfix rollback stsfix-1 --state-dir /srv/state-adopted --adopt"
    assert told.next_actions[-1].endswith(f": {wanted}")
    assert "shut nodes down" not in told.state
