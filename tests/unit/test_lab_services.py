"""service-control and VMware Tools of a lab node speak and refuse as in the field."""

from __future__ import annotations

import json
import threading
import time

import pytest

from lab_node import BareNode, bare_disk
from stsfix.lab.disk import Role
from stsfix.lab.faults import Rule
from stsfix.lab.seams import GuestRefusedError
from stsfix.lab.services import PowerLost, State, Verdict


def test_start_all_prints_the_infrastructure_first_and_then_the_profile():
    """The order is lwsmd vmafdd vmdird vmcad (idmd) stsd vmdnsd, then profile ALL."""
    node = BareNode(bare_disk(version="6.7"))

    code, output = node.sh("service-control --start --all")

    assert code == 0
    assert [line for line in output.splitlines() if line.startswith("Performing")] == [
        f"Performing start operation on service {name}..."
        for name in (
            "lwsmd",
            "vmafdd",
            "vmdird",
            "vmcad",
            "vmware-sts-idmd",
            "vmware-stsd",
            "vmdnsd",
        )
    ] + ["Performing start operation on profile: ALL..."]
    assert output.startswith("Operation not cancellable. Please wait for it to finish...\n")


def test_the_sts_of_6_x_does_not_start_without_its_identity_service():
    """They are two processes there (vmdir.md 3.5); since 7.0 there is one."""
    node = BareNode(bare_disk(version="6.7"))
    node.sh("service-control --start --all")
    node.sh("service-control --stop vmware-stsd")
    node.sh("service-control --stop vmware-sts-idmd")

    assert node.sh("service-control --start vmware-stsd")[0] != 0

    node.sh("service-control --start vmware-sts-idmd")
    assert node.sh("service-control --start vmware-stsd")[0] == 0


def test_status_groups_services_by_state():
    """Headers and names are those of peers.md (d); manual services stay stopped."""
    node = BareNode(bare_disk(Role.PSC))
    node.sh("service-control --start --all")

    assert node.sh("service-control --status --all") == (
        0,
        (
            "Stopped:\n vmcam vmware-imagebuilder vmware-netdumper vmware-rbd-watchdog\n"
            "Running:\n applmgmt lwsmd pschealth vmafdd vmcad vmdird vmdnsd vmware-envoy "
            "vmware-psc-client vmware-stsd\n"
        ),
    )
    assert node.sh("service-control --status vmdird") == (0, "Running:\n vmdird\n")


def test_a_gate_keeps_vcenter_stopped_and_the_text_is_the_fields():
    """vpxd-svcs fails when the STS cannot issue, and what needs it stays down."""
    node = BareNode(gates={"vmware-vpxd-svcs": lambda: Verdict.NO})

    code, output = node.sh("service-control --start --all")

    assert code == 1
    assert output.endswith(
        "Service-control failed. Error: Failed to start services in profile ALL. RC=4, "
        "stderr=Failed to start vpxd-svcs, vpxd, vapi-endpoint, vsphere-ui services. "
        "Error: Operation timed out\n"
    )
    assert node.board.state("vmware-vpxd") is State.STOPPED


def test_one_service_that_fails_prints_details_as_json():
    """A single failed start prints failstart JSON twice and exits 1."""
    node = BareNode()
    node.sh("service-control --start --all; service-control --stop vpxd")
    node.faults.add(Rule(protocol="guest", call="start vmware-vpxd"))

    code, output = node.sh("service-control --start vpxd")

    details = json.loads(output.split("Service-control failed. Error: ")[1])
    assert code == 1
    assert "Error executing start on service vpxd. Details {" in output
    assert details["detail"][0]["id"] == "install.ciscommon.service.failstart"
    assert details["detail"][0]["args"] == ["vpxd"]


def test_stop_all_stops_everything_in_reverse():
    """After --stop --all nothing runs."""
    node = BareNode()
    node.sh("service-control --start --all")

    code, output = node.sh("service-control --stop --all")

    assert code == 0
    assert node.board.names(State.RUNNING) == []
    assert output.index("profile: ALL") < output.index("vmdird") < output.index("lwsmd")


def test_a_power_cut_ends_a_service_operation():
    """A thread that starts services gets PowerLost, and every service is down."""
    node = BareNode(speed=10)
    ended = threading.Event()

    def start_all():
        with pytest.raises(PowerLost):
            node.sh("service-control --start --all")
        ended.set()

    threading.Thread(target=start_all).start()
    time.sleep(0.1)
    node.board.cut()

    assert ended.wait(2)
    assert node.board.names(State.STOPPED) == sorted(s.name for s in node.board.services)


def test_three_wrong_passwords_lock_root():
    """After the third wrong password the right one is refused in the same way."""
    node = BareNode()

    refusals = []
    for password in ("a", "b", "c", node.disk.root_password):
        with pytest.raises(GuestRefusedError) as refused:
            node.tools.read_file("root", password, "/etc/issue")
        refusals.append(refused.value.fault)

    assert refusals == ["InvalidGuestLogin"] * 4


def test_an_expired_root_password_is_an_invalid_login():
    """VGAuth maps an expired account to the same refusal, and the tally stays."""
    node = BareNode()
    node.disk.root_password_expired = True

    with pytest.raises(GuestRefusedError, match="InvalidGuestLogin"):
        node.tools.start_program("root", node.disk.root_password, "/bin/bash", "-c 'echo'")

    assert node.disk.failed_logins == 0


def test_a_program_is_listed_with_its_exit_code_when_it_ended():
    """The product's convention works: output and code go to files, the end is polled."""
    node = BareNode()
    login = ("root", node.disk.root_password)
    node.tools.write_file(*login, "/tmp/x.sh", b"echo out; echo err >&2; exit 5", 0o600)

    pid = node.tools.start_program(
        *login, "/bin/bash", "/tmp/x.sh > /tmp/x.out 2>&1; echo $? > /tmp/x.rc"
    )
    deadline = time.monotonic() + 5
    while (program := node.tools.list_programs(*login, [pid])[0]).ended is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert program.exit_code == 0
    assert node.tools.read_file(*login, "/tmp/x.out") == b"out\nerr\n"
    assert node.tools.read_file(*login, "/tmp/x.rc") == b"5\n"


def test_tools_that_do_not_run_refuse_everything():
    """Before Tools is up every guest operation is GuestOperationsUnavailable."""
    node = BareNode()
    node.tools.running = False

    with pytest.raises(GuestRefusedError, match="GuestOperationsUnavailable"):
        node.tools.make_temporary_file("root", node.disk.root_password, "a", "b")


def test_an_unknown_program_is_not_found():
    """StartProgram checks the path before it runs anything."""
    node = BareNode()

    with pytest.raises(GuestRefusedError, match="FileNotFound"):
        node.tools.start_program("root", node.disk.root_password, "/bin/nope", "")


@pytest.mark.parametrize("ending", ["service-control --stop --all", "shutdown"])
def test_a_boot_that_waits_for_an_sts_can_be_ended(ending):
    """Stop of all services, and a shutdown, do not wait for a PSC that never comes."""
    node = BareNode(gates={"vmware-vpxd-svcs": lambda: Verdict.NOT_YET}, speed=200)
    boot = threading.Thread(target=node.board.boot_all)
    boot.start()
    while node.board.state("vmware-vpxd-svcs") is not State.START_PENDING:
        time.sleep(0.01)
    began = time.monotonic()

    if ending == "shutdown":
        node.board.begin_shutdown()
    else:
        node.sh(ending)
    boot.join(5)

    assert time.monotonic() - began < 2.5  # the patience alone would take 3 s
    assert not boot.is_alive()
    assert node.board.state("vsphere-ui") is State.STOPPED


def test_a_node_that_shuts_down_starts_nothing():
    """A start that comes after the shutdown began fails at once."""
    node = BareNode()
    node.board.begin_shutdown()

    assert node.sh("service-control --start lwsmd")[0] == 1


def test_a_fault_rule_names_the_fault_of_a_guest_operation():
    """Detail is the vim fault; the operation has not happened."""
    node = BareNode()
    node.faults.add(Rule(protocol="guest", call="write_file", detail="TaskInProgress"))

    with pytest.raises(GuestRefusedError, match="TaskInProgress"):
        node.tools.write_file("root", node.disk.root_password, "/tmp/a", b"", 0o600)

    assert node.tools.files.find("/tmp/a") is None


def test_a_late_service_is_reported_failed_and_comes_up_by_itself():
    """RC=5 of 6.7: service-control fails, and minutes later everything runs."""
    node = BareNode(speed=2000)
    node.faults.add(Rule(protocol="guest", call="start vmware-vpxd", detail="late"))

    code, _ = node.sh("service-control --start --all")
    down = node.board.missing()
    deadline = time.monotonic() + 5
    while node.board.missing() and time.monotonic() < deadline:
        time.sleep(0.01)

    assert (code, down) == (1, ["vmware-vpxd", "vsphere-ui"])
    assert node.board.missing() == []
