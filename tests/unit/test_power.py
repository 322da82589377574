"""Shutdown and power-on over hosts in memory: wave by wave, never by force."""

from __future__ import annotations

import pytest

from coordinated import World
from memory_vm import nic
from stsfix.snapshot.errors import (
    AnswerLostError,
    HostUnreachableError,
    HypervisorFaultError,
    NicDisconnectedError,
    ShutdownOverdueError,
    TaskOverdueError,
    ToolsUnavailableError,
    VmBusyError,
)
from stsfix.snapshot.model import PowerState

LOST = AnswerLostError("esx1", "CreateSnapshot")
SILENT = HostUnreachableError("esx1", "timed out")


def test_waves_stop_one_after_the_other():
    """The second wave is asked only when the whole first wave is off; nobody is forced."""
    world = World()
    power_of_vc1_when_vc2_was_asked = []

    def before(call, _):
        if call == "start_guest_shutdown":
            power_of_vc1_when_vc2_was_asked.append(world.vm(world.vc1).power)

    world.esx2.before = before

    world.coordinator().shut_down(((world.vc1,), (world.vc2,)))

    assert world.power() == [PowerState.OFF, PowerState.OFF]
    assert power_of_vc1_when_vc2_was_asked == [PowerState.OFF]
    assert world.told == [("vc1", "asked to shut down"), ("vc2", "asked to shut down")]
    assert world.violations == []


def test_a_guest_that_does_not_stop_is_overdue_and_not_forced():
    """At the limit the VM is still on, it is named, and the next wave was never asked."""
    world = World()
    world.vm(world.vc1).shutdown_s = None

    with pytest.raises(ShutdownOverdueError) as caught:
        world.coordinator(shutdown=60).shut_down(((world.vc1,), (world.vc2,)))

    assert caught.value.vms == (world.vc1,)
    assert world.power() == [PowerState.ON, PowerState.ON]
    assert world.esx2.count("start_guest_shutdown") == 0
    assert world.esx1.count("start_guest_shutdown") == 1
    assert world.violations == []


def test_a_vm_that_is_off_is_not_asked():
    """Shutting down again after a crash only waits."""
    world = World().off()

    world.coordinator().shut_down((world.vms,))

    assert world.esx1.count("start_guest_shutdown") == 0


def test_a_guest_that_still_boots_is_asked_when_tools_are_up():
    """Missing Tools right after power-on is waited for, then the guest is asked once."""
    world = World()
    world.esx1.fail("start_guest_shutdown", ToolsUnavailableError(world.vc1), nth=1)
    world.esx1.fail("start_guest_shutdown", ToolsUnavailableError(world.vc1), nth=2)

    world.coordinator().shut_down((world.vms,))

    assert world.power() == [PowerState.OFF, PowerState.OFF]
    assert world.esx1.count("start_guest_shutdown") == 3


def test_a_guest_with_a_task_is_asked_when_it_is_free():
    """A VM that is busy is asked again, and goes off."""
    world = World()
    world.esx1.fail("start_guest_shutdown", VmBusyError(world.vc1, "haTask-9"))

    world.coordinator().shut_down((world.vms,))

    facts = world.coordinator().observe(world.vms)
    assert {facts[vm].summary.power for vm in world.vms} == {PowerState.OFF}


def test_a_guest_without_tools_is_reported_and_not_forced():
    """Tools that never come end the shutdown after their own limit."""
    world = World()
    world.vm(world.vc1).tools = False

    with pytest.raises(ToolsUnavailableError):
        world.coordinator(tools=30).shut_down((world.vms,))

    assert world.vm(world.vc1).power is PowerState.ON
    assert 30 <= world.clock.slept < 60
    assert world.violations == []


def test_a_lost_answer_to_a_shutdown_is_settled_by_looking():
    """The guest was asked although the answer was lost, and it is not asked again."""
    world = World()
    world.esx1.fail("start_guest_shutdown", LOST, after=True)

    world.coordinator().shut_down((world.vms,))

    assert world.power() == [PowerState.OFF, PowerState.OFF]
    assert world.esx1.count("start_guest_shutdown") == 1


def test_a_host_that_is_silent_for_a_moment_is_asked_again():
    """A short silence of a host does not end the shutdown."""
    world = World()
    for nth in (2, 3, 4):
        world.esx1.fail("observe_vms", SILENT, nth=nth)

    world.coordinator().shut_down((world.vms,))

    assert world.power() == [PowerState.OFF, PowerState.OFF]


def test_a_host_that_stays_silent_is_unreachable():
    """A host that is silent for longer than allowed ends it, long before the shutdown limit."""
    world = World()
    for nth in range(1, 100):
        world.esx1.fail("observe_vms", SILENT, nth=nth)

    with pytest.raises(HostUnreachableError):
        world.coordinator(silence=60).shut_down((world.vms,))

    assert world.clock.slept == 60


def test_power_on_goes_wave_by_wave():
    """The second wave starts only when the first is ready, and all are on at the end."""
    world = World().off()
    seen = []

    world.coordinator().power_on(
        ((world.vc1,), (world.vc2,)),
        {},
        ready=lambda wave: seen.append((wave[0].name, world.power())),
    )

    assert seen == [
        ("vc1", [PowerState.ON, PowerState.OFF]),
        ("vc2", [PowerState.ON, PowerState.ON]),
    ]


def test_power_on_again_starts_nothing():
    """VMs that are on stay on, without a call."""
    world = World()

    world.coordinator().power_on((world.vms,), {})

    assert world.esx1.count("start_power_on") == 0


def test_a_lost_answer_to_a_power_on_is_settled_by_looking():
    """The VM comes on although the answer was lost, and is started only once."""
    world = World().off()
    world.esx1.fail("start_power_on", LOST, after=True)

    world.coordinator().power_on((world.vms,), {})

    assert world.power() == [PowerState.ON, PowerState.ON]
    assert world.esx1.count("start_power_on") == 1


def test_a_lost_power_on_that_was_not_done_stays_in_doubt():
    """The VM stays off: the lost answer is the error."""
    world = World().off()
    world.esx1.fail("start_power_on", LOST)

    with pytest.raises(AnswerLostError):
        world.coordinator().power_on((world.vms,), {})


def test_a_power_on_that_is_not_seen_is_not_believed():
    """A host that says on and shows off ends it with a fault."""
    world = World().off()
    world.esx1.start_power_on = lambda _: None

    with pytest.raises(HypervisorFaultError, match="not on"):
        world.coordinator().power_on((world.vms,), {})


def test_a_question_is_named_when_a_power_on_is_stuck():
    """A VM that waits for an answer says so in the error's notes."""
    world = World().off()
    world.esx1.task_s = 9999
    world.vm(world.vc1).question = "moved or copied?"

    with pytest.raises(TaskOverdueError) as caught:
        world.coordinator().power_on((world.vms,), {})

    assert any("moved or copied?" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("before", "raises"),
    [((nic(),), True), ((nic(connected=False),), False), ((), False)],
    ids=["was connected", "was not connected", "nothing known"],
)
def test_a_nic_that_was_connected_must_come_back(before, raises):
    """Only an adapter that was connected before and is not now is an error, and it is named."""
    world = World().off()
    world.vm(world.vc1).nics_lost_at_boot = (nic().label,)

    def power_on():
        world.coordinator().power_on((world.vms,), {world.vc1: before})

    if raises:
        with pytest.raises(NicDisconnectedError) as caught:
            power_on()
        assert caught.value.labels == ("Network adapter 1",)
    else:
        power_on()
        assert world.power() == [PowerState.ON, PowerState.ON]
