"""Findings about nodes follow from the inventory alone; limits are where they are said to be."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from memory_hypervisor import MemoryClock, MemoryHost
from stsfix.remediation.checks.nodes import CHECKS, no_vcha
from stsfix.remediation.inventory import Inventory, NodeInventory
from stsfix.remediation.model import (
    DirServer,
    ReplicationStatus,
    Role,
    RootDse,
    StsEntries,
    Topology,
)
from stsfix.remediation.nodes.node_facts import (
    VCHA_PROFILE,
    ClockReading,
    DiskSpace,
    NodeFacts,
    PasswordAge,
    Unread,
    VCenterAbout,
)
from stsfix.remediation.ports import ServiceReport

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS = NodeFacts(
    clock=NOW,
    build="8.0.3.1",
    node_type="embedded",
    vmdir_state="Normal",
    vmdird_installed=True,
    vcha=(),
    password=PasswordAge(),
    disks=(DiskSpace(mount="/", capacity_bytes=1000, free_bytes=500),),
    uptime=timedelta(days=1),
    addresses=("192.0.2.1",),
    services="Running: vmdird",
)
ROOT = RootDse(
    domain_dn="dc=vsphere,dc=local",
    admin_dn="",
    server_dn="",
    site="s",
    version="8.0.3",
    functional_level=4,
)


def clock(seconds, doubt=0.1):
    """Return a reading of a clock that is ahead by *seconds*."""
    return ClockReading(
        skew=timedelta(seconds=seconds), uncertainty=timedelta(seconds=doubt), source="test"
    )


def topology(*names, partners=None):
    """Return a domain of *names* in which everybody has an agreement with everybody."""
    links = partners or {name: tuple(n for n in names if n != name) for name in names}
    servers = [
        DirServer(name=name, site="s", invocation_id=f"id-{name}", partners=links.get(name, ()))
        for name in names
    ]
    return Topology(domain="vsphere.local", controllers=names, computers=(), servers=tuple(servers))


def node(fqdn="a", **changes):
    """Return a sound embedded node."""
    sound = NodeInventory(
        fqdn=fqdn,
        role=Role.EMBEDDED,
        role_verified=True,
        root_dse=ROOT,
        services=ServiceReport(node=fqdn, running=("vmafdd", "vmdird"), stopped=()),
        facts=FACTS,
        clock=clock(0),
        about=VCenterAbout(version="8.0.3", build="1"),
    )
    return replace(sound, **changes)


def domain(*nodes, **changes):
    """Return the inventory of a domain of *nodes*."""
    whole = Inventory(
        domain="vsphere.local",
        taken=NOW,
        nodes=nodes,
        hosts=(),
        topology=topology(*(n.fqdn for n in nodes)),
        problems=(),
    )
    return replace(whole, **changes)


def found(*nodes, **changes):
    """Return severity, id and subject of everything found in a domain of *nodes*."""
    whole = domain(*nodes, **changes)
    return [(str(f.severity), f.id, f.subject) for check in CHECKS for f in check(whole)]


def facts(**changes):
    """Return a node whose guest tells something else."""
    return node(facts=replace(FACTS, **changes))


def test_sound_nodes_have_no_finding():
    """Silence means looked at, and fine."""
    assert found(node("a"), node("b")) == []


@pytest.mark.parametrize(
    ("pnid", "expected"),
    [
        ("A", []),
        ("192.0.2.7", []),
        ("", []),
        (Unread(reason="refused"), []),
        ("vc1.other.example", [("blocks", "NODE-IDENTITY", "a")]),
    ],
)
def test_a_guest_that_was_deployed_as_another_node_forbids_a_run(pnid, expected):
    """Its own name, or one of its addresses, is right."""
    esx = MemoryHost("esx1", MemoryClock())
    (vm,) = esx.observe_vms([esx.add_vm("a")])
    vm = replace(vm, summary=replace(vm.summary, addresses=("192.0.2.7",)))

    findings = found(node(vm=vm, facts=replace(FACTS, pnid=pnid)))

    assert [f for f in findings if f[1] == "NODE-IDENTITY"] == expected


def test_a_vm_that_was_taken_for_two_nodes_forbids_a_run():
    """One of them would be written to, and neither shut down nor snapshotted; where no command can
    be run nothing else tells.
    """
    esx = MemoryHost("esx1", MemoryClock())
    mine, other = (esx.observe_vms([esx.add_vm(name)])[0] for name in ("a", "c"))
    unasked = Unread(reason="transport vami")

    findings = found(
        node("a", vm=mine, facts=unasked), node("b", vm=mine, facts=unasked), node("c", vm=other)
    )

    wrong = [("blocks", "NODE-IDENTITY", "a"), ("blocks", "NODE-IDENTITY", "b")]
    assert [f for f in findings if f[1] == "NODE-IDENTITY"] == wrong


@pytest.mark.parametrize(
    ("seconds", "doubt", "expected"),
    [
        (5, 0.1, []),
        (5.2, 0.1, ["warns"]),
        (-6, 0.1, ["warns"]),
        (60, 0.1, ["warns"]),
        (-61, 0.1, ["blocks"]),
        (7, 3, []),
        (62, 3, ["warns"]),
    ],
)
def test_a_clock_is_wrong_beyond_its_uncertainty_only(seconds, doubt, expected):
    """More than 5 s warns, more than 60 s blocks, as far as it is certain."""
    hits = found(node(clock=clock(seconds, doubt)))

    assert [severity for severity, name, _ in hits if name == "NODE-CLOCK"] == expected


def test_node_and_host_that_differ_are_found_although_each_is_near():
    """The node would jump by the difference at power-on: 8 s, of which neither has more than 4."""
    esx = MemoryHost("esx1", MemoryClock())
    vm = esx.observe_vms([esx.add_vm("a")])[0]
    host = replace(esx.observe_host(), clock_skew=timedelta(seconds=-4))

    assert found(node(vm=vm, clock=clock(4)), hosts=(host,)) == [("warns", "NODE-CLOCK-HOST", "a")]


def test_a_folder_of_vcenter_ha_is_no_proof():
    """It is called unverified, and both names of the command are told."""
    taken = facts(vcha=("/etc/vmware-vcha exists",))

    (finding,) = no_vcha(domain(taken))

    assert "unverified" in finding.evidence
    assert {"destroy-vcha", "vcha-destroy"} <= set(re.findall(r"[\w-]+", finding.advice))


def test_a_directory_that_answers_is_no_gateways():
    """One missing path says less than the directory itself: by its rootDSE or its entries."""
    bare = facts(vmdird_installed=False)

    assert found(bare) == []
    assert found(replace(bare, root_dse=None)) == [("blocks", "NODE-GATEWAY", "a")]
    entries = StsEntries(node="a", credentials=(), chains=())
    assert found(replace(bare, root_dse=None, sts=entries)) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"vmdir_state": "Read only"}, ("blocks", "VMDIR-STATE")),
        ({"vmdir_state": "Startup"}, ("blocks", "VMDIR-STATE")),
        ({"vcha": (VCHA_PROFILE,)}, ("blocks", "NODE-VCHA")),
        ({"vcha": ("/etc/vmware-vcha exists", VCHA_PROFILE)}, ("blocks", "NODE-VCHA")),
        ({"vcha": ("/etc/vmware-vcha exists",)}, ("warns", "NODE-VCHA")),
        ({"password": PasswordAge(must_change=True)}, ("blocks", "ROOT-PASSWORD-EXPIRED")),
        ({"password": PasswordAge(expires=date(2026, 3, 1))}, ("blocks", "ROOT-PASSWORD-EXPIRED")),
        ({"password": PasswordAge(expires=date(2026, 3, 2))}, ("warns", "ROOT-PASSWORD-EXPIRING")),
        ({"password": PasswordAge(expires=date(2026, 3, 8))}, ("warns", "ROOT-PASSWORD-EXPIRING")),
        (
            {"disks": (DiskSpace(mount="/storage/log", capacity_bytes=1000, free_bytes=9),)},
            ("blocks", "NODE-DISK-FULL"),
        ),
        (
            {"disks": (DiskSpace(mount="/", capacity_bytes=1000, free_bytes=49),)},
            ("warns", "NODE-DISK-FULL"),
        ),
        ({"vmdir_state": Unread(reason="x")}, ("warns", "NODE-NOT-CHECKED")),
        ({"vcha": Unread(reason="x")}, ("warns", "NODE-NOT-CHECKED")),
        ({"password": Unread(reason="x")}, ("warns", "NODE-NOT-CHECKED")),
        ({"disks": Unread(reason="x")}, ("warns", "NODE-NOT-CHECKED")),
        ({"vmdird_installed": Unread(reason="x")}, ("warns", "NODE-NOT-CHECKED")),
    ],
)
def test_one_bad_fact_is_one_finding(changes, expected):
    """Each fact has its own finding, and the others stay silent."""
    assert found(facts(**changes)) == [(*expected, "a")]


@pytest.mark.parametrize(
    "changes",
    [
        {"vmdir_state": "Standalone"},
        {"password": PasswordAge(expires=date(2026, 3, 9))},
        {"disks": (DiskSpace(mount="/", capacity_bytes=1000, free_bytes=50),)},
        {"disks": (DiskSpace(mount="/proc", capacity_bytes=0, free_bytes=0),)},
        {"uptime": Unread(reason="x"), "addresses": Unread(reason="x")},
    ],
)
def test_what_is_just_right_is_not_found(changes):
    """The limits themselves are fine."""
    assert found(facts(**changes)) == []


def test_a_clock_that_is_hardly_known_is_not_checked():
    """A reading to 8 s proves nothing about 5 s."""
    assert found(node(clock=clock(0, 8))) == [("warns", "NODE-NOT-CHECKED", "a")]
    assert found(node(clock=Unread(reason="no Date"))) == [("warns", "NODE-NOT-CHECKED", "a")]


def test_a_node_without_guest_is_not_checked():
    """Nothing read is not nothing found."""
    silent = node(facts=Unread(reason="Tools"), services=None)

    assert found(silent) == [("warns", "NODE-NOT-CHECKED", "a")]


@pytest.mark.parametrize(
    ("role", "stopped", "expected"),
    [
        (Role.EMBEDDED, ("vmdird",), [("blocks", "SERVICES-CORE-DOWN", "a")]),
        (Role.VCENTER, ("vmafdd",), [("blocks", "SERVICES-CORE-DOWN", "a")]),
        (Role.EMBEDDED, ("vmware-vpxd",), []),
    ],
)
def test_core_services_do_not_depend_on_the_certificate(role, stopped, expected):
    """Stopped vmdird or vmafdd blocks; a stopped vpxd is what an expired certificate does."""
    report = ServiceReport(node="a", running=(), stopped=stopped)

    assert found(node(role=role, services=report)) == expected


@pytest.mark.parametrize(
    ("one", "other", "mixed"),
    [
        ("7.0.3", "6.7.0", True),
        ("7.0.3", "7.0.1", False),
        ("8.0.3", "", False),
        ("8.0.3", "unknown", False),
    ],
)
def test_mixed_releases_are_those_of_different_first_two_numbers(one, other, mixed):
    """Patches may differ; what is no version is not compared."""
    nodes = [node(n, root_dse=replace(ROOT, version=v)) for n, v in (("a", one), ("b", other))]
    bare = [replace(n, about=Unread(reason="x"), facts=replace(FACTS, build="x")) for n in nodes]

    assert found(*bare) == [("warns", "NODE-VERSION-MIXED", "vsphere.local")] * mixed


def test_a_vcenter_without_directory_is_known_by_its_own_word():
    """An external vCenter has no rootDSE: /sdk tells its version."""
    older = node("b", root_dse=None, about=VCenterAbout(version="6.7.0", build="1"))

    assert ("warns", "NODE-VERSION-MIXED", "vsphere.local") in found(node("a"), older)


def test_functional_levels_that_differ_are_found():
    """Unknown levels do not count."""
    other = node("b", root_dse=replace(ROOT, functional_level=2))
    unknown = node("b", root_dse=replace(ROOT, functional_level=None))

    assert found(node("a"), other) == [("warns", "DOMAIN-LEVEL-MIXED", "vsphere.local")]
    assert found(node("a"), unknown) == []


def test_configured_nodes_must_be_listed():
    """A load balancer's name, or a node that the directory forgot."""
    assert found(node("a"), configured=("A", "vip")) == [("blocks", "NODE-NOT-IN-DOMAIN", "vip")]


def test_lists_that_differ_are_found():
    """Each directory is compared with the first that told."""
    nodes = [node("a", listed=topology("a", "b")), node("b", listed=topology("a", "b", "c"))]

    assert found(*nodes) == [("blocks", "REPL-LISTS-DIFFER", "b")]


def test_an_agreement_in_one_direction_is_found_from_own_lists_only():
    """A partner's old copy of an agreement is not believed."""
    copy = topology("a", "b")
    own = topology("a", "b", partners={"a": ("b",)})
    nodes = [node("a", listed=copy), node("b", listed=own)]

    assert found(*nodes) == [("blocks", "REPL-ONE-WAY", "b")]


def lagging(seen, **changes):
    """Return what is found of two nodes when the first has seen *seen* of the second."""
    one = ReplicationStatus(server="a", usn=90, invocation_id="id-a", up_to_date=seen)
    two = ReplicationStatus(server="b", usn=500, invocation_id="id-b", up_to_date={"id-a": 90})
    both = topology("a", "b")
    nodes = [node("a", replication=one, listed=both), node("b", replication=two, listed=both)]
    return found(*nodes, **changes)


def test_a_directory_that_catches_up_warns_and_one_that_does_not_blocks():
    """The same lag, watched twice."""
    assert lagging({"id-b": 400}) == [("warns", "REPL-LAG", "a")]
    assert lagging({"id-b": 400}, stalled=(("a", "b"),)) == [("blocks", "REPL-STALLED", "a")]
    assert lagging({"id-b": 495}) == []


def test_an_agreement_without_a_single_change_is_no_good_sign():
    """It pulls from others, and has nothing of this partner."""
    assert lagging({"id-c": 5}) == [("blocks", "REPL-STALLED", "a")]
