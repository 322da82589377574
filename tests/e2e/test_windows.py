"""Domains with nodes on Windows, as an operator meets them."""

from __future__ import annotations

import pytest

from stsfix.lab import judge
from stsfix.lab.faults import Rule
from stsfix_command import Command

pytestmark = [pytest.mark.e2e, pytest.mark.lab]

VC1 = "vc1.lab.example"


@pytest.mark.timeout(400)
def test_a_rehearsal_with_windows_nodes_proves_every_claim(tmp_path):
    """A PSC and a vCenter on Windows beside appliances: repaired, taken back, repaired again."""
    words = ("--scenario", "windows-vcenter", "--topology", "external-psc", "--speed", "2000")

    ended = Command(tmp_path).run("rehearse", "--json", "-q", *words, limit_s=300)

    document = ended.json()
    assert ended.code == 0
    assert all(claim["held"] and claim["evidence"] for claim in document["claims"])


@pytest.mark.parametrize(
    ("scenario", "finding", "words"),
    [
        ("windows-uac", "WIN-UAC", "built-in account Administrator"),
        ("windows-root", "WIN-SETTINGS", "an administrator of Windows"),
        ("windows-external-database", "WIN-EXTERNAL-DB", "restore that backup"),
    ],
)
def test_what_forbids_a_run_is_named_with_its_remedy(bench_of, scenario, finding, words):
    """Exit 2 from preflight and from run; nothing was changed, no wrong password was sent."""
    bench = bench_of(scenario, "embedded")

    looked = bench.stsfix.run("preflight", "--json")
    refused = bench.stsfix.run("run", "--yes")

    found = {f["id"]: f for f in looked.json()["findings"] if f["severity"] == "blocks"}
    assert (looked.code, refused.code) == (2, 2)
    assert words in found[finding]["advice"]
    assert bench.lab.nodes[VC1].disk.failed_logins == 0
    assert judge.leftovers(bench.lab) == []
    bench.assert_untouched()


@pytest.mark.timeout(300)
def test_a_rollback_says_which_database_it_leaves(bench_of):
    """Also an automatic one; and no output ever holds the database's password."""
    bench = bench_of("windows-external-database", "embedded")
    bench.lab.faults.add(Rule(protocol="ldap", call="DELETE", times=1000))
    accepted = ("--yes", "--accept", "WIN-EXTERNAL-DB")

    ended = bench.stsfix.run("run", *accepted, "--on-failure", "rollback")
    status = bench.stsfix.run("status", "--json")

    setup = bench.lab.nodes[VC1].disk.windows
    assert setup is not None
    assert ended.code == 46
    assert f"the database of {VC1} is elsewhere" in " ".join(ended.out.split())
    assert status.json()["run"]["phase"] == "rolled-back"
    assert status.json()["run"]["nodes"][0]["external_database"] is True
    assert setup.database_password not in ended.out + ended.err + status.out
    assert judge.leftovers(bench.lab) == []


def test_a_domain_of_windows_nodes_has_no_vmca_to_ask(bench_of):
    """Whoever configures it is told before anything is changed."""
    bench = bench_of("windows-node", "embedded")
    text = bench.config.read_text(encoding="utf-8")
    asked = text.replace("[timeouts]", '[sts]\nissuer = "vmca"\n\n[timeouts]')
    bench.config.write_text(asked, encoding="utf-8")

    refused = bench.stsfix.run("run", "--yes")

    assert refused.code != 0
    assert "VMCA-UNREAD" in refused.out
    assert "stsfix does not ask VMware's certificate tools there" in " ".join(refused.out.split())
    bench.assert_untouched()
