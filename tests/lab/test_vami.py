"""The management interface of a node, held against curl: local root, services, no SSO."""

from __future__ import annotations

import threading

import pytest

from curl import Curl, needs_curl
from lab_clients import eventually
from lab_keys import shared_keys
from openssh import OpenSsh, needs_openssh
from stsfix.lab import judge
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.lab import Lab
from stsfix.lab.root_login import LOGIN_LIMIT
from stsfix.lab.services import State

pytestmark = [pytest.mark.lab, pytest.mark.peer, needs_curl]

VC1, PSC1 = "vc1.lab.example", "psc1.lab.example"
TOPOLOGIES = {"8.0": "embedded", "7.0": "elm", "6.7": "external-psc"}


@pytest.fixture(scope="module")
def labs():
    """A lab of each topology whose STS has expired, made when it is first asked for."""
    made: dict[str, Lab] = {}

    def get(topology):
        if topology not in made:
            made[topology] = Lab.build(topology, "vami-only", speed=2000, keys=shared_keys())
            made[topology].start()
        return made[topology]

    yield get
    for lab in made.values():
        lab.stop()


@pytest.fixture
def curl(labs, tmp_path):
    """Return curl for the first node of a release, without faults and failed logins."""

    def get(release="8.0"):
        lab = labs(TOPOLOGIES[release])
        first = next(iter(lab.nodes))
        lab.faults.clear()
        lab.nodes[first].disk.failed_logins = 0
        return Curl(lab, first, tmp_path)

    return get


def board(client):
    """Return the services of the client's node."""
    found = client.lab.nodes[client.node].board
    assert found is not None
    return found


@pytest.mark.parametrize("release", TOPOLOGIES)
def test_root_gets_in_while_nobody_can_log_in(curl, release):
    """Basic authentication works on every request, whatever the STS says."""
    client = curl(release)

    version = client.ask("GET", "/appliance/system/version")

    assert "is not valid" in (judge.token_refusal(client.lab, client.node) or "")
    assert version.status == 200
    assert version.value["version"].startswith(release)
    assert ("Appliance" in version.value["product"]) is (release == "6.7")
    assert client.ask("GET", "/appliance/health/system").value == "green"


def test_a_session_ends_when_it_is_deleted(curl):
    """The id of POST is good for everything up to DELETE."""
    client = curl()
    session = client.ask("POST", "/com/vmware/cis/session").value

    during = client.ask("GET", "/appliance/health/load", session=session)
    user = client.ask("GET", "/com/vmware/cis/session", session=session).value["user"]
    deleted = client.ask("DELETE", "/com/vmware/cis/session", session=session)
    after = client.ask("GET", "/appliance/health/load", session=session)

    assert (during.value, user) == ("green", "root")
    assert (deleted.status, deleted.body) == (200, "")
    assert after.status == 401


@pytest.mark.parametrize("release", TOPOLOGIES)
def test_units_are_systemds_and_vmon_has_its_own(curl, release):
    """Vpxd is no unit, vmdird no service of vMon; the STS went to vMon with 7.0."""
    client = curl(release)

    units = {item["key"]: item["value"] for item in client.ask("GET", "/appliance/services").value}
    vmon = {item["key"] for item in client.ask("GET", "/appliance/vmon/service").value}

    assert {"vmdird", "vmafdd", "vmcad", "vmware-vmon", "sshd"} <= set(units)
    assert units["vmdird"] == {"description": "LSB: Start and Stop vmdir", "state": "STARTED"}
    assert units["sshd"]["state"] == "STOPPED"
    assert "applmgmt" in vmon
    assert not {"vmdird", "vmafdd", "vmware-vmon"} & vmon
    assert ("sts" in vmon, "vmware-stsd" in units) == (release != "6.7", release == "6.7")


def test_6_5_has_vmon_but_no_services(tmp_path):
    """/rest/appliance/services came with 6.7."""
    with Lab.build("embedded", "old-server", speed=2000, keys=shared_keys()) as lab:
        client = Curl(lab, VC1, tmp_path)
        services = client.ask("GET", "/appliance/services")
        vmon = client.ask("GET", "/appliance/vmon/service")

    assert services.status == 404
    assert "com.vmware.vapi.rest.httpNotFound" in services.body
    assert vmon.status == 200


def test_what_vmon_tells_of_a_service(curl):
    """Health is there only while it runs."""
    client = curl()

    up = client.ask("GET", "/appliance/vmon/service/sts").value
    down = client.ask("GET", "/appliance/vmon/service/vpxd").value

    assert up == {
        "name_key": "cis.sts.ServiceName",
        "description_key": "cis.sts.ServiceDescription",
        "startup_type": "AUTOMATIC",
        "state": "STARTED",
        "health": "HEALTHY",
        "health_messages": [],
    }
    assert (down["state"], down["startup_type"]) == ("STOPPED", "AUTOMATIC")
    assert "health" not in down


def test_a_restart_returns_when_it_is_done(curl):
    """Vmdird was restarted when the answer comes; the answer has no body."""
    client = curl()
    before = len(board(client).started_log)

    done = client.ask("POST", "/appliance/services/vmdird/restart")

    assert (done.status, done.body) == (200, "")
    assert board(client).started_log[before:] == ["vmdird"]


def test_a_service_that_does_not_start_is_an_error(curl):
    """Vpxd cannot while the STS does not issue: 500 with vAPI's error."""
    done = curl().ask("POST", "/appliance/vmon/service/vpxd/start")

    assert done.status == 500
    assert done.error == ("error", "Failed to start service vpxd")


def test_unknown_and_disabled_services_are_refused(curl):
    """404 not_found; 400 not_allowed_in_current_state for one whose startup type is DISABLED."""
    client = curl()
    disabled = client.lab.nodes[client.node].disk.disabled

    unknown = client.ask("POST", "/appliance/services/vpxd/restart")
    disabled.add("pschealth")
    refused = client.ask("POST", "/appliance/vmon/service/pschealth/restart")
    kind = client.ask("GET", "/appliance/vmon/service/pschealth").value["startup_type"]
    disabled.remove("pschealth")

    assert (unknown.status, unknown.error[0]) == (404, "not_found")
    assert (refused.status, refused.error[0]) == (400, "not_allowed_in_current_state")
    assert kind == "DISABLED"


def test_a_service_that_is_starting_cannot_be_restarted(tmp_path):
    """400 while an operation is in progress."""
    with Lab.build("embedded", "vami-only", speed=20, keys=shared_keys()) as lab:
        client = Curl(lab, VC1, tmp_path)
        service = board(client).find("vmdird")
        running = threading.Thread(target=board(client).stop, args=(service,))
        running.start()
        stopping = eventually(lambda: board(client).state("vmdird") is State.STOP_PENDING)
        refused = client.ask("POST", "/appliance/services/vmdird/restart")
        running.join()

    assert stopping
    assert (refused.status, refused.error[0]) == (400, "not_allowed_in_current_state")


def test_who_restarts_the_interface_loses_the_answer(curl):
    """Applmgmt ends the connection, then 503, then it is back without its sessions."""
    client = curl()
    session = client.ask("POST", "/com/vmware/cis/session").value

    lost = client.ask("POST", "/appliance/vmon/service/applmgmt/restart", session=session)
    back = eventually(lambda: client.ask("GET", "/appliance/health/load").status == 200)
    after = client.ask("GET", "/appliance/health/load", session=session)

    assert lost.status == 0
    assert back
    assert after.status == 401


def test_without_applmgmt_the_web_server_says_503(curl):
    """Stopped by service-control it answers nothing; passwords are not even looked at."""
    client = curl()
    services = board(client)
    services.stop(services.find("applmgmt"))

    answers = [client.ask("GET", "/appliance/services", password=p) for p in (None, "wrong")]
    services.start(services.find("applmgmt"))

    assert [answer.status for answer in answers] == [503, 503]
    assert client.lab.nodes[client.node].disk.failed_logins == 0


def test_vmon_restarts_everything_it_has(curl):
    """The unit vmware-vmon takes its services down and up; directory services stay as they are."""
    client = curl()
    before = len(board(client).started_log)

    lost = client.ask("POST", "/appliance/services/vmware-vmon/restart")
    again = eventually(
        lambda: {"vmware-stsd", "applmgmt"} <= set(board(client).started_log[before:])
    )

    assert lost.status == 0
    assert again
    assert "vmdird" not in board(client).started_log[before:]
    assert eventually(lambda: client.ask("GET", "/appliance/health/load").status == 200)


def test_a_wrong_password_is_counted_and_not_explained(curl):
    """401 for wrong, unknown and locked alike; the tally is pam's."""
    client = curl()
    disk = client.lab.nodes[client.node].disk

    wrong = client.ask("GET", "/appliance/services", password="wrong")
    counted = disk.failed_logins
    disk.failed_logins = LOGIN_LIMIT
    locked = client.ask("POST", "/com/vmware/cis/session")

    assert counted == 1
    assert (wrong.status, wrong.error) == (401, ("unauthenticated", "Unable to authenticate user"))
    assert (locked.status, locked.body) == (401, wrong.body)


def test_an_expired_password_says_so(tmp_path):
    """The one reason that is told, as 500."""
    with Lab.build("embedded", "root-password-expired", speed=2000, keys=shared_keys()) as lab:
        refused = Curl(lab, VC1, tmp_path).ask("POST", "/com/vmware/cis/session")

    text = "Exception in invoking authentication handler User password expired"
    assert refused.status == 500
    assert refused.error == ("internal_server_error", text)


@needs_openssh
def test_ssh_can_be_switched_on_and_off(curl, tmp_path):
    """PUT /appliance/access/ssh starts and stops sshd, and lasts over a reboot."""
    client = curl()
    ssh = OpenSsh(client.lab, client.node, tmp_path)
    was = client.ask("GET", "/appliance/access/ssh").value

    on = client.ask("PUT", "/appliance/access/ssh", body='{"enabled": true}')
    welcome = ssh.run("pwd").returncode
    listed = client.ask("GET", "/appliance/services/sshd").value
    bad = client.ask("PUT", "/appliance/access/ssh", body='{"enabled": "no"}')
    client.ask("PUT", "/appliance/access/ssh", body='{"enabled": false}')
    refused = ssh.run("pwd").returncode

    assert (was, on.status, welcome, refused) == (False, 200, 0, 255)
    assert listed == {"description": "sshd.service", "state": "STARTED"}
    assert (bad.status, bad.error[0]) == (400, "invalid_argument")


def test_rules_refuse_delay_and_lose_answers(curl):
    """Vami rules: 503 by default, another standard error by name, or no answer."""
    client = curl()
    call = "POST /rest/appliance/services/vmcad/restart"
    for rule in (
        Rule(protocol="vami", call=call),
        Rule(protocol="vami", call=call, nth=2, detail="timed_out"),
        Rule(protocol="vami", call=call, nth=3, when=When.AFTER, effect=Effect.DROP),
    ):
        client.lab.faults.add(rule)
    before = len(board(client).started_log)

    answers = [client.ask("POST", "/appliance/services/vmcad/restart") for _ in range(3)]

    assert [answer.status for answer in answers] == [503, 504, 0]
    assert answers[0].error[0] == "service_unavailable"
    assert board(client).started_log[before:] == ["vmcad"]


def test_nobody_answers_while_the_node_is_off(tmp_path):
    """The port is closed from power off to the next boot, and opens again."""
    with Lab.build("embedded", "healthy", speed=2000, keys=shared_keys()) as lab:
        client = Curl(lab, VC1, tmp_path)
        lab.set_power(VC1, "cut")
        off = client.ask("GET", "/appliance/health/load").status
        lab.set_power(VC1, "on")
        lab.wait_settled()
        on = client.ask("GET", "/appliance/health/load").status

    assert (off, on) == (0, 200)
