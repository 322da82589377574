"""Whether all directories went back is told by themselves, not only by their VMs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from credential_bench import VC1, VC2, Bench
from memory_exports import MemoryExports
from memory_hypervisor import MemoryClock
from stsfix.plugin.diagnostics import RunContext, explain
from stsfix.plugin.errors import SecretError
from stsfix.remediation.errors_run import DirectoriesApartError, UndoFailedError
from stsfix.remediation.records import NOT_PROVEN
from stsfix.remediation.steps.export import ExportSts
from stsfix.remediation.steps.reversion import prove_reverted


class Reverting(Bench):
    """Two directories whose entries were exported, then written and in agreement."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.context = replace(
            self.context, hook=lambda event: self.told.append(f"{event.subject} {event.text}")
        )
        ExportSts(self.context).do({}, self.note)
        self.before = {name: self.domain.save(name) for name in (VC1, VC2)}
        self.replace()
        self.domain.replicate()
        self.told.clear()


class Starting(MemoryClock):
    """A clock on which a directory comes up after some pauses."""

    def __init__(self, down: set[str], pauses: int) -> None:
        super().__init__()
        self._down = down
        self._left = pauses

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._left -= 1
        if self._left == 0:
            self._down.clear()


@pytest.fixture
def bench():
    """A run that wrote."""
    return Reverting()


def prove(bench):
    """Look, and return what was noted."""
    noted: dict[str, str] = {}
    prove_reverted(bench.context, "quiesce", noted.__setitem__)
    return noted


def test_directories_that_all_went_back_are_said_to_be_as_before(bench):
    """Nothing is noted: an undisturbed rollback has no more records."""
    for saved in bench.before.values():
        bench.domain.restore(saved)

    assert prove(bench) == {}
    assert bench.told == [" every directory is as before the run"]


def test_a_node_that_went_back_alone_is_named_by_its_partner_and_its_entries(bench):
    """The partner has seen changes that the node does not have, and holds the new entries."""
    bench.domain.restore(bench.before[VC1])

    with pytest.raises(DirectoriesApartError) as caught:
        prove(bench)

    ahead, entries = caught.value.reasons
    assert ahead.startswith(f"{VC2} has seen ")
    assert ahead.endswith(f"changes of {VC1} that {VC1} does not have")
    assert entries == f"the STS entries of {VC2} are not those of before the run"


def test_without_the_export_the_nodes_are_compared_with_the_writer(bench):
    """A run that was adopted has its export on another workstation."""
    bench.context.exports.saved.clear()
    bench.domain.restore(bench.before[VC2])

    with pytest.raises(DirectoriesApartError) as caught:
        prove(bench)

    assert caught.value.reasons == (f"the STS entries of {VC2} are not those of before the run",)


class Locked(MemoryExports):
    """Exports that another operator's passphrase opens."""

    def load(self, run):
        raise SecretError("the passphrase", "nobody gave it")


@pytest.mark.parametrize("exports", [MemoryExports(), Locked()], ids=["elsewhere", "locked"])
def test_without_the_export_no_more_is_said_than_was_seen(bench, exports):
    """That the nodes agree does not show that they went back; the rollback ends all the same."""
    bench.context = replace(bench.context, exports=exports)

    noted = prove(bench)

    assert noted[NOT_PROVEN].startswith("compared with each other only: ")
    assert not any("as before the run" in line for line in bench.told)


def test_a_directory_that_cannot_be_read_proves_nothing_and_fails_nothing(bench):
    """What is not known is noted, so that the status tells it."""
    bench.domain.down.add(VC2)

    noted = prove(bench)

    assert VC2 in noted[NOT_PROVEN]
    assert any("not proven that every directory went back" in line for line in bench.told)


def test_a_password_that_was_changed_since_the_snapshots_goes_to_one_node_only(bench):
    """The revert brought the old one back: sent to every node, the new one may lock the account."""
    bench.domain.password = "before the run"

    noted = prove(bench)

    asked = {node for (node, call), _ in bench.domain.calls.items() if "replication" in call}
    assert asked == {VC1}
    assert f"the directory of {VC1} refused the login" in noted[NOT_PROVEN]


def test_a_directory_that_is_not_up_yet_is_waited_for(bench):
    """Its server may need a moment after it answered first."""
    for saved in bench.before.values():
        bench.domain.restore(saved)
    bench.domain.down.add(VC2)
    clock = Starting(bench.domain.down, pauses=3)
    bench.context = replace(bench.context, clock=clock)

    assert prove(bench) == {}


def test_the_operator_is_told_to_shut_down_and_that_all_are_on():
    """The step's failure hides neither the state nor the next action."""
    cause = DirectoriesApartError("stsfix-1", ["vc2 has seen more"])
    error = UndoFailedError("quiesce", str(cause))
    error.__cause__ = cause

    told = explain(error, RunContext(run="stsfix-1", phase="rolling-back"))

    assert "vc2 has seen more" in told.what_happened
    assert told.state.startswith("Every VM was reverted and powered on")
    assert told.next_actions[0].startswith("Shut every node down now")
    assert any("stsfix rollback stsfix-1" in action for action in told.next_actions)
