"""A process that dies while a key is on a node: the next attempt leaves nothing of it there.

The nodes are of a release whose certool takes no request, so that the key has to be there for a
moment. Everything else that may die while VMCA signs is in test_sigkill.py (with requests) and
test_faults.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from killable import KILLED, Death
from lab_keys import shared_keys
from run_judge import stored_run
from saved_lab import DeathBench
from stsfix.lab import judge
from stsfix.lab.lab import Lab
from stsfix.remediation.records import Phase

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("deaths")]

WRITER = "psc1.lab.example"
KEY = "/root/.stsfix-vmca/key.pem"
DEATH = Death(after_put=True)


def key_of(bench):
    """Return the key file on the writer, None if there is none."""
    return bench.lab.nodes[WRITER].disk.files.get(KEY)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One lab for the whole module."""
    with Lab.build("external-psc", "expired", speed=2000.0, seed=3, keys=shared_keys()) as lab:
        yield DeathBench(lab, tmp_path_factory.mktemp("lab"))


@pytest.fixture
def died(bench, tmp_path):
    """The state folder of a run that died with its key on the writer."""
    bench.restore()
    code = bench.command(bench.config, tmp_path, "run", DEATH)
    assert code == KILLED
    assert key_of(bench) is not None
    assert b"PRIVATE KEY" in key_of(bench).content
    assert key_of(bench).mode == 0o600
    return tmp_path


def test_resume_leaves_no_key(bench, died):
    """The next attempt makes another key, repairs, and nothing of either is left."""
    first = key_of(bench).content

    code = bench.command(bench.config, died, "resume")

    found = bench.judge.after_run(died)
    assert code == 0
    assert found["phase"] is Phase.REPAIRED
    assert found["keys"] == []
    assert [line for line in judge.leftovers(bench.lab) if "/tmp/" not in line] == []
    assert first not in b"".join(f.content for f in bench.lab.nodes[WRITER].disk.files.values())
    assert stored_run(died).spec.issuer == "vmca"


def test_dying_again_and_again_leaves_no_key(bench, died):
    """Each attempt removes what the one before left, its own at last."""
    first = b"PRIVATE KEY of the first attempt"
    files = bench.lab.nodes[WRITER].disk.files
    files[KEY] = replace(files[KEY], content=first)
    again = bench.command(bench.config, died, "resume", DEATH)
    second = key_of(bench).content

    code = bench.command(bench.config, died, "resume")

    assert (again, code) == (KILLED, 0)
    assert first != second
    assert bench.judge.after_run(died)["keys"] == []


def test_rollback_leaves_no_key(bench, died):
    """The disk is as before the run, and nobody who reads it finds a key."""
    code = bench.command(bench.config, died, "rollback")

    assert code == 0
    assert "keys" not in bench.judge.after_rollback(died)
    assert key_of(bench) is None
