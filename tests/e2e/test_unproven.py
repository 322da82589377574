"""A domain whose login policy forbids passwords is repaired, and ended without a proof."""

from __future__ import annotations

import pytest

from lab_bench import Bench, build

pytestmark = [pytest.mark.e2e, pytest.mark.lab]


def test_a_run_whose_proof_cannot_be_given_is_ended_by_the_operator(tmp_path):
    """Preflight warns, the run names the policy and keeps its snapshots, a plain release refuses,
    and `--unproven` ends it as what it is.
    """
    with build("smart-card-only", topology="embedded") as lab:
        stsfix = Bench(lab, tmp_path).stsfix

        looked = stsfix.run("preflight")
        ended = stsfix.run("run", "--yes", "--force", "--on-failure", "stop")
        refused = stsfix.run("release", "--yes")
        released = stsfix.run("release", "--yes", "--unproven")
        status = stsfix.run("status", "--json").json()["run"]

    assert (looked.code, "SSO-NO-PASSWORDS" in looked.out) == (1, True)
    assert ended.code == 51
    assert "a login policy forbids" in " ".join(ended.said.split())
    assert refused.code == 23
    assert released.code == 0
    assert "NOT PROVEN" in released.out
    assert (status["phase"], status["unproven"]) == ("released", True)
