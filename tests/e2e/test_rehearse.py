"""The rehearsal tells the truth: every claim holds on a sound lab, and a broken one is not true."""

from __future__ import annotations

import os

import pytest

from stsfix_command import Command

pytestmark = [pytest.mark.e2e, pytest.mark.lab]

ALL = os.environ.get("STSFIX_MATRIX") == "all"
SCENARIOS = ["expired", "ssh-only", "vami-only", *(["by-hand"] if ALL else [])]
"""A person's part is played in tests/lab/test_by_hand.py, too; all of it by `make test-all`."""

FAST = ("--topology", "embedded", "--speed", "2000")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_rehearsal_proves_every_claim(tmp_path, scenario):
    """Exit 0, every claim with its evidence, and both runs were watched, over any transport."""
    ended = Command(tmp_path).run("rehearse", "--json", "-q", "--scenario", scenario, *FAST)

    document = ended.json()
    assert ended.code == 0
    assert document["held"] is True
    assert all(claim["held"] and claim["evidence"] for claim in document["claims"])
    assert len(document["claims"]) > 20
    assert "NOT TRUE" not in ended.err


def test_a_rehearsal_that_fails_says_so(tmp_path):
    """A lab whose certificate is sound refuses nobody: exit 1 and NOT TRUE."""
    ended = Command(tmp_path).run("rehearse", "-q", "--scenario", "healthy", *FAST)

    assert ended.code == 1
    assert "NOT TRUE  every STS refuses: Signing certificate is not valid" in ended.out
    assert "claims held" in ended.out.splitlines()[-1]
    assert ended.out.splitlines()[-1].startswith("NOT TRUE")
