"""Checkpoint, probe, written configuration and control channel of a lab."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from lab_clients import TENANT, add_pair, eventually, ldap, new_material
from lab_keys import shared_keys
from stsfix.lab import control, judge
from stsfix.lab.faults import Rule
from stsfix.lab.lab import Lab
from stsfix.lab.probe import CredentialProbe

pytestmark = pytest.mark.lab

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"


@pytest.fixture
def lab():
    """Two linked nodes with an expired STS."""
    with Lab.build("elm", "expired", speed=400, keys=shared_keys()) as running:
        yield running


@pytest.mark.may_miss("a restored lab has no faults")
def test_a_restored_lab_is_the_saved_one(lab):
    """Power, directories, snapshots and other people's VMs come back, twice over."""
    entries, foreign = judge.all_sts_entries(lab), judge.foreign_state(lab)
    names = judge.snapshots(lab)
    saved = lab.checkpoint()

    for _ in range(2):
        with ldap(lab, VC1) as connection:
            add_pair(connection, 2, new_material())
        lab.set_power(VC2, "cut")
        lab.machines[VC1].take_snapshot("x", "", now=lab.clock.now(), memory=False, quiesce=False)
        lab.hosts["esx1.lab.example"].vm("web01").remove_all_snapshots()
        lab.faults.add(Rule(protocol="ldap", call="*", times=99))
        assert judge.foreign_state(lab) != foreign
        lab.restore(saved)

        assert judge.power(lab) == {VC1: "poweredOn", VC2: "poweredOn"}
        assert judge.all_sts_entries(lab) == entries
        assert judge.snapshots(lab) == names
        assert judge.foreign_state(lab) == foreign
        with ldap(lab, VC2) as connection:
            assert connection.bound


def test_a_checkpoint_of_a_stopped_node_keeps_it_off(lab):
    """A node that was off when the lab was saved is off afterwards."""
    lab.set_power(VC2, "cut")
    saved = lab.checkpoint()
    lab.set_power(VC2, "on")

    lab.restore(saved)

    assert judge.power(lab) == {VC1: "poweredOn", VC2: "poweredOff"}


def test_the_probe_sees_a_gap_of_delete_then_add(lab):
    """FixSTS' order leaves a moment without a credential; the probe names node and reason."""
    with CredentialProbe(lab) as probe, ldap(lab, VC1) as connection:
        connection.delete(f"cn=TenantCredential-1,{TENANT}")
        time.sleep(0.05)
        add_pair(connection, 2, new_material())
        assert eventually(lambda: judge.out_of_sync(lab) == [])

    assert probe.samples > 5
    assert any(f"{VC1}: there is no TenantCredential" in line for line in probe.violations)


def test_the_probe_is_content_with_add_before_delete(lab):
    """Chain, credential, then the old pair: at no sample the domain could not sign."""
    with CredentialProbe(lab) as probe, ldap(lab, VC1) as connection:
        add_pair(connection, 2, new_material())
        assert eventually(lambda: judge.out_of_sync(lab) == [])
        connection.delete(f"cn=TenantCredential-1,{TENANT}")
        connection.delete(f"cn=TrustedCertChain-1,cn=TrustedCertificateChains,{TENANT}")
        assert eventually(lambda: judge.out_of_sync(lab) == [])

    assert probe.violations == []
    assert probe.samples > 5


def test_the_probe_sees_a_credential_without_its_trusted_chain(lab):
    """A credential written before its chain is a moment in which tokens are not trusted."""
    material = new_material()
    with CredentialProbe(lab) as probe, ldap(lab, VC1) as connection:
        connection.add(
            f"cn=TenantCredential-2,{TENANT}",
            "vmwSTSTenantCredential",
            {
                "cn": "TenantCredential-2",
                "userCertificate": list(material.chain),
                "vmwSTSPrivateKey": [material.key],
            },
        )
        assert eventually(lambda: bool(probe.violations))

    assert "no trusted chain begins with the signing certificate" in probe.violations[0]


def test_written_files_are_complete_and_private(lab, tmp_path):
    """domain.toml names every host and node; only its owner can read the passwords."""
    path = lab.write_config(tmp_path)
    config = tomllib.loads(path.read_text(encoding="utf-8"))
    secrets = tomllib.loads((tmp_path / "secrets.toml").read_text(encoding="utf-8"))

    assert [host["host"] for host in config["esxi"]] == list(lab.hosts)
    assert config["esxi"][0]["tls"].startswith("sha256:")
    assert config["nodes"][VC2]["ports"]["ldaps"] == lab.network.ports[VC2].ldaps
    assert config["timeouts"]["poll"] == 0.05
    assert secrets["sso"] == lab.passwords.sso
    assert secrets["nodes"] == lab.passwords.nodes
    assert secrets["esxi"] == lab.passwords.hosts
    assert stat.S_IMODE((tmp_path / "secrets.toml").stat().st_mode) == 0o600
    assert not any(password in path.read_text() for password in lab.passwords.everything())


def test_every_lab_has_ports_of_its_own(lab):
    """A second lab at the same time uses no port of the first."""
    other = Lab.build("elm", "expired", keys=shared_keys())

    def ports(of):
        nodes = [n for p in of.network.ports.values() for n in (p.https, p.ldaps, p.ldap, p.vami)]
        return {*nodes, *(host.port for host in of.hosts.values())}

    try:
        assert len(ports(lab)) == 11
        assert not ports(lab) & ports(other)
    finally:
        other.stop()


@pytest.mark.parametrize("folder", ["short", "long" * 40])
def test_a_lab_in_the_foreground_is_controlled_over_its_socket(tmp_path, folder):
    """Ready line, status, faults, power and quit work; a second lab there is refused."""
    place = tmp_path / folder
    command = [sys.executable, "-m", "stsfix.lab", "--dir", str(place), "--speed", "400"]
    command += ["--topology", "embedded", "--scenario", "healthy"]
    environment = os.environ | {"PYTHONPATH": str(Path(".dev").absolute())}

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        status = control.request(place, "status")
        rule = {"protocol": "guest", "call": "start_program", "effect": "refuse", "when": "before"}
        answers = [
            control.request(place, "faults-add", rule=rule),
            control.request(place, "faults-clear"),
            control.request(place, "power", node=VC1, state="cut"),
            control.request(place, "power", node=VC1, state="cut"),
            control.request(place, "nonsense"),
        ]
        judged = control.request(place, "judge")
        second = subprocess.run(command, capture_output=True, env=environment, check=False)
        log = (place / "lab.log").read_text(encoding="utf-8")
        secrets = tomllib.loads((place / "secrets.toml").read_text(encoding="utf-8"))
        control.request(place, "quit")
        code = process.wait(20)

    assert ready.startswith("ready: embedded, healthy, ")
    assert status["pid"] == process.pid
    assert status["nodes"][VC1]["stopped"] == []
    assert [answer["ok"] for answer in answers] == [True, True, True, False, False]
    assert judged["power"] == {VC1: "poweredOff"}
    assert second.returncode == 3
    assert code == 0
    for password in (secrets["sso"], *secrets["esxi"].values(), *secrets["nodes"].values()):
        assert password not in log
    assert not control.is_alive(place)
    assert not (place / "lab.json").exists()


def test_a_dead_labs_file_does_not_keep_a_new_one_out(tmp_path):
    """A lab.json that nobody answers for counts as no lab."""
    (tmp_path / "lab.json").write_text(json.dumps({"pid": 1, "control": "/nonexistent/x"}))

    assert not control.is_alive(tmp_path)
    with pytest.raises(control.LabNotRunningError):
        control.request(tmp_path, "status")
