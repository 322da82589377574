"""Power of VMs on the lab's ESXi host: tasks, tools, questions, faults on the way."""

from __future__ import annotations

import http.client
import threading
import time

import pytest
from pyVmomi import vim

from esx_lab import finished, running_host, vm_of
from stsfix.lab.clock import LabClock
from stsfix.lab.esx.idle_guest import IdleGuest
from stsfix.lab.esx.machine import Nic, Question, VirtualMachine
from stsfix.lab.faults import Effect, Rule, When

pytestmark = pytest.mark.lab


def until(condition, limit_s=5.0):
    """Wait for *condition*; True if it came."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_power_on_boots_the_guest_and_connects_nics():
    """The task ends in success, names the VM, and the guest was booted once."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)

        info = finished(vm.PowerOn())

        assert (info.state, info.entity, info.entityName) == ("success", vm, "vc1")
        assert vm.runtime.powerState == "poweredOn"
        assert vm.guest.hostName == "vc1.lab.example"
        assert vm.config.hardware.device[-1].connectable.connected is True
        assert lab.guest.events == ["boot"]


@pytest.mark.parametrize("on", [True, False], ids=["on-twice", "off-twice"])
def test_wrong_power_state_is_told_with_both_states(on):
    """The task fails with InvalidPowerState(requested, existing)."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        if on:
            finished(vm.PowerOn())

        info = finished(vm.PowerOn() if on else vm.PowerOff())

        state = "poweredOn" if on else "poweredOff"
        assert info.state == "error"
        assert isinstance(info.error, vim.fault.InvalidPowerState)
        assert (info.error.requestedState, info.error.existingState) == (state, state)
        assert f"({state})" in str(info.error)


def test_shutdown_without_tools_is_refused():
    """ShutdownGuest needs VMware Tools."""
    with running_host() as lab, lab.client() as instance:
        lab.guest.tools = False
        vm = vm_of(instance)
        finished(vm.PowerOn())

        with pytest.raises(vim.fault.ToolsUnavailable):
            vm.ShutdownGuest()

        assert vm.guest.toolsRunningStatus == "guestToolsNotRunning"
        assert vm.runtime.powerState == "poweredOn"


def test_shutdown_of_an_off_vm_is_refused():
    """ShutdownGuest of a VM that is off gets InvalidPowerState at once."""
    with running_host() as lab, lab.client() as instance:
        with pytest.raises(vim.fault.InvalidPowerState) as refusal:
            vm_of(instance).ShutdownGuest()

        assert refusal.value.existingState == "poweredOff"


def test_shutdown_ends_orderly():
    """The call returns at once; later the VM is off and was not cut."""
    with running_host() as lab, lab.client() as instance:
        lab.guest.shutdown_s = 0.1
        vm = vm_of(instance)
        finished(vm.PowerOn())

        vm.ShutdownGuest()

        assert vm.runtime.powerState == "poweredOn"
        assert until(lambda: vm.runtime.powerState == "poweredOff")
        assert lab.guest.events == ["boot", "shut_down"]
        assert vm.runtime.cleanPowerOff is True


def test_late_shutdown_does_not_switch_off_a_later_boot():
    """A VM cut and powered on during its shutdown stays on when the old one completes."""
    with running_host() as lab, lab.client() as instance:
        lab.guest.shutdown_s = 0.3
        vm = vm_of(instance)
        finished(vm.PowerOn())
        vm.ShutdownGuest()

        finished(vm.PowerOff())
        finished(vm.PowerOn())

        assert not until(lambda: vm.runtime.powerState == "poweredOff", limit_s=0.5)


def test_one_task_a_vm():
    """While a task works on a VM a second one is refused and names the first."""
    with running_host(speed=10.0) as lab, lab.client() as instance:
        vm = vm_of(instance)
        first = vm.PowerOn()

        with pytest.raises(vim.fault.TaskInProgress) as refusal:
            vm.CreateSnapshot("s", "", memory=False, quiesce=False)

        assert refusal.value.task == first
        assert finished(first).state == "success"
        assert vm.snapshot is None


def test_task_shows_progress_and_stays_readable():
    """A task is running with rising progress, then done; later it can still be read."""
    with running_host(speed=10.0) as lab, lab.client() as instance:
        task = vm_of(instance).PowerOn()
        seen = []
        while (info := task.info).state in {"queued", "running"}:
            seen.append(info.progress or 0)
            time.sleep(0.01)

        assert seen == sorted(seen)
        assert max(seen) > 0
        assert task in instance.content.taskManager.recentTask
        assert task.info.startTime <= task.info.completeTime


def test_question_stalls_power_on_until_answered():
    """A question is shown in runtime.question; the task goes on when it is answered."""
    with running_host() as lab, lab.client() as instance:
        lab.vm.asks_at_power_on = Question()
        vm = vm_of(instance)
        task = vm.PowerOn()
        assert until(lambda: vm.runtime.question is not None)
        question = vm.runtime.question

        vm.AnswerVM(question.id, "1")

        assert question.choice.choiceInfo[1].label == "button.uuid.movedTheVM"
        assert finished(task).state == "success"
        assert vm.runtime.question is None


def test_nic_that_lost_its_port_stays_disconnected():
    """A NIC whose port is gone is disconnected after power on, as without vCenter."""
    with running_host() as lab, lab.client() as instance:
        lab.vm.nics = [Nic(connects_at_power_on=False)]
        vm = vm_of(instance)

        finished(vm.PowerOn())

        connectable = vm.config.hardware.device[-1].connectable
        assert (connectable.startConnected, connectable.connected) == (True, False)


def test_maintenance_mode_refuses_power_on():
    """A host in maintenance mode starts no VM."""
    with running_host(maintenance=True) as lab, lab.client() as instance:
        with pytest.raises(vim.fault.InvalidState):
            vm_of(instance).PowerOn()

        assert lab.guest.events == []


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ({"encryption_key_id": "k1", "encryption_key_missing": True}, "EncryptionKeyRequired"),
        ({"locked_by_other_host": True}, "FileLocked"),
        ({"connection_state": "orphaned"}, "InvalidState"),
    ],
    ids=["key-missing", "locked", "stale"],
)
def test_vm_that_cannot_start(setting, fault):
    """The task fails with the reason; the guest was not booted."""
    with running_host() as lab, lab.client() as instance:
        for name, value in setting.items():
            setattr(lab.vm, name, value)

        info = finished(vm_of(instance).PowerOn())

        assert isinstance(info.error, getattr(vim.fault, fault))
        assert lab.guest.events == []


def test_disabled_method_names_who_disabled_it():
    """A method another solution disabled gets MethodDisabled and is listed."""
    with running_host() as lab, lab.client() as instance:
        lab.vm.disabled_methods = ("PowerOnVM_Task",)
        vm = vm_of(instance)

        with pytest.raises(vim.fault.MethodDisabled) as refusal:
            vm.PowerOn()

        assert refusal.value.source == "com.example.backup"
        assert vm.disabledMethod == ["PowerOnVM_Task"]


def test_idle_guest_boots_and_shuts_down_in_its_time():
    """Somebody else's VM reports tools some time after boot and ends its shutdown."""
    with running_host() as lab, lab.client() as instance:
        guest = IdleGuest("files", clock=LabClock(400), addresses=("10.0.0.7",))
        lab.host.add_vm(VirtualMachine(name="files", guest=guest))
        vm = vm_of(instance, "files")

        finished(vm.PowerOn())
        assert until(lambda: vm.guest.toolsRunningStatus == "guestToolsRunning")
        assert vm.guest.ipAddress == "10.0.0.7"
        vm.ShutdownGuest()

        assert until(lambda: vm.runtime.powerState == "poweredOff")


def test_fault_before_a_call_refuses_it():
    """A BEFORE rule answers with the named fault; nothing happened."""
    with running_host() as lab, lab.client() as instance:
        rule = Rule(protocol="soap", call="PowerOnVM_Task", target="vc1", detail="NotSupported")
        lab.faults.add(rule)
        vm = vm_of(instance)

        with pytest.raises(Exception, match="NotSupported"):
            vm.PowerOn()

        assert vm.runtime.powerState == "poweredOff"
        assert finished(vm.PowerOn()).state == "success"


def test_fault_after_a_call_loses_its_answer():
    """An AFTER rule drops the connection; the power on happens all the same."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        rule = Rule(protocol="soap", call="PowerOnVM_Task", when=When.AFTER, effect=Effect.DROP)
        lab.faults.add(rule)

        with pytest.raises((http.client.HTTPException, ConnectionError)):
            vm.PowerOn()

        assert until(lambda: vm.runtime.powerState == "poweredOn")
        assert lab.guest.events == ["boot"]


def test_fault_in_a_task_ends_it_with_that_error():
    """A rule of protocol task fails a task that was accepted."""
    with running_host() as lab, lab.client() as instance:
        lab.faults.add(Rule(protocol="task", call="PowerOnVM_Task", detail="NoDiskSpace"))
        vm = vm_of(instance)

        info = finished(vm.PowerOn())

        assert isinstance(info.error, vim.fault.NoDiskSpace)
        assert vm.runtime.powerState == "poweredOff"


def test_stalled_task_ends_when_the_host_stops():
    """A task dropped by a rule runs until the host stops; no thread stays behind."""
    with running_host() as lab:
        lab.faults.add(Rule(protocol="task", call="PowerOnVM_Task", effect=Effect.DROP))
        with lab.client() as instance:
            task = vm_of(instance).PowerOn()
            time.sleep(0.1)
            assert task.info.state == "running"

        lab.host.stop()

        assert not [t for t in threading.enumerate() if t.name.startswith("task-")]
        assert lab.guest.events == []


def test_calls_are_counted_by_vm_and_host():
    """Calls for a VM are known by its name, others by the host's."""
    with running_host() as lab, lab.client() as instance:
        finished(vm_of(instance).PowerOn())

        assert lab.faults.calls["soap", "PowerOnVM_Task", "vc1"] == 1
        assert lab.faults.calls["soap", "Login", "esx1.lab.example"] == 1
