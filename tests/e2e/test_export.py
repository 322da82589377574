"""A snapshot is deleted by somebody: the STS entries come back from the run's own export."""

from __future__ import annotations

import pytest

from stsfix.lab import judge

pytestmark = [pytest.mark.e2e, pytest.mark.lab, pytest.mark.reliability("adoption")]


WRITTEN = ("cn", "userCertificate", "vmwSTSPrivateKey")
"""What a client writes besides the class; the server makes all other attributes."""


def of_the_sts(lab):
    """Return what was written into every STS entry of every directory."""
    return {
        (node, dn): {name: entry.get(name) for name in WRITTEN}
        for node, found in judge.all_sts_entries(lab).items()
        for dn, entry in found.items()
    }


def test_entries_come_back_after_a_snapshot_was_deleted(bench):
    """Rollback refuses, names the export; it puts every directory back byte by byte."""
    before = of_the_sts(bench.lab)
    run = bench.stsfix.run("run", "--yes")
    name = bench.stsfix.run("runs", "--json").json()["runs"][0]["run"]
    bench.delete_snapshot("vc2.lab.example", name)

    rollback = bench.stsfix.run("rollback", "--yes")
    shown = bench.stsfix.run("export", "show", name)
    document = bench.stsfix.run("export", "show", "--json").json()["export"]
    restored = bench.stsfix.run("export", "restore", "--yes")
    status = bench.stsfix.run("status")

    assert (run.code, rollback.code, restored.code) == (0, 14, 0)
    assert f"stsfix export restore {name}" in rollback.err
    assert "TenantCredential-1: expired, key belongs to it" in shown.out
    assert set(document["nodes"]) == {"vc1.lab.example", "vc2.lab.example"}
    assert of_the_sts(bench.lab) == before
    assert "restored:" in status.out
    assert set(judge.power(bench.lab).values()) == {"poweredOn"}


def test_what_is_left_is_released_afterwards(bench):
    """A run that was restored is closed by release; nothing of it is left on any VM."""
    bench.stsfix.run("run", "--yes")
    name = bench.stsfix.run("runs", "--json").json()["runs"][0]["run"]
    bench.delete_snapshot("vc1.lab.example", name)
    bench.stsfix.run("rollback", "--yes")
    bench.stsfix.run("export", "restore", "--yes")

    release = bench.stsfix.run("release", "--yes")

    assert release.code == 0
    assert all(not names for names in judge.node_snapshots(bench.lab).values())
    assert bench.stsfix.run("runs", "--json").json()["runs"][0]["phase"] == "released"


def test_another_password_opens_nothing(bench):
    """The passphrase is the password of that day; no other one shows a byte."""
    bench.stsfix.run("run", "--yes")
    bench.stsfix.environment["STSFIX_SECRET_EXPORT"] = "another one"

    shown = bench.stsfix.run("export", "show")

    del bench.stsfix.environment["STSFIX_SECRET_EXPORT"]
    assert shown.code == 6
    assert "passphrase is wrong" in shown.err
    assert "another one" not in shown.err + shown.out


def test_a_run_that_wrote_nothing_has_nothing_to_put_back(bench):
    """Without a run, or before its export, it says so."""
    assert bench.stsfix.run("export", "show").code == 22
    assert bench.stsfix.run("export", "restore", "--yes").code == 22
