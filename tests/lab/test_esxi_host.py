"""The ESXi adapter on hosts of the lab: logins, lost answers, restrictions, odd VMs."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest

from esx_lab import PASSWORD, ScriptedGuest, running_host
from stsfix.lab import pki
from stsfix.lab.esx.machine import Disk, DvsPort, Nic, Question, VirtualMachine
from stsfix.lab.esx.session import Accounts
from stsfix.lab.faults import Effect, Rule, When
from stsfix.snapshot.coordinator import Coordinator, Limits
from stsfix.snapshot.errors import (
    AnswerLostError,
    HostLoginError,
    HostRestrictedError,
    HostUnreachableError,
    HypervisorFaultError,
    NoSpaceError,
    ToolsUnavailableError,
    VmKeyMissingError,
)
from stsfix.snapshot.esxi import EsxiHost
from stsfix.snapshot.model import HostRef, LockdownMode, PowerState
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

pytestmark = pytest.mark.lab

HOST = HostRef("esx1.lab.example")
MINUTE = timedelta(minutes=1)


class Blind(EsxiHost):
    """Believes that every VM is off, as when power changes between a look and a start."""

    def _power(self, vm):
        return PowerState.OFF


class HostWorld:
    """A lab host with vc1 (off) and our adapter for it."""

    def __init__(self, lab, folder, kind, user, password):
        self.lab = lab
        path = folder / "ca.pem"
        path.write_bytes(pki.pem(lab.ca.root))
        endpoint = Endpoint(
            name=HOST,
            address="127.0.0.1",
            port=lab.host.port,
            trust=Trust(ca_file=path),
            connect_timeout_s=5.0,
            read_timeout_s=5.0,
        )
        self.host = kind(HOST, endpoint, user, Secret(password), SystemClock())

    @property
    def vc1(self):
        return self.host.observe_host().vms[0].vm

    def facts(self):
        return self.host.observe_vms([self.vc1])[0]

    def attempts(self):
        return self.lab.host.accounts.attempts.total()

    def calls(self):
        return self.lab.faults.calls.total()

    def refuse(self, call, detail):
        self.lab.faults.add(Rule(protocol="soap", call=call, detail=detail))

    def drop(self, call, when):
        self.lab.faults.add(Rule(protocol="soap", call=call, when=when, effect=Effect.DROP))


@pytest.fixture
def hosts(tmp_path):
    """Makes hosts; they are stopped and logged out at the end."""

    @contextmanager
    def make(kind=EsxiHost, user="root", password=PASSWORD, **options):
        with running_host(**options) as lab:
            world = HostWorld(lab, tmp_path, kind, user, password)
            try:
                yield world
            finally:
                world.host.close()

    return make


@pytest.fixture
def world(hosts):
    """A plain host."""
    with hosts() as made:
        yield made


# --- sessions


def test_nothing_is_asked_before_it_is_needed(world):
    """Making an adapter connects to nothing; many calls log in once."""
    before = world.calls()
    for _ in range(3):
        world.host.observe_host()

    assert before == 0
    assert world.attempts() == 1


def test_a_refused_password_is_sent_once(hosts):
    """Asking again gives the same error without another attempt."""
    with hosts(password="wrong") as world:
        for _ in range(3):
            with pytest.raises(HostLoginError):
                world.host.observe_host()

        assert world.attempts() == 1


@pytest.mark.parametrize("fault", ["InvalidLogin", "NoPermission", "PasswordExpired"])
def test_lockdown_is_a_refused_login(hosts, fault):
    """Whatever fault a locked-down host answers, it is a refused login, tried once."""
    accounts = Accounts(users={"root": PASSWORD}, lockdown="lockdownStrict", lockdown_fault=fault)
    with hosts(accounts=accounts) as world:
        for _ in range(2):
            with pytest.raises(HostLoginError) as caught:
                world.host.observe_host()

            assert caught.value.fault == fault
        assert world.attempts() == 1


def test_a_login_whose_answer_was_lost_is_no_wrong_password(hosts):
    """The next try begins a session of its own: in the old one it would be refused."""
    with hosts() as world:
        world.lab.faults.add(
            Rule(protocol="soap", call="Login", when=When.AFTER, effect=Effect.DROP)
        )

        with pytest.raises(HostUnreachableError):
            world.host.observe_host()

        assert world.host.observe_host().host == HOST


def test_a_password_that_changed_is_tried_once(world):
    """After the session ended, the password that worked is tried once more, then never."""
    vc1 = world.vc1
    world.lab.host.accounts.users["root"] = "changed"
    world.lab.host.service.expire_sessions()

    for _ in range(3):
        with pytest.raises(HostLoginError):
            world.host.observe_vms([vc1])

    assert world.attempts() == 2


def test_reading_a_host_takes_the_same_calls_for_any_number_of_vms(hosts):
    """A host with forty VMs costs as many calls as one with one."""
    counts = []
    for more in (0, 39):
        with hosts() as world:
            for number in range(more):
                world.lab.host.add_vm(VirtualMachine(name=f"vm{number}", guest=ScriptedGuest()))
            facts = world.host.observe_host()
            counts.append((len(facts.vms), world.calls()))

    assert [vms for vms, _ in counts] == [1, 40]
    assert counts[0][1] == counts[1][1]


# --- lost answers


def test_a_lost_read_is_unreachable_and_nothing_more(world):
    """A read whose answer was lost may be repeated, and then works."""
    vc1 = world.vc1
    world.drop("RetrievePropertiesEx", When.AFTER)

    with pytest.raises(HostUnreachableError):
        world.host.observe_vms([vc1])

    assert world.host.observe_vms([vc1])[0].vm == vc1


@pytest.mark.parametrize(("when", "made"), [(When.BEFORE, 0), (When.AFTER, 1)])
def test_a_lost_start_is_in_doubt(world, when, made):
    """Whether the host did it cannot be told from the broken connection."""
    vc1 = world.vc1
    world.drop("CreateSnapshot_Task", when)

    with pytest.raises(AnswerLostError, match="CreateSnapshot_Task"):
        world.host.start_snapshot(vc1, name="run-1", description="")
    world.lab.host.board.join(10)

    assert len(list(world.lab.vm.snapshots())) == made


def test_a_start_that_could_not_be_sent_is_not_in_doubt(world):
    """A host that went away between two calls got no request: nothing is in doubt."""
    vc1 = world.vc1
    world.lab.host.stop()

    with pytest.raises(HostUnreachableError):
        world.host.start_snapshot(vc1, name="run-1", description="")


def test_a_restarted_host_is_used_again(world):
    """After a restart the adapter connects and logs in by itself."""
    vc1 = world.vc1
    world.lab.host.stop()
    world.lab.host.start()

    assert world.host.observe_vms([vc1])[0].vm == vc1
    assert world.attempts() == 2


def test_a_coordinated_take_survives_a_lost_answer(world):
    """The coordinator finds the snapshot whose request's answer was lost, and makes one only."""
    vc1 = world.vc1
    world.drop("CreateSnapshot_Task", When.AFTER)
    limits = Limits(poll=timedelta(milliseconds=20))
    coordinator = Coordinator({HOST: world.host}, SystemClock(), limits)

    noted: dict[str, str] = {}
    taken = coordinator.take("run-1", lambda vm: "", (vc1,), noted.__setitem__)

    assert taken.covers(frozenset({vc1}))
    assert len(list(world.lab.vm.snapshots())) == 1


# --- refusals


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("RestrictedVersion", HostRestrictedError),
        ("HostAccessRestrictedToManagementServer", HostRestrictedError),
        ("OperationDisallowedOnHost", HostRestrictedError),
        ("NoPermission", HostRestrictedError),
        ("LicenseExpired", HostRestrictedError),
        ("NoDiskSpace", NoSpaceError),
        ("MethodDisabled", HypervisorFaultError),
        ("FileLocked", HypervisorFaultError),
        ("EncryptionKeyRequired", VmKeyMissingError),
        ("InvalidState", HypervisorFaultError),
    ],
)
def test_faults_become_the_errors_of_the_port(world, fault, error):
    """Each vSphere fault is one error of ours, and keeps its name where it has no own class."""
    vc1 = world.vc1
    world.refuse("PowerOnVM_Task", fault)

    with pytest.raises(error) as caught:
        world.host.start_power_on(vc1)

    if error in {HostRestrictedError, HypervisorFaultError}:
        assert caught.value.fault == fault
    assert world.lab.vm.power == "poweredOff"


def test_tools_that_do_not_run_are_named(world):
    """ToolsUnavailable is its own error while the VM is on."""
    world.lab.guest.tools = False
    world.lab.vm.power_on()

    with pytest.raises(ToolsUnavailableError):
        world.host.start_guest_shutdown(world.vc1)


def test_missing_tools_do_not_matter_when_off(world):
    """A host that complains of Tools before it looks at the power is not believed blindly."""
    vc1 = world.vc1
    world.refuse("ShutdownGuest", "ToolsUnavailable")

    world.host.start_guest_shutdown(vc1)

    assert world.host.observe_vms([vc1])[0].summary.power is PowerState.OFF


def test_a_free_licence_takes_no_writes(hosts):
    """Reads work, the edition is told, and a write is a restriction of the host."""
    with hosts(edition="esxBasic") as world:
        assert world.host.observe_host().licence_edition == "esxBasic"
        with pytest.raises(HostRestrictedError):
            world.host.start_snapshot(world.vc1, name="run-1", description="")


def test_a_read_only_user_takes_no_writes(hosts):
    """Missing rights are a restriction, not a failed login."""
    accounts = Accounts(users={"root": PASSWORD}, read_only=frozenset({"root"}))
    with hosts(accounts=accounts) as world, pytest.raises(HostRestrictedError):
        world.host.start_power_on(world.vc1)


def test_a_power_on_of_a_vm_that_is_on_is_success(hosts):
    """InvalidPowerState is success when the VM is where it should be."""
    with hosts(kind=Blind) as world:
        vc1 = world.vc1
        world.lab.vm.power_on()

        key = world.host.start_power_on(vc1)
        if key is not None:  # a host may refuse at once, or let the task fail
            world.host.await_task(key, limit=MINUTE)

        assert world.lab.vm.power == "poweredOn"


# --- facts


def test_host_facts_are_read(hosts):
    """Lockdown, maintenance, management, version, edition and clock are the host's."""
    accounts = Accounts(
        users={"root": PASSWORD},
        lockdown="lockdownNormal",
        exception_users=frozenset({"root"}),
    )
    with hosts(
        accounts=accounts,
        maintenance=True,
        managed_by="10.0.0.5",
        version="7.0.3",
        api_version="7.0.3.0",
        build="21930508",
        clock_offset=timedelta(seconds=-90),
    ) as world:
        facts = world.host.observe_host()

    assert facts.lockdown is LockdownMode.NORMAL
    assert facts.maintenance
    assert facts.managed_by == "10.0.0.5"
    assert (facts.version, facts.build) == ("7.0.3", "21930508")
    assert facts.licence_edition == "esx.enterprisePlus.cpuPackage"
    assert abs(facts.clock_skew + timedelta(seconds=90)) < timedelta(seconds=1)
    assert [store.name for store in facts.datastores] == ["datastore1"]


@pytest.mark.parametrize("version", ["6.5", "6.7", "7.0.0.0", "8.0.3.0", "9.1.1.0"])
def test_hosts_of_all_releases_are_understood(hosts, version):
    """The newest version that both sides know is spoken."""
    with hosts(api_version=version) as world:
        assert world.facts().vm.name == "vc1"


@pytest.mark.parametrize(
    ("attribute", "value", "fact", "expected"),
    [
        ("fault_tolerance", "running", "fault_tolerance", True),
        ("bus_sharing", "physicalSharing", "bus_sharing", 1),
        ("passthrough", True, "passthrough", 1),
        ("encryption_key_id", "key-1", "encrypted", True),
        ("consolidation_needed", True, "consolidation_needed", True),
        ("change_tracking", True, "change_tracking", True),
        ("managed_by", ("com.vmware.vim.eam", "agent"), "managed_by", "com.vmware.vim.eam"),
        ("disabled_methods", ("CreateSnapshot_Task",), "disabled_methods", 1),
    ],
)
def test_facts_of_odd_vms_are_read(world, attribute, value, fact, expected):
    """Each setting of a VM arrives as its own fact."""
    setattr(world.lab.vm, attribute, value)

    found = getattr(world.facts(), fact)

    assert (len(found) if isinstance(found, tuple) else found) == expected


def test_a_question_is_read(world):
    """A pending question arrives as its text on one line."""
    world.lab.vm.question = Question(text="moved or\ncopied?")

    assert world.facts().question == "moved or copied?"


def test_disks_are_read(world):
    """Mode, sharing and raw mappings of each disk arrive."""
    world.lab.vm.disks = [
        Disk(),
        Disk(mode="independent_persistent"),
        Disk(sharing="sharingMultiWriter"),
        Disk(rdm="physicalMode"),
        Disk(rdm="virtualMode"),
    ]

    disks = world.facts().disks

    assert [d.mode for d in disks][:2] == ["persistent", "independent_persistent"]
    assert [d.sharing for d in disks][2] == "sharingMultiWriter"
    assert [d.physical_rdm for d in disks] == [False, False, False, True, False]
    assert {d.datastore for d in disks} <= {"datastore1", ""}
    assert len({d.label for d in disks}) == len(disks)


def test_a_port_of_a_distributed_switch_is_read(world):
    """An adapter on a distributed port tells the port, one on a standard switch none."""
    world.lab.vm.nics = [Nic(), Nic(dvs=DvsPort(port_key="7"))]

    assert [nic.dvs_port for nic in world.facts().nics] == [None, "7"]


def test_guest_names_come_from_tools(world):
    """Host name and addresses are there while Tools runs."""
    off = world.facts().summary
    world.lab.vm.power_on()
    on = world.facts()

    assert (off.hostname, off.addresses) == ("", ())
    assert on.summary.hostname == "vc1.lab.example"
    assert "10.0.0.1" in on.summary.addresses
    assert on.tools_running
    assert on.guest_operations_ready


def test_a_revert_leaves_the_vm_off_whatever_its_snapshot_holds(world):
    """A snapshot of a running VM's memory would power it on: then the node would be up before
    its partners are back.
    """
    (machine,) = [vm for vm in world.lab.host.vms if vm.name == "vc1"]
    machine.power_on()
    machine.take_snapshot(
        "with memory", "", now=world.lab.host.clock.now(), memory=True, quiesce=False
    )
    machine.power_off()
    (snapshot,) = world.facts().snapshots

    world.host.await_task(world.host.start_revert(snapshot), limit=MINUTE)

    assert world.facts().summary.power is PowerState.OFF
