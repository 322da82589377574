"""What a run of the state folder may be asked in each of its phases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from stsfix.plugin.run_guards import RunGuards
from stsfix.remediation.errors_run import RunStateError
from stsfix.remediation.records import Mark, MarkRecord, Phase

if TYPE_CHECKING:
    from stsfix.remediation.journal import JournalFile

RUN = "stsfix-20260101T000000Z-aaaa"
ALLOWED = {
    "require_resumable": {Phase.OPEN, Phase.STOPPED, Phase.REPAIRED, Phase.ROLLING_BACK},
    "require_releasable": {
        Phase.REPAIRED,
        Phase.ROLLED_BACK,
        Phase.RESTORED,
        Phase.RELEASING,
        Phase.RELEASED,
    },
    "require_restorable": {
        Phase.OPEN,
        Phase.STOPPED,
        Phase.REPAIRED,
        Phase.ROLLING_BACK,
        Phase.RESTORING,
        Phase.RESTORED,
        Phase.RELEASED,
    },
}
"""What may be asked, and when; in every other phase it is refused."""


def guards(phase, *records):
    """Return the guards of a state folder whose one run is in *phase*."""
    stored = SimpleNamespace(phase=phase, records=records)
    return RunGuards(cast("JournalFile", SimpleNamespace(read=lambda _: stored)))


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("question", ALLOWED)
def test_what_a_run_is_decides_what_it_may_be_asked(question, phase):
    """The refusal names the run and what it is."""
    asked = getattr(guards(phase), question)

    if phase in ALLOWED[question]:
        asked(RUN)
        return
    with pytest.raises(RunStateError, match=f"{RUN}.*{phase}"):
        asked(RUN)


def test_an_adopted_run_is_released_once_its_nodes_were_seen():
    """That they are on stands for what its journal does not know."""
    adopted = guards(Phase.ADOPTED)

    adopted.require_releasable(RUN, adopted=True)
    with pytest.raises(RunStateError):
        adopted.require_releasable(RUN)


@pytest.mark.parametrize("phase", Phase)
def test_there_is_a_way_back_until_a_release_begins(phase):
    """Also for a run that was restored while it was released: its snapshots are gone."""
    guards(phase).require_reversible(RUN)

    with pytest.raises(RunStateError, match="cannot be rolled back"):
        guards(phase, MarkRecord(mark=Mark.RELEASING)).require_reversible(RUN)
