"""Which services have to run after a restart, which are told of, and how long is waited."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from memory_hypervisor import MemoryClock
from stsfix.remediation.model import Platform, Role
from stsfix.remediation.nodes.service_expectation import LeftDown, Watch, Why, expectation
from stsfix.remediation.nodes.service_status import ServiceStatus, report
from stsfix.remediation.nodes.start_types import StartType
from worlds import node

VC = node("vc1.lab.example", Role.EMBEDDED)
SEEN = replace(VC, ran=("vmafdd", "vmware-vpxd", "vmware-sps"))
"""Preflight listed its services; of others than these none ran."""


def expected(of=VC, *, ran=(), platform=Platform.APPLIANCE, **first):
    """Return what is expected of a node after a restart; *first* is the listing before it."""
    return expectation(of, ServiceStatus(**first), ran, platform)


def types(**kinds):
    """Return how services are started, by their bare name."""
    return {name.replace("_", "-"): StartType(kind) for name, kind in kinds.items()}


def down(*names):
    """Return a listing in which *names* are stopped."""
    return ServiceStatus(running=("lwsmd",), stopped=names)


@pytest.mark.parametrize(
    ("stopped", "before", "missing"),
    [
        ("", "", ""),
        ("vmcam vmware-vcha vsan-dps vcha netdumper", "", ""),
        ("vmware-updatemgr", "vmware-updatemgr", ""),
        ("vmware-updatemgr", "updatemgr", ""),
        ("vmware-vpxd", "vmware-vpxd", "vmware-vpxd"),
        ("vpxd", "vmware-vpxd", "vpxd"),
        ("vmware-stsd", "vmware-stsd", "vmware-stsd"),
        ("sts", "sts", "sts"),
        ("vmware-sts-idmd", "vmware-sts-idmd", "vmware-sts-idmd"),
        ("vmware-envoy", "vmware-envoy", "vmware-envoy"),
        ("vmdird vsphere-ui", "vmdird vsphere-ui", "vmdird vsphere-ui"),
    ],
)
def test_without_types_stopped_ones_are_fine_unless_logins_need_them(stopped, before, missing):
    """Nobody listed anything before the run: what was stopped at the beginning may stay so."""
    found = expected(stopped=tuple(before.split())).absent(down(*stopped.split()))

    assert found.required == tuple(missing.split())


@pytest.mark.parametrize("name", ["vmware-updatemgr", "updatemgr"])
@pytest.mark.parametrize(
    "of",
    [
        pytest.param({"running": ("vmware-updatemgr",)}, id="ran-at-the-beginning"),
        pytest.param({"pending": ("vmware-updatemgr",)}, id="was-starting-then"),
        pytest.param({"stopped": ("updatemgr",), "ran": ("updatemgr",)}, id="before-an-attempt"),
        pytest.param(
            {"stopped": ("updatemgr",), "of": replace(VC, ran=("vmware-updatemgr",))},
            id="at-preflight",
        ),
        pytest.param(
            {"stopped": ("updatemgr",), "types": types(updatemgr="AUTOMATIC")},
            id="starts-by-itself",
        ),
    ],
)
def test_what_ran_before_has_to_run(of, name):
    """Whoever saw it: preflight, the step's beginning, or nobody and it starts by itself."""
    wanted = expected(**of)

    found = wanted.absent(down(name))

    assert found.required == (name,)
    assert found.left == ()
    assert wanted.reason(name).startswith(("ran", "starts by itself"))


@pytest.mark.parametrize(
    ("kind", "why"),
    [("AUTOMATIC", Why.AUTOMATIC), ("MANUAL", None), ("DISABLED", None), ("", Why.UNKNOWN)],
)
def test_what_preflight_saw_stopped_is_told_of_and_not_demanded(kind, why):
    """It was broken or stopped on purpose before the run, though it was just starting again."""
    known = types(eam=kind) if kind else {}
    wanted = expected(SEEN, stopped=("vmware-eam",), types=known)

    found = wanted.absent(down("vmware-eam"))

    assert found.required == ()
    assert [each.why for each in found.left] == ([why] if why else [])
    assert found.may_come is (why is Why.AUTOMATIC)


def test_what_was_starting_at_the_beginning_did_not_run_if_preflight_saw_it_stopped():
    """A node that boots starts what has been broken for months, too."""
    wanted = expected(SEEN, pending=("vmware-eam",))

    assert wanted.absent(down("vmware-eam")).required == ()
    assert wanted.absent(ServiceStatus(running=("lwsmd",), pending=("vmware-eam",))).is_starting


@pytest.mark.parametrize("name", ["vsphere-ui", "vmware-vpxd", "vmware-sps"])
def test_what_is_disabled_is_never_demanded(name):
    """Somebody wanted it so; since it ran, or logins need it, it is told."""
    known = types(vsphere_ui="DISABLED", vpxd="DISABLED", sps="DISABLED")

    found = expected(SEEN, stopped=(name,), types=known).absent(down(name))

    assert found.required == ()
    assert found.left == (LeftDown(service=name, why=Why.DISABLED),)
    assert not found.may_come


@pytest.mark.parametrize(
    ("name", "ran", "required", "told"),
    [
        ("vmware-netdumper", False, False, False),
        ("vmware-netdumper", True, False, True),
        ("vsphere-ui", False, False, True),
        ("vsphere-ui", True, True, False),
    ],
)
def test_what_a_person_starts_is_demanded_only_if_logins_need_it(name, ran, required, told):
    """It is started by name if it ran, since --start --all leaves it stopped."""
    known = types(netdumper="MANUAL", vsphere_ui="MANUAL")
    running, stopped = ((name,), ()) if ran else ((), (name,))
    first = ServiceStatus(running=running, stopped=stopped, types=known)
    wanted = expectation(SEEN, first, (), Platform.APPLIANCE)

    found = wanted.absent(down(name))

    assert found.required == ((name,) if required else ())
    assert [each.why for each in found.left] == ([Why.MANUAL] if told else [])
    assert wanted.by_name(first) == ((name,) if ran else ())


def test_a_normally_stopped_one_that_starts_by_itself_has_to_run_if_it_did():
    """What vMon tells is more than a list of names of 6.7."""
    known = types(netdumper="AUTOMATIC", imagebuilder="AUTOMATIC")
    wanted = expected(running=("vmware-netdumper",), stopped=("vmware-imagebuilder",), types=known)

    found = wanted.absent(down("vmware-netdumper", "vmware-imagebuilder"))

    assert found.required == ("vmware-netdumper",)
    assert found.left == ()
    assert wanted.by_name(ServiceStatus(running=("vmware-netdumper",))) == ()


def test_names_of_windows_are_known_whatever_their_case():
    """Nothing tells types there: what ran has to run, what is core too."""
    of = replace(VC, platform=Platform.WINDOWS, ran=("VMwareSTS", "perfcharts"))
    wanted = expected(of, platform=Platform.WINDOWS, stopped=("perfcharts", "VMWareSTS", "mbcs"))

    assert wanted.absent(down("VMWareSTS", "perfcharts", "mbcs", "eam")).required == (
        "VMWareSTS",
        "perfcharts",
    )


def test_a_service_that_comes_up_after_its_restart_is_missing_until_then():
    """StartPending is not running, even if it was stopped before."""
    now = ServiceStatus(running=("lwsmd",), pending=("vmware-updatemgr",))

    assert expected(stopped=now.pending).absent(now).required == now.pending


def test_an_attempt_that_broke_off_excuses_nothing():
    """What ran before it is missing, though all was stopped when the next attempt began."""
    wanted = expected(ran=("lwsmd", "vmdnsd", "gone"), stopped=("lwsmd", "vmdnsd", "vmware-sps"))

    assert wanted.absent(down("vmdnsd", "vmware-sps")).required == ("vmdnsd",)


def test_a_report_tells_what_came_up_and_what_is_left():
    """Names of two ways may differ in their prefix."""
    wanted = expected(SEEN, running=("vmdird",), types=types(eam="AUTOMATIC"))
    now = ServiceStatus(
        running=("vmdird", "vpxd", "sps", "vsphere-ui"), stopped=("vmcam", "eam"), pending=("sts",)
    )

    found = report(VC, now, wanted)

    assert found.started == ("vsphere-ui",)
    assert found.stopped == ("vmcam", "eam", "sts")
    assert found.left == (LeftDown(service="eam", why=Why.AUTOMATIC),)
    assert found.under_way == (*now.running, "sts")
    assert (report(VC, now).started, report(VC, now).left) == ((), ())


def watch(clock, **known):
    """Return a watch over a node of which preflight saw eam stopped."""
    return Watch(expected(SEEN, types=types(**known)), clock, timedelta(seconds=30))


def test_what_need_not_run_is_waited_for_a_while_only():
    """From when everything that has to run does; then the listing is good enough."""
    clock = MemoryClock()
    watching = watch(clock, eam="AUTOMATIC")
    lacking, late = down("vmware-vpxd", "eam"), down("eam")

    assert watching.judge(lacking, is_restarting=False) is None
    assert (watching.required, watching.good_enough) == (("vmware-vpxd",), None)
    clock.sleep(100)
    assert watching.judge(late, is_restarting=False) is None
    assert watching.good_enough is late
    clock.sleep(29)
    assert watching.judge(late, is_restarting=False) is None
    clock.sleep(1)
    assert watching.judge(late, is_restarting=False) is late


@pytest.mark.parametrize("known", [{}, {"eam": "DISABLED"}, {"eam": "MANUAL"}])
def test_what_does_not_start_by_itself_is_not_waited_for(known):
    """Nothing is going to start it."""
    assert watch(MemoryClock(), **known).judge(down("eam"), is_restarting=False) is not None


def test_nothing_is_good_enough_while_a_restart_runs():
    """service-control may be about to stop what the listing shows."""
    watching = watch(MemoryClock())

    assert watching.judge(down(), is_restarting=True) is None
    assert watching.good_enough is None
