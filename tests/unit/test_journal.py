"""The journal: durable, append only, private, and honest about what it cannot do."""

from __future__ import annotations

import fcntl
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from memory_hypervisor import MemoryClock
from stsfix.remediation.errors_run import (
    DomainLockedError,
    JournalUnwritableError,
    PlanChangedError,
    RunNotFoundError,
)
from stsfix.remediation.journal import JournalFile, TransitionError
from stsfix.remediation.model import Restart
from stsfix.remediation.records import (
    Mark,
    MarkRecord,
    NoteRecord,
    StepRecord,
    StepState,
    noted,
    spec_from_json,
    spec_to_json,
)
from worlds import spec

PLAN = ("quiesce", "replace-sts")
INSERT = "INSERT INTO records (run, at, kind, step, name, value)"


@pytest.fixture
def file(tmp_path):
    """A state folder."""
    return JournalFile(tmp_path / "state", MemoryClock())


@pytest.fixture
def journal(file):
    """A journal of a new run."""
    with closing(file.create(spec(), PLAN, version="0", inventory="{}")) as journal:
        yield journal


def test_what_was_appended_is_read_back(file, journal):
    """Records, notes and marks survive the process, in order."""
    journal.append(StepRecord(step="quiesce", state=StepState.STARTED))
    journal.append(NoteRecord(step="quiesce", key="task", value="haTask-1"))
    journal.append(NoteRecord(step="quiesce", key="task", value="haTask-2"))
    journal.append(StepRecord(step="quiesce", state=StepState.FAILED, facts={"error": "X"}))
    journal.append(MarkRecord(mark=Mark.ROLLBACK))

    stored = file.read(journal.run)

    kinds = [type(record).__name__ for record in stored.records]
    assert kinds == ["StepRecord", "NoteRecord", "NoteRecord", "StepRecord", "MarkRecord"]
    assert noted("quiesce", stored.records) == {"task": "haTask-2"}
    assert stored.spec == spec()
    assert stored.plan == PLAN


def test_a_spec_survives_json():
    """What a run was asked to do is the same value after a restart."""
    nodes = tuple(replace(node, ran=("vmafdd", "vmware-vpxd")) for node in spec().nodes)
    whole = replace(spec(), restart=Restart.NEEDED, nodes=nodes)

    assert spec_from_json(spec_to_json(spec())) == spec()
    assert spec_from_json(spec_to_json(whole)) == whole


def test_an_illegal_transition_writes_nothing(file, journal):
    """DONE without STARTED is a bug, not a record."""
    with pytest.raises(TransitionError, match="quiesce"):
        journal.append(StepRecord(step="quiesce", state=StepState.DONE))

    assert file.read(journal.run).records == ()


def test_folder_and_file_are_private(file):
    """Nobody else reads which nodes and hosts there are."""
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_the_journal_is_not_written_through_a_link(tmp_path):
    """A link in the state folder could point anywhere."""
    (tmp_path / "victim").write_text("")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite").symlink_to(tmp_path / "victim")

    with pytest.raises(JournalUnwritableError):
        JournalFile(tmp_path / "state", MemoryClock())


def test_after_a_failed_write_nothing_is_written_any_more(journal):
    """After one failure a later success would prove nothing."""
    journal.close()

    with pytest.raises(JournalUnwritableError):
        journal.append(StepRecord(step="quiesce", state=StepState.STARTED))
    with pytest.raises(JournalUnwritableError, match="earlier write failed"):
        journal.append(StepRecord(step="quiesce", state=StepState.STARTED))

    assert journal.records == ()


def test_commits_are_synchronous(file):
    """synchronous=FULL (2): a commit that returned is on the disk."""
    with closing(file.connect()) as connection:
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()

    assert (synchronous, mode) == (2, "wal")


def test_a_journal_of_a_newer_stsfix_is_refused(file):
    """An unknown format is never guessed at."""
    with closing(file.connect()) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(JournalUnwritableError, match="newer stsfix"):
        JournalFile(file.path.parent, MemoryClock())


def test_an_unknown_run_is_not_found(file):
    """A typing mistake in a run's name is told as such, with the folder that was looked into and
    the name that is nearest.
    """
    folder = file.path.parent
    with pytest.raises(RunNotFoundError, match=f"no run yet in the state folder {folder}$"):
        file.latest()
    with pytest.raises(RunNotFoundError, match=r"no run of vsphere\.local in the state folder"):
        file.latest("vsphere.local")

    file.create(spec("stsfix-2026-aa"), PLAN, version="0", inventory="{}").close()

    with pytest.raises(RunNotFoundError, match=f"{folder}; did you mean stsfix-2026-aa$"):
        file.read("stsfix-2026-ab")
    with pytest.raises(RunNotFoundError, match=f"no run 7 in the state folder {folder}$"):
        file.read("7")


def test_the_latest_run_of_the_domain_is_found(file):
    """Without a name, commands mean the newest run."""
    file.create(spec("stsfix-1"), PLAN, version="0", inventory="{}").close()
    file.create(spec("stsfix-2"), PLAN, version="0", inventory="{}").close()

    assert file.latest("vsphere.local") == "stsfix-2"
    with pytest.raises(RunNotFoundError):
        file.latest("other.local")


def test_one_domain_is_worked_on_by_one_process_that_is_named(file):
    """A second command on the same domain is refused while the first lives."""
    with (
        file.locked("vsphere.local", "anna@desk, process 1"),
        pytest.raises(DomainLockedError, match="anna@desk"),
        file.locked("vsphere.local", "bert"),
    ):
        raise AssertionError

    with file.locked("vsphere.local", "bert"):
        pass


def test_who_holds_a_domain_can_be_asked_without_taking_it(file):
    """Nobody, or the one who is named in it; who holds another domain is another matter."""
    assert file.holder("vsphere.local") == ""

    with file.locked("vsphere.local", "anna@desk, process 1"):
        assert file.holder("vsphere.local") == "anna@desk, process 1"
        assert file.holder("other.local") == ""

    assert file.holder("vsphere.local") == ""


def test_who_only_asks_for_a_moment_does_not_refuse_a_run(file):
    """The lock is tried again: `status` in another terminal takes it for less than that."""
    with file.locked("vsphere.local", "first"):
        pass
    path = file.path.parent / "vsphere.local.lock"
    with path.open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH | fcntl.LOCK_NB)
        file._clock = SimpleNamespace(sleep=lambda _: fcntl.flock(asking, fcntl.LOCK_UN))

        with file.locked("vsphere.local", "anna"):
            assert file.holder("vsphere.local") == "anna"


def test_the_lock_dies_with_its_holder(file):
    """A killed process leaves no lock behind."""
    code = (
        "import sys, os; from pathlib import Path; "
        "from stsfix.remediation.journal import JournalFile; "
        "from stsfix.snapshot.system_clock import SystemClock; "
        "lock = JournalFile(Path(sys.argv[1]), SystemClock()).locked('vsphere.local', 'x'); "
        "lock.__enter__(); os.kill(os.getpid(), 9)"
    )

    subprocess.run([sys.executable, "-c", code, str(file.path.parent)], check=False)

    with file.locked("vsphere.local", "next"):
        pass


@pytest.mark.parametrize(
    "later",
    [
        f"{INSERT} SELECT run, created, 'mark', '', 'paused', '' FROM runs",
        f"{INSERT} SELECT run, created, 'step', 'quiesce', 'frozen', '{{}}' FROM runs",
        'UPDATE runs SET spec = replace(spec, \'"restart": "all"\', \'"restart": "some"\')',
        "UPDATE runs SET spec = replace(spec, '\"writer\"', '\"writers\"')",
    ],
    ids=["a mark", "a state", "a choice", "another key"],
)
def test_what_a_later_version_wrote_is_no_bug_of_this_one(file, journal, later):
    """Nothing is guessed: the version that knows it is asked for."""
    with closing(file.connect()) as connection:
        connection.execute(later)

    with pytest.raises(PlanChangedError, match=f"something of {journal.run} .*; stsfix 0 began"):
        file.read(journal.run)
