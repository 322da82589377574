"""A restart by VAMI or by appliancesh's plug-in: what was not stopped was not restarted."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from memory_hypervisor import MemoryClock
from stsfix.remediation.errors import ServiceRestartError, TransportUnavailableError
from stsfix.remediation.nodes.vami_answers import ANSWERS_HERE, UNITS, VMON
from stsfix.remediation.transports.service_control import (
    NOTHING_STOPPED,
    PolledServiceControl,
)
from stsfix.remediation.transports.service_ways import UNHEARD, PlugInWay
from stsfix.remediation.transports.vami import Refusal, Vami
from stsfix.remediation.transports.vami_services import VamiWay
from stsfix.snapshot.errors import AnswerLostError
from worlds import node

if TYPE_CHECKING:
    from stsfix.remediation.transports.ssh import SshShell

NODE = node("vc1.lab.example")
LIMIT = timedelta(seconds=1800)
NAMES = {UNITS: ("vmafdd", "vmdird"), VMON: ("sts", "vpxd-svcs", "vpxd")}


class FakeVami(AbstractContextManager["FakeVami"]):
    """An interface on which some services refuse to stop, or stop in *stop_s* seconds; a *mute*
    one lists nothing as long as anything is stopped.
    """

    def __init__(self, clock, *, refusing=(), stop_s=0.0, mute=False):
        self.clock = clock
        self.mute = mute
        self.listings = 0
        self.fails: set[int] = set()
        self.refusing = refusing
        self.stop_s = stop_s
        self.states = {name: "STARTED" for names in NAMES.values() for name in names}
        self.starts = {}

    def __exit__(self, *_):
        """See contextlib."""

    def get(self, path):
        self.listings += path == UNITS
        mute = self.mute and "STOPPED" in self.states.values()
        if mute or self.listings - 1 in self.fails:
            raise TransportUnavailableError(NODE.fqdn, "VAMI", "no answer")
        listed = [
            {"key": name, "value": {"state": self.states[name], "startup_type": "AUTOMATIC"}}
            for name in NAMES[path]
        ]
        return json.dumps(listed).encode()

    def post(self, path, *, wait_s):
        name, verb = path.split("/")[-2:]
        if verb == "stop" and name in self.refusing:
            return Refusal(status=500, kind="error", text="Failed to stop")
        self.states[name] = "STARTED" if verb == "start" else "STOPPED"
        self.starts[name] = self.starts.get(name, 0) + (verb == "start")
        if verb == "stop" and self.stop_s:
            self.clock.sleep(min(wait_s, self.stop_s))
            if self.stop_s > wait_s:
                raise TransportUnavailableError(NODE.fqdn, "VAMI", "timed out")
        return None


def by_vami(vami):
    """Return the port over *vami*."""
    return PolledServiceControl(VamiWay(lambda _: cast("Vami", vami), vami.clock), clock=vami.clock)


def test_every_service_is_stopped_and_started():
    """Once each."""
    vami = FakeVami(MemoryClock())

    report = by_vami(vami).restart_all(NODE, limit=LIMIT)

    assert report.kept == (ANSWERS_HERE,)
    assert vami.starts == dict.fromkeys(vami.states, 1)


def test_what_refuses_to_stop_is_told():
    """It runs, but nobody started it again."""
    vami = FakeVami(MemoryClock(), refusing=("vpxd",))

    report = by_vami(vami).restart_all(NODE, limit=LIMIT)

    assert report.kept == ("vpxd", ANSWERS_HERE)
    assert "vpxd" in report.running


def test_where_nothing_stops_nothing_was_restarted():
    """Everything runs; that is what it did before."""
    vami = FakeVami(MemoryClock(), refusing=[n for names in NAMES.values() for n in names])

    with pytest.raises(ServiceRestartError, match=NOTHING_STOPPED):
        by_vami(vami).restart_all(NODE, limit=LIMIT)


@pytest.mark.parametrize("stop_s", [500.0, 10_000.0])
def test_slow_stops_leave_time_to_start_again(stop_s):
    """However long they take, and whether their answers come or not."""
    vami = FakeVami(MemoryClock(), stop_s=stop_s)

    report = by_vami(vami).restart_all(NODE, limit=LIMIT)

    assert set(vami.states.values()) == {"STARTED"}
    assert any(vami.starts.values())
    assert len(report.kept) > 1  # there was no time to stop them all
    assert vami.clock.slept <= LIMIT.total_seconds()


UP = "Running:\n vmdird vmware-vpxd\n"


def test_where_nothing_is_listed_the_refused_stops_tell():
    """The first listing after them fails; everything runs on."""
    vami = FakeVami(MemoryClock(), refusing=[n for names in NAMES.values() for n in names])
    vami.fails = {2}

    with pytest.raises(ServiceRestartError, match=NOTHING_STOPPED):
        by_vami(vami).restart_all(NODE, limit=LIMIT)


def test_what_was_stopped_is_started_although_nothing_is_listed_in_between():
    """Nobody knows what runs; what is to run is started."""
    vami = FakeVami(MemoryClock(), mute=True)

    assert by_vami(vami).restart_all(NODE, limit=LIMIT).running

    assert vami.starts == dict.fromkeys(vami.states, 1)


class PlugIns:
    """appliancesh's service-control; answers to --stop are lost *lost* times, before or after it
    did what it was asked for, or *late*, once it was looked for. Nothing is listed after it if
    *stopped* is empty.
    """

    def __init__(self, lost, *, heard, late=False):
        self.lost = lost
        self.heard = heard
        self.late = late
        self.running = True
        self.stopped = UP.replace("Running", "Stopped")
        self.stops = 0

    def run_plug_in(self, on, command, *, limit):
        del limit
        if "--status" in command:
            listed = UP if self.running else self.stopped
            if self.late and self.stops:
                self.late = self.running = False
            return listed
        if "--start" in command:
            self.running = True
            return "started\n"
        self.stops += 1
        if self.stops <= self.lost:
            self.running = not self.heard
            raise AnswerLostError(on.fqdn, command)
        self.running = False
        return "stopped\n"


def by_plug_in(shell):
    """Return the port over *shell*."""
    return PolledServiceControl(PlugInWay(cast("SshShell", shell)), clock=MemoryClock())


@pytest.mark.parametrize(("heard", "stops"), [(True, 1), (False, 2)])
def test_a_stop_whose_answer_was_lost_is_looked_for(heard, stops):
    """If it was heard it is followed by the start; if not, it is said again."""
    shell = PlugIns(1, heard=heard)

    assert by_plug_in(shell).restart_all(NODE, limit=LIMIT).running
    assert shell.stops == stops


def test_a_stop_that_shows_late_is_followed_by_a_start():
    """Here nothing goes on by itself: whoever stopped starts."""
    shell = PlugIns(1, heard=False, late=True)

    assert by_plug_in(shell).restart_all(NODE, limit=LIMIT).running
    assert shell.running


def test_a_stop_of_which_neither_answer_nor_listing_comes_is_said_again():
    """Everything is started all the same; that it runs shows no restart."""
    shell = PlugIns(1, heard=True)
    shell.stopped = ""

    assert by_plug_in(shell).restart_all(NODE, limit=LIMIT).running
    assert shell.stops == 2


def test_what_a_stop_leaves_running_is_told():
    """It is listed before anything is started; where all of it runs on, nothing was restarted."""
    shell = PlugIns(0, heard=True)
    shell.stopped = "Running:\n vmdird\nStopped:\n vmware-vpxd\n"
    assert by_plug_in(shell).restart_all(NODE, limit=LIMIT).kept == ("vmdird",)

    shell.stopped = "Running:\n vmdird vmware-vpxd\n"
    with pytest.raises(ServiceRestartError, match=NOTHING_STOPPED):
        by_plug_in(shell).restart_all(NODE, limit=LIMIT)


def test_a_plug_in_that_lists_nothing_after_the_stop_starts_everything():
    """VMon may say nothing while it has stopped."""
    shell = PlugIns(0, heard=True)
    shell.stopped = ""

    assert by_plug_in(shell).restart_all(NODE, limit=LIMIT).running
    assert shell.running


def test_a_stop_that_is_never_heard_is_no_restart():
    """Everything runs all the time."""
    with pytest.raises(ServiceRestartError, match=UNHEARD):
        by_plug_in(PlugIns(9, heard=False)).restart_all(NODE, limit=LIMIT)
