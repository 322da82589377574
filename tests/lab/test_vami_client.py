"""VAMI of the lab by the product: one attempt, sessions that end, services that restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from lab_keys import shared_keys
from ssh_client import NODE
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.lab import Lab
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.topology import TOPOLOGIES
from stsfix.remediation.errors import (
    LoginRefusal,
    NodeLoginError,
    NodeTlsError,
    NoShellError,
    ServiceRestartError,
    TransportUnavailableError,
)
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.nodes.node_facts import Management, Unread
from stsfix.remediation.nodes.service_expectation import LeftDown, Why
from stsfix.remediation.nodes.vami_answers import HEALTH, SESSION, UNITS, VERSION, parse_text
from stsfix.remediation.transports.attempts import Attempts
from stsfix.remediation.transports.service_control import PolledServiceControl
from stsfix.remediation.transports.vami import Refusal, Vami
from stsfix.remediation.transports.vami_look import ManagementLook
from stsfix.remediation.transports.vami_services import VamiWay
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

pytestmark = pytest.mark.lab

CLOCK = SystemClock()
LIMIT = timedelta(seconds=60)


class World:
    """The first node of a lab and its interface."""

    def __init__(self, lab, folder):
        self.lab = lab
        self.fqdn = next(iter(lab.nodes))
        self.disk = lab.nodes[self.fqdn].disk
        ca = folder / "ca.pem"
        ca.write_bytes(lab.ca_pem)
        self.endpoint = Endpoint(
            name=self.fqdn,
            address="127.0.0.1",
            port=lab.network.ports[self.fqdn].vami,
            trust=Trust(ca_file=ca),
            read_timeout_s=20.0,
        )
        self.plan = NodePlan(fqdn=self.fqdn, role=Role(self.disk.role.value), vm=NODE.vm)

    def vami(self, *, password=None, endpoint=None):
        secret = Secret(password or self.lab.passwords.nodes[self.fqdn])
        return Vami(endpoint or self.endpoint, "root", secret, CLOCK)

    @property
    def control(self):
        way = VamiWay(lambda fqdn: self.vami(), CLOCK)
        return PolledServiceControl(way, clock=CLOCK, poll=timedelta(milliseconds=50))

    @property
    def board(self):
        board = self.lab.nodes[self.fqdn].board
        assert board is not None
        return board

    def calls(self, call):
        return self.lab.faults.calls["vami", call, self.fqdn]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A healthy lab of 6.7, whose STS is two units, and whose nodes are reached by VAMI only."""
    sound = SCENARIOS["healthy"].credentials
    scenario = replace(SCENARIOS["vami-only"], credentials=sound, version="6.7")
    with Lab(TOPOLOGIES["embedded"], scenario, speed=2000, seed=1, keys=shared_keys()) as lab:
        yield World(lab, tmp_path_factory.mktemp("vami"))


@pytest.fixture
def world(shared):
    """The lab without faults and failed logins."""
    shared.lab.faults.clear()
    shared.disk.failed_logins = 0
    return shared


def test_a_session_is_opened_and_deleted(world):
    """Once each, whatever is asked in between."""
    before = world.calls(f"POST {SESSION}"), world.calls(f"DELETE {SESSION}")

    with world.vami() as vami:
        colour = vami.get(HEALTH)
        vami.get(UNITS)

    assert not isinstance(colour, Refusal)
    assert parse_text(colour) == "green"
    after = world.calls(f"POST {SESSION}"), world.calls(f"DELETE {SESSION}")
    assert after == (before[0] + 1, before[1] + 1)


def test_where_there_are_no_sessions_each_request_logs_in(world):
    """404 to the login is an older interface, not a refusal."""
    world.lab.faults.add(Rule(protocol="vami", call=f"POST {SESSION}", detail="not_found", times=9))

    with world.vami() as vami:
        assert not isinstance(vami.get(HEALTH), Refusal)


def test_a_refused_password_is_sent_once(world):
    """401: one attempt, counted once by the node."""
    with pytest.raises(NodeLoginError) as caught, world.vami(password="wrong"):
        pass

    assert caught.value.refusal is LoginRefusal.REFUSED
    assert world.disk.failed_logins == 1


def test_an_expired_password_is_called_so(tmp_path):
    """The one reason that the interface tells."""
    with (
        Lab.build("embedded", "root-password-expired", speed=2000, keys=shared_keys()) as lab,
        pytest.raises(NodeLoginError) as caught,
        World(lab, tmp_path).vami(),
    ):
        pass

    assert caught.value.refusal is LoginRefusal.EXPIRED


def test_an_untrusted_certificate_gets_no_password(world):
    """Nothing is sent to who cannot prove to be the node."""
    before = world.calls(f"POST {SESSION}")
    other = replace(world.endpoint, trust=Trust(sha256="ab" * 32))

    with pytest.raises(NodeTlsError), world.vami(endpoint=other):
        pass

    assert world.calls(f"POST {SESSION}") == before


def test_an_interface_that_is_down_is_unavailable(world):
    """503, and nothing was decided about the password."""
    world.lab.faults.add(Rule(protocol="vami", call=f"POST {SESSION}"))

    with pytest.raises(TransportUnavailableError), world.vami():
        pass


def test_a_forgotten_session_is_opened_again(world):
    """Applmgmt that restarted knows no sessions: the call is made with a new one."""
    with world.vami() as vami:
        applmgmt = world.board.find("applmgmt")
        world.board.stop(applmgmt)
        world.board.start(applmgmt)

        assert not isinstance(vami.get(HEALTH), Refusal)


def test_a_lost_answer_is_seen_in_the_listing(world):
    """A stop whose answer is lost was made; the restart goes on and ends well."""
    board = world.board
    call = "POST /rest/appliance/vmon/service/vpxd/stop"
    world.lab.faults.add(Rule(protocol="vami", call=call, when=When.AFTER, effect=Effect.DROP))
    before = board.started_log.count("vmware-vpxd")

    report = world.control.restart_all(world.plan, limit=LIMIT)

    assert "vpxd" in report.running
    assert board.started_log.count("vmware-vpxd") == before + 1


def test_a_first_start_that_fails_is_tried_again(world):
    """Vpxd may fail while others still come up."""
    world.lab.faults.add(Rule(protocol="guest", call="start vmware-vpxd", times=1))

    assert "vpxd" in world.control.restart_all(world.plan, limit=LIMIT).running


def test_what_answers_is_left_running(world):
    """The interface restarts neither itself nor what it needs."""
    board = world.board
    before = list(board.started_log)

    world.control.restart_all(world.plan, limit=LIMIT)

    started = board.started_log[len(before) :]
    assert not {"applmgmt", "lwsmd"} & set(started)
    assert {"vmdird", "vmafdd", "vmware-stsd", "vmware-vpxd", "vsphere-ui"} <= set(started)
    assert started.index("vmdird") < started.index("vmware-stsd") < started.index("vmware-vpxd")


def test_after_an_attempt_that_broke_off_all_runs_that_ran(world):
    """A workstation that died left everything stopped: the identity service of 6.7 comes back,
    without which its STS does not start, and so does what systemd or vMon starts by no listing.
    """
    board = world.board
    board.start(board.find("vmware-netdumper"))
    ran = board.running()
    for service in reversed(board.services):
        if service.name not in {"applmgmt", "lwsmd"}:
            board.stop(service)

    world.control.restart_all(world.plan, limit=LIMIT, ran=ran)

    assert board.running() == ran
    assert {"vmware-sts-idmd", "vmdnsd", "vmware-netdumper"} <= set(ran)


def test_what_somebody_disabled_stays_down_and_what_ran_before_the_run_is_missed(world):
    """The first is told by vMon; the second gave up at power-on, preflight had seen it run."""
    board = world.board
    world.disk.disabled.add("vsphere-ui")
    world.lab.faults.add(Rule(protocol="guest", call="start pschealth", times=10_000))
    planned = replace(world.plan, ran=("vmafdd", "pschealth"))
    board.stop(board.find("pschealth"))

    with pytest.raises(ServiceRestartError) as caught:
        world.control.restart_all(planned, limit=timedelta(seconds=4))
    world.lab.faults.clear()
    report = world.control.restart_all(planned, limit=LIMIT)

    world.disk.disabled.clear()
    board.start(board.find("vsphere-ui"))  # the other tests have the same node
    assert caught.value.stopped == ("pschealth",)
    assert caught.value.evidence[0] == "pschealth ran before the run"
    assert report.left == (LeftDown(service="vsphere-ui", why=Why.DISABLED),)
    assert "pschealth" in report.running


def test_6_5_cannot_restart_its_sts_from_here(tmp_path):
    """Nothing is stopped: the interface of 6.5 knows vMon's services only."""
    with Lab.build("embedded", "old-server", speed=2000, keys=shared_keys()) as lab:
        world = World(lab, tmp_path)
        board = world.board
        before = list(board.started_log)

        with pytest.raises(NoShellError, match="restart its STS"):
            world.control.restart_all(world.plan, limit=LIMIT)

        assert board.started_log == before


def test_release_and_health_are_read(world):
    """As the lab's appliance has them, in one session."""
    before = world.calls(f"POST {SESSION}")

    told = ManagementLook(lambda fqdn: world.vami(), Attempts()).read(world.plan)

    assert told == Management(version="6.7.0.40000", health="green")
    assert world.calls(f"POST {SESSION}") == before + 1


@pytest.mark.parametrize("path", [VERSION, HEALTH])
def test_what_the_interface_does_not_tell_is_unread(world, path):
    """An older one has no such path; the other answer is there all the same."""
    world.lab.faults.add(Rule(protocol="vami", call=f"GET {path}", detail="not_found"))

    told = ManagementLook(lambda fqdn: world.vami(), Attempts()).read(world.plan)

    unread = told.version if path == VERSION else told.health
    assert isinstance(unread, Unread)
    assert path in unread.reason
    assert {told.version, told.health} & {"6.7.0.40000", "green"}
