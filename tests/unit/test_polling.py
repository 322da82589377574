"""poll_until looks, sleeps and ends by the clock it was given."""

from __future__ import annotations

from datetime import timedelta

import pytest

from memory_hypervisor import MemoryClock
from stsfix.snapshot.errors import HostLoginError, HostUnreachableError
from stsfix.snapshot.model import HostRef
from stsfix.snapshot.polling import poll_until


class Script:
    """Answers in order; an exception in it is raised; the last answer repeats."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.looks = 0

    def __call__(self):
        self.looks += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


SILENT = HostUnreachableError("esx1", "timed out")


def poll(script, clock, *, limit=20.0, every=5.0, **more):
    """Poll with seconds."""
    return poll_until(
        script,
        clock=clock,
        limit=timedelta(seconds=limit),
        every=timedelta(seconds=every),
        **more,
    )


@pytest.mark.parametrize(
    ("answers", "slept"),
    [((7,), 0), ((None, 7), 5), ((None, SILENT, 7), 10), ((SILENT, None, None, None, 7), 20)],
    ids=["at once", "second look", "after a silence", "at the very end"],
)
def test_the_first_answer_comes_out(answers, slept):
    """The first answer that is not None ends the polling; pauses are as asked for."""
    clock = MemoryClock()

    assert poll(Script(*answers), clock) == 7
    assert clock.slept == slept


@pytest.mark.parametrize("answer", [0, False, "", ()], ids=repr)
def test_a_false_answer_is_an_answer(answer):
    """Only None means that there is nothing to see yet."""
    assert poll(Script(answer), MemoryClock()) == answer


def test_nothing_seen_in_time_is_none():
    """When the time is over there was one last look, exactly at the limit."""
    clock = MemoryClock()
    script = Script(None)

    assert poll(script, clock, limit=12.0) is None
    assert clock.slept == 12
    assert script.looks == 4


def test_no_time_means_one_look():
    """A limit of zero looks once and never sleeps."""
    clock = MemoryClock()
    script = Script(None)

    assert poll(script, clock, limit=0.0) is None
    assert (script.looks, clock.slept) == (1, 0)


def test_a_silence_to_the_end_is_raised():
    """A transient error of the last look comes out as it was raised."""
    with pytest.raises(HostUnreachableError, match="esx1"):
        poll(Script(None, SILENT), MemoryClock())


@pytest.mark.parametrize(
    ("error", "more"),
    [(HostLoginError(HostRef("esx1"), "root"), {}), (SILENT, {"transient": ()})],
    ids=["not transient", "nothing is transient"],
)
def test_other_errors_end_it_at_once(error, more):
    """What is not declared transient is raised by the first look, without any pause."""
    clock = MemoryClock()
    script = Script(error)

    with pytest.raises(type(error)):
        poll(script, clock, **more)

    assert (script.looks, clock.slept) == (1, 0)
