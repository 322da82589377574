"""A resume of a run that is being taken back looks at all that a rollback looks at."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from machines_bench import VC
from repaired import Repaired
from stsfix.plugin.cli.run import _go
from stsfix.remediation.errors_run import NodesJoinedError, RunStateError
from stsfix.remediation.journal import Journal
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.records import Mark, MarkRecord, NoteRecord, Phase
from stsfix.remediation.renewal.notes import RENEW_CERTIFICATES, encoded, shown_key
from stsfix.snapshot.errors import SnapshotSetIncompleteError

MADE = b"the machine certificate that the run made"


@pytest.fixture
def world(tmp_path):
    """A rollback died right after it was decided."""
    tmp_path.chmod(0o700)
    world = Repaired(tmp_path)
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        journal.append(MarkRecord(mark=Mark.ROLLBACK))
    world.records = world.file.read(world.spec.run).records
    return world


def joined(world):
    """A node joined the domain meanwhile."""
    world.bench.domain.computers = ("vc9.lab.example",)
    return NodesJoinedError


def pinned(world):
    """domain.toml pins what the run made."""
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        shown = NoteRecord(step=RENEW_CERTIFICATES, key=shown_key(1, VC), value=encoded(MADE))
        journal.append(shown)
    world.records = world.file.read(world.spec.run).records
    world.pins = {VC: fingerprint(MADE)}
    return RunStateError


def deleted(world):
    """Somebody tidied up."""
    world.bench.hosts[1].vm(world.bench.vc).snapshots.clear()
    return SnapshotSetIncompleteError


@pytest.mark.parametrize("wrong", [joined, pinned, deleted])
def test_what_a_rollback_refuses_a_resume_refuses(world, wrong):
    """Nobody is shut down, and nothing is recorded."""
    refused = wrong(world)

    with pytest.raises(refused):
        world.runs().carry_on(world.spec.run)

    assert world.is_untouched()


def test_it_goes_on_where_nothing_is_in_the_way(world):
    """Every node is at its snapshot and on."""
    assert world.runs().carry_on(world.spec.run) is Phase.ROLLED_BACK

    assert world.disk["certificate"] == "old"


def test_nobody_is_asked_whether_to_roll_back_what_is_rolled_back(world, monkeypatch):
    """The answer is known, and the same is in the way."""
    joined(world)
    shown: list[object] = []
    monkeypatch.setattr("stsfix.plugin.cli.run._goes_back", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr("stsfix.plugin.cli.run.report_error", lambda *_, **seen: shown.append(seen))
    monkeypatch.setattr("stsfix.plugin.cli.run._view", lambda *_: None)
    session: Any = SimpleNamespace(
        about=lambda _: None,
        stoppable=lambda: closing(SimpleNamespace(close=lambda: None)),
        journal=world.file,
    )

    _go(session, world.runs(), world.spec.run, "rollback")

    assert len(shown) == 1
