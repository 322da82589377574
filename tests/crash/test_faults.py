"""Every remote call of a run, a rollback and a release goes wrong once; nothing stays half done.

The calls are those of the tables of moments, from a step at a time (docs/adr/0015). By default a
part is played of one case of each kind of call; ``STSFIX_MATRIX=all`` plays all,
``STSFIX_MATRIX=3/8`` the third eighth.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fault_bench import FaultBench
from fault_trial import Trial
from killable import QUICKER
from matrix import VARIABLE, part
from moment_labs import RecordedLabs
from moments import read_table
from wrong_calls import representative, wrong_calls

if TYPE_CHECKING:
    from pathlib import Path

    from moment_labs import MomentLab
    from stsfix.lab.lab import Lab
    from wrong_calls import WrongCall

pytestmark = [
    pytest.mark.crash,
    pytest.mark.lab,
    pytest.mark.timeout(300),
    pytest.mark.may_miss("who looks again until something is so may look less often"),
    pytest.mark.reliability("faults"),
]

EVERY = {"elm": 2, "external-psc": 3, "ssh": 1, "vami": 0, "renewal": 0}
"""The labs; of the cases that represent one ``make test`` plays each of so many, for the sake of
its 15 minutes. Over VAMI each
refused service is waited for until its limit; renewals are refused in e2e/test_renewal.py.
"""

AS_ELSEWHERE = {"renewal": {"restart-services", "rollback"}}
"""Segments of a lab whose calls are those of another lab, too."""


def _cases(lab: str) -> list[WrongCall]:
    table = read_table(lab)
    found = [
        case for case in wrong_calls(table) if case.moment.segment not in AS_ELSEWHERE.get(lab, ())
    ]
    if os.environ.get(VARIABLE):
        return part(found, every=1)
    return representative(found)[:: EVERY[lab]] if EVERY[lab] else []


CASES = [pytest.param(lab, case, id=f"{lab} {case}") for lab in EVERY for case in _cases(lab)]


def disturbed(lab: Lab, folder: Path, ours: MomentLab) -> FaultBench:
    """Return the bench in which calls go wrong."""
    services_s = 15 if len(ours.protocols) == 1 else 5
    return FaultBench(lab, folder, services_s=services_s, wish=ours.wish)


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """The labs, each made when the first of its tests asks for it."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in QUICKER:
            patch.setattr(module, name, value)
        with RecordedLabs(lambda: tmp_path_factory.mktemp("lab"), disturbed) as found:
            yield found


@pytest.mark.parametrize(("lab", "case"), CASES)
def test_a_call_that_goes_wrong_leaves_nothing_half_done(labs, lab, case, record_property):
    """The next command ends like an undisturbed one, and a rollback where the run began."""
    trial = Trial(labs[lab], case)

    found = trial.play()

    record_property("faults", {f"{case.moment.protocol} {case.kind}: {trial.outcome}": 1})
    assert found == []
