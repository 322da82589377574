"""What takes a secret away again goes on although somebody pressed Ctrl-C."""

from __future__ import annotations

import threading

import pytest

from memory_hypervisor import MemoryClock
from stsfix.plugin.interrupt import InterruptibleClock, StopFlag
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.snapshot.cleanup import cleaning_up


@pytest.fixture
def stopped():
    """A clock of a command that was asked to stop, and the clock behind it."""
    flag, clock = StopFlag(), MemoryClock()
    flag.set()
    return InterruptibleClock(clock, flag, "stsfix-1"), clock


def test_cleaning_up_waits_as_long_as_it_must(stopped):
    """And only it: before and after, a wait ends the run where it can be resumed."""
    interruptible, clock = stopped

    with cleaning_up():
        interruptible.sleep(3.0)

    assert clock.slept == 3.0
    with pytest.raises(InterruptedRunError):
        interruptible.sleep(3.0)


def test_it_holds_for_its_own_thread_alone(stopped):
    """Work on another node, in another thread, stops at once."""
    interruptible, clock = stopped
    ended = []

    def work():
        try:
            interruptible.sleep(3.0)
        except InterruptedRunError:
            ended.append(True)

    with cleaning_up():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert ended == [True]
    assert clock.slept == 0.0
