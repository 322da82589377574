"""Every scenario builds and differs from a healthy lab in what its text says."""

from __future__ import annotations

import pytest

from lab_keys import shared_keys
from stsfix.lab import judge
from stsfix.lab.lab import Lab, UnknownPlanError
from stsfix.lab.passwords import AWKWARD, Seed
from stsfix.lab.probe import flaw
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.topology import HOSTS, TOPOLOGIES

pytestmark = pytest.mark.lab

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"


@pytest.fixture
def build():
    """Build labs that are not started, and give their ports back."""
    made = []

    def make(topology="elm", scenario="expired", **rest):
        made.append(Lab.build(topology, scenario, keys=shared_keys(), **rest))
        return made[-1]

    yield make
    for lab in made:
        lab.stop()


def credentials(lab, node=VC1):
    """Return the RDN values of credentials and chains."""
    names = [dn.partition(",")[0].removeprefix("cn=") for dn in judge.sts_entries(lab, node)]
    return sorted(n for n in names if n.startswith(("tenantcredential-", "trustedcertchain-")))


@pytest.mark.may_miss("the labs are only built")
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
@pytest.mark.parametrize("topology", sorted(set(TOPOLOGIES) - {"elm"}))
def test_every_scenario_builds_on_every_topology(build, topology, scenario):
    """Each node has a disk and a VM; every directory holds the scenario's credentials."""
    lab = build(topology, scenario)
    wanted = {plan.cn.lower() for plan in SCENARIOS[scenario].credentials}

    assert list(lab.machines) == [node.fqdn for node in TOPOLOGIES[topology].nodes]
    assert len(lab.hosts) == 3
    for node in lab.topology.controllers:
        found = set(credentials(lab, node.fqdn))
        assert wanted <= found


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("expired", ["tenantcredential-1", "trustedcertchain-1"]),
        (
            "gap-in-indexes",
            [
                "tenantcredential-1",
                "tenantcredential-3",
                "trustedcertchain-1",
                "trustedcertchain-3",
            ],
        ),
        (
            "malformed-index",
            ["tenantcredential-1", "tenantcredential-1-old", "trustedcertchain-1"],
        ),
        (
            "leafless-chain",
            [
                "tenantcredential-1",
                "trustedcertchain-1",
                "trustedcertchain-2",
                "trustedcertchain-5",
            ],
        ),
    ],
)
def test_entries_are_those_of_the_scenario(build, scenario, expected):
    """Both controllers hold the same entries, byte for byte."""
    lab = build("elm", scenario)

    assert credentials(lab, VC1) == credentials(lab, VC2) == expected
    assert judge.out_of_sync(lab) == []


def test_broken_replication_is_visible_before_anything_runs(build):
    """The first controller lacks what its partner has, and is behind its partner's mark."""
    found = judge.out_of_sync(build("elm", "replication-broken"))

    assert sum(f"is missing on {VC1}" in line for line in found) == 5
    assert any(line.startswith(f"{VC2} has seen {VC1} up to") for line in found)


def test_a_malformed_index_cannot_be_loaded(build):
    """The STS could not load the tenant: Integer.parseInt of 1-old fails."""
    lab = build("elm", "malformed-index")
    store = lab.nodes[VC1].disk.directory
    found = flaw(store, "vsphere.local")

    assert found is not None
    assert "NumberFormatException" in found


def test_special_vms_and_hosts_are_as_the_scenario_says(build):
    """Each special thing is there, on the first node or the first host only."""
    duplicate = build("elm", "duplicate-vm-name")
    independent = build("elm", "independent-disk")
    locked = build("elm", "host-lockdown")
    free = build("elm", "host-free-licence")
    full = build("elm", "datastore-full")
    skewed = build("elm", "clock-skew")
    bare = build("elm", "tools-missing")
    dvs = build("elm", "dvs-nics")

    assert [host for host, vm in duplicate.all_machines() if vm.name == "vc1"] == list(HOSTS[:2])
    assert [d.independent for d in independent.machines[VC1].disks] == [False, True]
    assert locked.hosts[HOSTS[0]].accounts.lockdown == "lockdownNormal"
    assert free.hosts[HOSTS[0]].edition == "esxBasic"
    datastore = full.hosts[HOSTS[0]].datastore("datastore1")
    assert datastore.free < datastore.snapshot_needs
    assert skewed.hosts[HOSTS[0]].clock_offset.total_seconds() == 900
    assert skewed.nodes[VC1].disk.clock_offset_s == 900
    assert not bare.machines[VC1].tools_installed
    assert all(vm.nics[0].dvs is not None for vm in dvs.machines.values())


def test_an_expired_machine_certificate_keeps_vcenter_down_although_the_sts_is_fine():
    """Nothing is wrong with the STS of the first node, and its vpxd does not start."""
    with Lab.build("elm", "machine-certificate-expired", speed=400, keys=shared_keys()) as lab:
        board = lab.nodes[VC1].board
        assert board is not None
        missing = board.missing()

    assert missing[0] == "vmware-vpxd-svcs"


def test_a_seed_repeats_names_identifiers_and_passwords(build):
    """Equal seeds give equal labs, other seeds others; keys are always new."""
    one, two, other = build(seed=7), build(seed=7), build(seed=8)

    def identity(lab):
        uuids = [(vm.name, vm.instance_uuid, vm.bios_uuid) for _, vm in lab.all_machines()]
        stores = [lab.nodes[n].disk.directory.identity for n in (VC1, VC2)]
        return lab.passwords, uuids, stores, [d.disk.machine_id for d in lab.nodes.values()]

    assert identity(one) == identity(two)
    assert identity(one) != identity(other)
    assert judge.sts_entries(one, VC1) != judge.sts_entries(two, VC1)


def test_passwords_hold_every_awkward_character():
    """Each password has all of them inside, and is never equal to the one before."""
    seed = Seed(3)
    found = [seed.password() for _ in range(20)]

    assert len(set(found)) == 20
    assert all(part in password for part in AWKWARD for password in found)
    assert all(password == password.strip() for password in found)


@pytest.mark.parametrize(("topology", "scenario"), [("ring", "expired"), ("elm", "fine")])
def test_unknown_names_are_refused_with_the_known_ones(topology, scenario):
    """A misspelt name says which names there are."""
    with pytest.raises(UnknownPlanError, match="there are"):
        Lab.build(topology, scenario)
