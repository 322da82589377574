"""service-control: reading its listings, and restarting everything through the guest."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest

from lab_node import BareNode, bare_disk
from memory_hypervisor import MemoryClock
from stsfix.lab.disk import Role as LabRole
from stsfix.lab.faults import Rule
from stsfix.lab.services import State
from stsfix.plugin.advice import ADVICE
from stsfix.remediation.errors import ServiceRestartError
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.nodes.service_expectation import LeftDown, Why
from stsfix.remediation.nodes.service_status import (
    STARTING_LINE,
    STOPPED_LINE,
    UNNAMED,
    parse_kept,
    parse_status,
)
from stsfix.remediation.nodes.start_types import split_types
from stsfix.remediation.transports.guest import GuestShell
from stsfix.remediation.transports.service_control import (
    NOTHING_STOPPED,
    PolledServiceControl,
    ServiceLogs,
)
from stsfix.remediation.transports.service_ways import (
    UNHEARD,
    ServiceScripts,
    ShellWay,
    restart_script,
    status_script,
)
from stsfix.snapshot.errors import (
    AnswerLostError,
    GuestLoginError,
    GuestUnavailableError,
    HostUnreachableError,
)
from stsfix.snapshot.model import HostRef, VmId
from stsfix.snapshot.ports import GuestResult
from stsfix.snapshot.secret import Secret

VM = VmId(host=HostRef("esx1"), moref="7", instance_uuid="u", name="vc1")
NODE = NodePlan(fqdn="vc1.lab.example", role=Role.EMBEDDED, vm=VM)
LIMIT = timedelta(seconds=600)


class ScriptedGuest:
    """GuestOperations that answers each script with the next of its answers."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.scripts = []

    def run_script(self, vm, script, *, user, password, limit, output_limit=0):
        self.scripts.append(script)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return GuestResult(exit_code=0, output=answer)


class LabGuest:
    """GuestOperations that runs the scripts in the lab's own shell."""

    def __init__(self, node):
        self.node = node

    def run_script(self, vm, script, *, user, password, limit, output_limit=0):
        code, output = self.node.sh(script)
        return GuestResult(exit_code=code, output=output)


def control(guest, clock=None):
    """Return the port over *guest*."""
    shell = GuestShell(lambda vm: guest, lambda fqdn: ("root", Secret("secret")))
    return PolledServiceControl(
        ShellWay(shell), clock=clock or MemoryClock(), logs=ServiceLogs(shell)
    )


FIRST = ServiceScripts().status + ServiceScripts().types
"""The listing before a restart, which also tells how each service is started."""

UP = "Running:\n vmdird vmware-vpxd lwsmd\nStopped:\n vmcam\n"
DOWN = "Running:\n vmdird lwsmd\nStopped:\n vmcam vmware-vpxd\n"
BUSY = f"stsfix: a restart is running\n{UP}"


def test_reads_services():
    """Running as running, and everything else as stopped."""
    guest = ScriptedGuest("StartPending:\n vpxd\nStopped:\n vmcam\nRunning:\n vmdird\n")

    report = control(guest).read_services(NODE)

    assert (report.node, report.running) == (NODE.fqdn, ("vmdird",))
    assert report.stopped == ("vmcam", "vpxd")


def test_an_empty_listing_is_no_listing():
    """No service at all means that service-control did not answer."""
    with pytest.raises(GuestUnavailableError, match="command not found"):
        control(ScriptedGuest("bash: service-control: command not found")).read_services(NODE)


def test_restart_ends_when_everything_runs():
    """One listing before, the restart, one listing after."""
    guest = ScriptedGuest(DOWN, "Successfully started", UP)

    report = control(guest).restart_all(NODE, limit=LIMIT)

    assert report.running == ("vmdird", "vmware-vpxd", "lwsmd")
    assert guest.scripts == [FIRST, restart_script(), status_script()]


@pytest.mark.parametrize(
    "late",
    [
        [DOWN, DOWN],
        [BUSY],
        [HostUnreachableError("esx1", "reset"), GuestUnavailableError(VM, "not up")],
        ["garbage"],
    ],
    ids=["comes up by itself", "still working", "cannot be read", "no listing"],
)
def test_restart_waits_for_late_services(late):
    """service-control's failure is no failure while the services still come up."""
    guest = ScriptedGuest(UP, "Service-control failed. Error: {}", *late, UP)

    report = control(guest).restart_all(NODE, limit=LIMIT)

    assert report.stopped == ("vmcam",)
    assert guest.scripts[2:] == [status_script()] * (len(late) + 1)


LOST = AnswerLostError("esx1", "run_script")


@pytest.mark.parametrize(
    "shown", [BUSY, DOWN.replace("vmware-vpxd", "vmdird")], ids=["mark", "gone"]
)
def test_restart_survives_a_lost_answer(shown):
    """The script was started: the listings show it, and tell how it ended."""
    guest = ScriptedGuest(UP, LOST, shown, UP)

    assert control(guest).restart_all(NODE, limit=LIMIT).running
    assert guest.scripts.count(restart_script()) == 1


def test_an_order_that_was_not_heard_is_given_again():
    """Everything runs, as before it: that shows nothing."""
    clock = MemoryClock()
    guest = ScriptedGuest(UP, LOST, *[UP] * 7, "done", UP)

    assert control(guest, clock).restart_all(NODE, limit=LIMIT).running

    assert guest.scripts.count(restart_script()) == 2
    assert clock.slept == 30.0


def test_a_restart_of_which_nothing_shows_is_none():
    """The second answer was lost, too, and nothing that ran has stopped."""
    guest = ScriptedGuest(UP, LOST, *[UP] * 7, LOST, UP)

    with pytest.raises(ServiceRestartError, match=f"were not all restarted: {UNHEARD}"):
        control(guest).restart_all(NODE, limit=LIMIT)


STOP_FAILED = (
    "Error executing stop on service vpxd. Details {}\n"
    "Service-control failed. Error: Failed to stop vmware-vpxd services\n"
)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (STOP_FAILED, ("vpxd",)),
        ("Service-control failed. Error: Failed to stop services in profile ALL\n", (UNNAMED,)),
        ("Error executing start on service vpxd. Details {}\n", ()),
        ("Successfully stopped service vpxd\n", ()),
    ],
)
def test_what_could_not_be_stopped_is_told(words, kept):
    """It may go on with what it loaded before; that all of them run does not show it."""
    report = control(ScriptedGuest(UP, words, UP)).restart_all(NODE, limit=LIMIT)

    assert report.kept == kept


def test_restart_names_what_did_not_start():
    """At the limit the services that are down are named, with service-control's words."""
    clock = MemoryClock()
    guest = ScriptedGuest(DOWN, "Failed to start vpxd", DOWN)

    with pytest.raises(ServiceRestartError) as caught:
        control(guest, clock).restart_all(NODE, limit=LIMIT)

    assert caught.value.stopped == ("vmware-vpxd",)
    assert caught.value.output == "Failed to start vpxd"
    assert clock.slept == LIMIT.total_seconds()


def test_restart_waits_for_an_earlier_one():
    """A restart that a killed run left behind is not disturbed."""
    guest = ScriptedGuest(BUSY, BUSY, UP, "done", UP)

    control(guest).restart_all(NODE, limit=LIMIT)

    assert guest.scripts[:4] == [FIRST] * 3 + [restart_script()]


def test_a_refused_login_is_not_repeated():
    """Faillock counts: the first refusal ends it."""
    guest = ScriptedGuest(GuestLoginError(VM, "root"))

    with pytest.raises(GuestLoginError):
        control(guest).restart_all(NODE, limit=LIMIT)

    assert len(guest.scripts) == 1


def test_what_runs_after_the_stop_was_not_stopped():
    """By the listing in the middle, whatever service-control's words are."""
    node = BareNode()
    node.board.boot_all()
    node.faults.add(Rule(protocol="guest", call="service-control --stop"))

    with pytest.raises(ServiceRestartError, match=NOTHING_STOPPED):
        control(LabGuest(node)).restart_all(NODE, limit=LIMIT)

    assert control(LabGuest(node)).restart_all(NODE, limit=LIMIT).kept == ()


@pytest.mark.parametrize(
    ("running", "kept"), [("vmdird", ("vmdird",)), ("lwsmd", ()), ("", ())], ids=str
)
def test_a_listing_in_the_middle_tells_more_than_words(running, kept):
    """It says what runs on; Likewise knows nothing of the STS, and words are not asked then."""
    listing = f"Running:\n {running}\n" if running else ""
    middle = f"{STOPPED_LINE}\n{listing}Stopped:\n vpxd\n{STARTING_LINE}\n"
    guest = ScriptedGuest(UP, f"{STOP_FAILED}{middle}", UP)

    assert control(guest).restart_all(NODE, limit=LIMIT).kept == kept


@pytest.mark.parametrize("version", ["6.5", "6.7", "7.0", "8.0"])
@pytest.mark.parametrize("role", list(LabRole))
def test_restarts_a_node_of_the_lab(version, role):
    """The scripts run in the lab's shell, restart every service and leave no file."""
    node = BareNode(bare_disk(role, version))

    report = control(LabGuest(node)).restart_all(NODE, limit=LIMIT)

    assert report.running == tuple(node.board.names(State.RUNNING))
    assert len(report.running) > 5
    assert not [path for path in node.disk.files if "stsfix" in path]


def broken(node, name):
    """Let the service *name* of a node of the lab not start."""
    node.faults.add(Rule(protocol="guest", call=f"start {name}", times=10_000))


def test_what_was_still_booting_when_the_restart_began_has_to_come_back():
    """Its listing of then says Stopped of what the boot had not reached yet."""
    node = BareNode()
    for service in node.board.wanted()[:5]:
        node.board.start(service)
    assert node.board.state("applmgmt") is State.STOPPED
    broken(node, "applmgmt")

    with pytest.raises(ServiceRestartError) as caught:
        control(LabGuest(node)).restart_all(NODE, limit=LIMIT)

    assert caught.value.stopped == ("applmgmt",)
    assert caught.value.evidence[0].startswith("applmgmt starts by itself; whether it ran")


@pytest.mark.parametrize("version", ["6.5", "6.7", "7.0", "8.0"])
def test_what_ran_at_preflight_has_to_come_back(version):
    """It gave up at power-on, so the listing before the restart does not tell of it."""
    node = BareNode(bare_disk(LabRole.EMBEDDED, version))
    broken(node, "pschealth")
    planned = replace(NODE, ran=("pschealth", "vmafdd"))

    with pytest.raises(ServiceRestartError) as caught:
        control(LabGuest(node)).restart_all(planned, limit=LIMIT)

    assert caught.value.stopped == ("pschealth",)
    assert caught.value.evidence[0] == "pschealth ran before the run"


def test_what_preflight_saw_stopped_costs_a_while_and_is_told():
    """It was broken before: the restart does not fail for it, nor wait to its limit."""
    node, clock = BareNode(), MemoryClock()
    broken(node, "pschealth")
    planned = replace(NODE, ran=("vmafdd",))

    found = control(LabGuest(node), clock).restart_all(planned, limit=LIMIT)

    assert found.left == (LeftDown(service="pschealth", why=Why.AUTOMATIC),)
    assert clock.slept == LIMIT.total_seconds() / 10


@pytest.mark.parametrize("version", ["6.5", "8.0"])
def test_what_was_disabled_or_never_started_is_left_alone(version):
    """vsphere-ui was disabled on purpose: nobody waits for it, and nobody starts it."""
    node, clock = BareNode(bare_disk(LabRole.EMBEDDED, version)), MemoryClock()
    node.disk.disabled.add("vsphere-ui")
    node.board.boot_all()

    found = control(LabGuest(node), clock).restart_all(NODE, limit=LIMIT)

    assert found.left == (LeftDown(service="vsphere-ui", why=Why.DISABLED),)
    assert not {"vsphere-ui", "vmcam"} & set(found.running)
    assert clock.slept == 0


def test_what_is_disabled_as_the_advice_says_is_not_waited_for_any_more():
    """It is broken for another reason: the next attempt tells of it and goes on."""
    node = BareNode()
    broken(node, "pschealth")
    planned = replace(NODE, ran=("pschealth", "vmafdd"))
    with pytest.raises(ServiceRestartError) as caught:
        control(LabGuest(node)).restart_all(planned, limit=LIMIT)
    advice = ADVICE[ServiceRestartError]
    assert not callable(advice)
    text = next(text for text in advice if "--starttype" in text)
    command = text.partition(": ")[2].replace("NAME", caught.value.stopped[0])

    assert node.sh(command)[0] == 0
    found = control(LabGuest(node)).restart_all(planned, limit=LIMIT)

    assert found.left == (LeftDown(service="pschealth", why=Why.DISABLED),)


@pytest.mark.parametrize("version", ["6.5", "6.7", "7.0", "8.0"])
def test_what_a_person_had_started_is_started_again(version):
    """``--start --all`` leaves stopped what vMon calls MANUAL, and so would this restart."""
    node = BareNode(bare_disk(LabRole.EMBEDDED, version))
    node.board.boot_all()
    dumper = node.board.find("vmware-netdumper")
    assert dumper is not None
    node.board.start(dumper)

    found = control(LabGuest(node)).restart_all(NODE, limit=LIMIT)

    assert "vmware-netdumper" in found.running
    assert (found.left, found.started) == ((), ())


def test_start_types_are_read_in_bash(tmp_path):
    """A real bash asks vMon for each service, with the variables of a login shell; a vmon-cli that
    fails costs the types only.
    """
    listed = "Running:\n vmdird\n"
    for name, work in {
        "service-control": f"printf '{listed}'",
        "vmon-cli": ': "${VMWARE_PYTHON_PATH:?}" "${VMWARE_LOG_DIR:?}" "${VMWARE_CFG_DIR:?}"\n'
        ': "${VMWARE_DATA_DIR:?}"\n'
        '[ "$1" = --list ] && printf "vsphere-ui\nrbd\n" && exit\n'
        '[ "$2" = rbd ] && echo broken >&2 && exit 1\n'
        'printf "Name: $2\nStarttype: DISABLED\nRunState: STOPPED\nMainProcessId: N/A\n"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{work}\n")
        (tmp_path / name).chmod(0o755)
    script = FIRST.replace("/usr/sbin/vmon-cli", f"{tmp_path}/vmon-cli")

    done = subprocess.run(
        ["/bin/bash"],
        input=script,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    before, types = split_types(done.stdout)
    assert parse_status(before).running == ("vmdird",)
    assert types == {"vsphere-ui": "DISABLED"}
    assert done.stderr == ""


def test_scripts_run_in_bash(tmp_path):
    """In a real bash the work is detached, waited for, and leaves no file behind."""
    fake = tmp_path / "service-control"
    fake.write_text(
        "#!/bin/bash\n"
        f'echo "$1 $(test -e {tmp_path}/stsfix-restart.running && echo marked)" >> '
        f"{tmp_path}/calls\n"
        'echo "did $1"\n[ "$1" = --status ] && echo "Running:" && echo " vmdird"\nexit 1\n'
    )
    fake.chmod(0o755)
    script = restart_script().replace("/run/", f"{tmp_path}/")

    done = subprocess.run(
        ["/bin/bash"],
        input=script,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    calls = (tmp_path / "calls").read_text().splitlines()
    assert [line.split() for line in calls] == [
        ["--stop", "marked"],
        ["--status", "marked"],
        ["--start", "marked"],
        ["--status"],
    ]
    assert done.stdout.index("did --stop\n") < done.stdout.index("did --start\n")
    assert parse_kept(done.stdout) == ("vmdird",)
    assert parse_status(done.stdout).running == ("vmdird",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calls", "service-control"]
