"""The ESXi adapter on hosts of the lab: logins, lost answers, restrictions."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from esx_lab import PASSWORD, ScriptedGuest
from esxi_world import HOST, host_world
from stsfix.lab.esx.machine import VirtualMachine
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
from stsfix.snapshot.model import PowerState
from stsfix.snapshot.system_clock import SystemClock

pytestmark = pytest.mark.lab

MINUTE = timedelta(minutes=1)


class Blind(EsxiHost):
    """Believes that every VM is off, as when power changes between a look and a start."""

    def _power(self, vm):
        return PowerState.OFF


@pytest.fixture
def hosts(tmp_path):
    """Makes hosts; they are stopped and logged out at the end."""
    return partial(host_world, tmp_path)


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
