"""Nodes of a lab boot, stop and keep what is on their disks, as appliances do."""

from __future__ import annotations

import time

import pytest
from pyVmomi import vim

from lab_clients import (
    TENANT,
    add_pair,
    esxi,
    eventually,
    ldap,
    leaf_sha256,
    new_material,
    shut_down_all,
)
from lab_keys import shared_keys
from stsfix.lab import judge
from stsfix.lab.faults import Rule
from stsfix.lab.lab import Lab
from stsfix.lab.seams import GuestRefusedError
from stsfix.lab.services import State

pytestmark = pytest.mark.lab

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
SVCS = "vmware-vpxd-svcs"
VCENTER_SERVICES = ["vmware-vpxd-svcs", "vmware-vpxd", "vmware-vapi-endpoint", "vsphere-ui"]


@pytest.fixture
def lab():
    """Two linked nodes with an expired STS."""
    with Lab.build("elm", "expired", speed=400, keys=shared_keys()) as running:
        yield running


@pytest.fixture
def healthy():
    """One node where nothing is wrong."""
    with Lab.build("embedded", "healthy", speed=400, keys=shared_keys()) as running:
        yield running


def sh(lab, node, script):
    """Run *script* in a guest as root and return exit code and output."""
    guest, password = lab.nodes[node], lab.passwords.nodes[node]
    login = ("root", password)
    guest.write_file(*login, "/tmp/t.sh", script.encode(), 0o600)
    pid = guest.start_program(
        *login, "/bin/bash", "/tmp/t.sh > /tmp/t.out 2>&1; echo $? > /tmp/t.rc"
    )
    assert eventually(lambda: guest.list_programs(*login, [pid])[0].ended is not None)
    return int(guest.read_file(*login, "/tmp/t.rc")), guest.read_file(*login, "/tmp/t.out").decode()


def test_services_start_in_their_order(healthy):
    """The directory comes before the STS, the STS before vCenter."""
    started = healthy.nodes[VC1].board.started_log

    assert started[:6] == ["lwsmd", "vmafdd", "vmdird", "vmcad", "vmware-stsd", "vmdnsd"]
    assert started[-4:] == VCENTER_SERVICES
    assert judge.login_refusal(healthy, VC1) is None


def test_an_expired_sts_keeps_vcenter_down(lab):
    """Vpxd and what needs it stay stopped on every node; the directory and the STS run."""
    for node in (VC1, VC2):
        board = lab.nodes[node].board
        refusal = judge.token_refusal(lab, node)

        assert board.missing() == VCENTER_SERVICES
        assert board.state("vmware-stsd") is State.RUNNING
        assert refusal is not None
        assert "Signing certificate is not valid" in refusal
        assert judge.login_refusal(lab, node) == f"vpxd of {node} does not run"


def test_start_all_fails_in_the_fields_words_while_expired(lab):
    """service-control run through guest operations names the services that failed."""
    code, output = sh(lab, VC1, "service-control --start --all")

    assert code == 1
    assert "RC=4, stderr=Failed to start vpxd-svcs, vpxd, vapi-endpoint, vsphere-ui" in output


def test_a_new_credential_and_a_restart_bring_logins_back(lab):
    """Chain and credential added on one node reach both; a restart of all starts vCenter."""
    material = new_material()

    with ldap(lab, VC1) as connection:
        add_pair(connection, 2, material)
    in_sync = eventually(lambda: judge.out_of_sync(lab) == [])
    results = [
        sh(lab, n, "service-control --stop --all && service-control --start --all")
        for n in (VC1, VC2)
    ]

    assert in_sync
    assert [code for code, _ in results] == [0, 0]
    for node in (VC1, VC2):
        assert judge.signing_leaf(lab, node) == leaf_sha256(material)
        assert judge.login_refusal(lab, node) is None


def test_shutdown_is_orderly_and_takes_its_time(healthy):
    """The VM is off after about 90 field seconds, with every service stopped before."""
    began = time.monotonic()

    off = shut_down_all(healthy)

    assert off
    assert (time.monotonic() - began) * healthy.clock.speed > 60
    assert healthy.machines[VC1].clean_power_off
    assert healthy.nodes[VC1].hostname == ""
    with pytest.raises(GuestRefusedError, match="GuestOperationsUnavailable"):
        healthy.nodes[VC1].read_file("root", healthy.passwords.nodes[VC1], "/etc/issue")


def test_a_power_cut_during_boot_leaves_nothing_running(healthy):
    """Power cut in the middle of a boot ends it, and the next boot completes."""
    healthy.set_power(VC1, "cut")
    healthy.set_power(VC1, "on")
    time.sleep(0.15)
    healthy.set_power(VC1, "cut")
    off = healthy.nodes[VC1].board
    healthy.set_power(VC1, "on")
    healthy.wait_settled()

    assert off is None
    assert judge.login_refusal(healthy, VC1) is None


def test_a_revert_of_all_nodes_restores_every_directory(lab):
    """After snapshots, a change and a revert of all, entries are byte-equal and in sync."""
    before = judge.all_sts_entries(lab)
    assert shut_down_all(lab)
    taken = {
        n: vm.take_snapshot("run", "", now=lab.clock.now(), memory=False, quiesce=False)
        for n, vm in lab.machines.items()
    }
    lab.start()
    with ldap(lab, VC1) as connection:
        add_pair(connection, 2, new_material())
        connection.delete(f"cn=TenantCredential-1,{TENANT}")
    assert eventually(lambda: judge.out_of_sync(lab) == [])
    changed = judge.all_sts_entries(lab)

    for node, vm in lab.machines.items():
        vm.revert(taken[node], suppress_power_on=True)
    lab.start()

    assert changed != before
    assert judge.all_sts_entries(lab) == before
    assert judge.out_of_sync(lab) == []


def test_a_revert_of_one_node_alone_breaks_replication(lab):
    """The reverted node misses what its partner has, and the partner is ahead of it."""
    assert shut_down_all(lab)
    vm = lab.machines[VC1]
    taken = vm.take_snapshot("run", "", now=lab.clock.now(), memory=False, quiesce=False)
    lab.start()
    with ldap(lab, VC1) as connection:
        add_pair(connection, 2, new_material())
    assert eventually(lambda: judge.out_of_sync(lab) == [])

    vm.revert(taken, suppress_power_on=True)
    lab.start()
    time.sleep(0.5)
    found = judge.out_of_sync(lab)

    assert any(f"missing on {VC1}" in line and "tenantcredential-2" in line for line in found)
    assert any(f"{VC2} has seen {VC1} up to" in line for line in found)


def test_awkward_passwords_work_for_other_peoples_clients(lab):
    """PyVmomi logs in to every host, and into a guest, with every special character."""
    for name in lab.hosts:
        with esxi(lab, name) as content:
            assert content.about.apiType == "HostAgent"
    with esxi(lab, "esx1.lab.example") as content:
        manager = content.guestOperationsManager
        vm = content.searchIndex.FindByUuid(None, lab.machines[VC1].instance_uuid, True, True)
        login = vim.vm.guest.NamePasswordAuthentication(
            username="root", password=lab.passwords.nodes[VC1], interactiveSession=False
        )
        spec = vim.vm.guest.ProcessManager.ProgramSpec(
            programPath="/bin/bash", arguments="-c 'hostname > /tmp/h'"
        )
        pid = manager.processManager.StartProgramInGuest(vm, login, spec)

    assert pid > 0
    assert eventually(lambda: _content(lab, "/tmp/h") == b"vc1.lab.example\n")
    for line in lab.nodes[VC1].argv_log.lines:
        assert not any(password in line for password in lab.passwords.everything())


def _content(lab, path):
    found = lab.nodes[VC1].disk.files.get(path)
    return found.content if found else b""


def test_a_vcenter_waits_for_its_external_psc():
    """All nodes powered on at once: vCenters start when the STS of their PSC does."""
    with Lab.build("external-psc", "healthy", speed=400, keys=shared_keys()) as lab:
        refusals = {n: judge.login_refusal(lab, n) for n in (VC1, VC2)}
        roles = {n: sh(lab, n, "cat /etc/vmware/deployment.node.type")[1] for n in lab.nodes}

    assert refusals == {VC1: None, VC2: None}
    assert roles == {
        "psc1.lab.example": "infrastructure\n",
        "psc2.lab.example": "infrastructure\n",
        VC1: "management\n",
        VC2: "management\n",
    }


def test_a_vcenter_starts_when_its_psc_comes_back():
    """A vCenter powered on before its PSC waits for the STS; shut down instead, it stops."""
    psc = "psc1.lab.example"
    with Lab.build("external-psc", "healthy", speed=400, keys=shared_keys()) as lab:
        for node in (psc, VC1):
            lab.set_power(node, "cut")
        lab.set_power(VC1, "on")
        board = lab.nodes[VC1].board
        assert board is not None
        waits = eventually(lambda: board.state(SVCS) is State.START_PENDING)
        lab.set_power(VC1, "off")
        stopped = eventually(lambda: lab.machines[VC1].power == "poweredOff", 1.4)
        lab.set_power(VC1, "on")
        time.sleep(0.3)
        lab.set_power(psc, "on")
        lab.wait_settled()
        refusal = judge.login_refusal(lab, VC1)

    assert waits
    assert stopped
    assert refusal is None


def test_a_refused_shutdown_leaves_the_node_running(healthy):
    """A guest that ignores the request stays up until its power is cut."""
    healthy.faults.add(Rule(protocol="guest", call="shut_down"))

    healthy.set_power(VC1, "off")
    time.sleep(0.3)
    ignored = judge.power(healthy)[VC1]
    healthy.machines[VC1].power_off()

    assert ignored == "poweredOn"
