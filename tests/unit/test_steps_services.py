"""Services are restarted in order, once, and what became of each node is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import sts_material
from restart_bench import NEW, OLD, OLD_SOUND, OURS, PSC1, PSC2, VC, RestartBench
from stsfix.remediation.errors import (
    ForeignEntriesError,
    ProofError,
    ServiceRestartError,
    SsoLoginError,
    TransportUnavailableError,
)
from stsfix.remediation.errors_run import RestartByHandError
from stsfix.remediation.model import LoginProof, Platform, Restart, Role
from stsfix.remediation.nodes.service_expectation import LeftDown, Why
from stsfix.remediation.ports import Observed
from stsfix.remediation.restarts import (
    COMMANDS,
    KEPT_WORDS,
    NodeRestart,
    Outcome,
    Seen,
    all_restarted,
    in_need,
    restart_waves,
)
from stsfix.remediation.steps.services import VerifyLogins
from worlds import Killed, node


@pytest.fixture
def bench():
    """Return two PSCs and a vCenter whose credential is written."""
    return RestartBench()


def test_the_writer_goes_alone_then_directories_then_vcenters(bench):
    """The node that was written to is proven before another one is touched."""
    waves = restart_waves(bench.context.spec)

    assert [[n.fqdn for n in wave] for wave in waves] == [[PSC1], [PSC2], [VC]]

    bench.do()
    assert bench.services.log == [PSC1, PSC2, VC]
    assert bench.probe() is Observed.COMPLETE


def test_one_embedded_node_is_one_wave():
    """Nobody else is waited for."""
    bench = RestartBench(node(VC))

    bench.do()

    assert bench.services.log == [VC]


def test_a_failure_on_the_writer_leaves_the_others_alone(bench):
    """Its services that did not start are noted; after a resume all goes on."""
    bench.services.broken[PSC1] = ("vmware-stsd", "vmdnsd")

    with pytest.raises(ServiceRestartError, match="vmware-stsd"):
        bench.do()

    assert bench.services.log == [PSC1]
    assert bench.of(PSC1) == NodeRestart(
        node=PSC1, outcome=Outcome.FAILED, down=("vmware-stsd", "vmdnsd")
    )
    assert bench.of(VC).outcome is Outcome.PENDING
    assert bench.probe() is Observed.REPEATABLE

    bench.services.broken.clear()
    bench.do()
    assert bench.services.log == [PSC1, PSC1, PSC2, VC]
    assert bench.of(PSC1).down == ()


def test_what_ran_before_the_first_attempt_is_told_to_every_later_one():
    """A resume finds everything stopped; the first listing is in the journal."""
    bench = RestartBench(node(VC))
    bench.services.running = ("vmafdd", "vmware-sts-idmd", "vmdnsd")
    bench.services.broken[VC] = ("vmware-stsd",)
    with pytest.raises(ServiceRestartError):
        bench.do()

    bench.services.running = ()
    bench.services.broken.clear()
    bench.do()

    assert bench.services.ran[VC] == [("vmafdd", "vmware-sts-idmd", "vmdnsd")] * 2


@pytest.mark.parametrize(
    ("planned", "noted"),
    [((), "vmafdd,eam"), (("vmafdd", "sps"), "vmafdd")],
    ids=["nobody-listed-them-before", "preflight-did"],
)
def test_what_was_starting_counts_where_preflight_could_not_tell(planned, noted):
    """After an attempt that broke off the listing says Stopped of it, too."""
    bench = RestartBench(replace(node(VC), ran=planned))
    bench.services.pending = ("eam",)

    bench.do()

    assert bench.noted[f"ran.{VC}"] == noted


def test_what_does_not_come_back_and_need_not_is_noted_and_told():
    """The run goes on, and says it at the end, too."""
    bench = RestartBench(node(VC))
    left = tuple(LeftDown(service=f"svc-{why}", why=why) for why in Why)
    bench.services.left = left

    bench.do()

    assert bench.of(VC).outcome is Outcome.RESTARTED
    assert bench.of(VC).left == left
    assert f"{VC} warning: svc-disabled did not come up: it is disabled" in bench.told


def test_what_could_not_be_stopped_counts_as_not_restarted():
    """It may hold what it loaded before: nothing that is trusted until then is removed."""
    bench = RestartBench(node(VC))
    bench.services.kept = ("vpxd",)

    bench.do()

    assert bench.of(VC).outcome is Outcome.RESTARTED
    assert bench.of(VC).kept == ("vpxd",)
    assert f"{VC} warning: vpxd {KEPT_WORDS}" in bench.told
    assert not all_restarted([node(VC)], bench.noted)


def test_a_reason_of_another_version_is_read():
    """A run of a later version says more than this one knows."""
    bench = RestartBench(node(VC))
    bench.noted[f"left.{VC}"] = "eam:novel,sps"

    assert bench.of(VC).left == (
        LeftDown(service="eam", why=Why.UNKNOWN),
        LeftDown(service="sps", why=Why.UNKNOWN),
    )


def test_nodes_of_a_wave_that_fail_together_are_all_told():
    """The first is the error; the others' services and log lines are told and noted."""
    first, *others = (node(f"vc{n}.lab.example") for n in (1, 2, 3))
    bench = RestartBench(first, *others)
    bench.services.broken = {n.fqdn: ("vpxd",) for n in others}

    with pytest.raises(ServiceRestartError, match=r"vc2\.lab"):
        bench.do()

    assert [bench.of(n.fqdn).outcome for n in others] == [Outcome.FAILED] * 2
    assert "vc3.lab.example did NOT start: vpxd" in bench.told
    assert "vc3.lab.example log of vc3.lab.example" in bench.told


def test_a_node_that_is_done_is_not_restarted_again(bench):
    """A resume goes on with the others."""
    bench.services.broken[VC] = ("vpxd",)
    with pytest.raises(ServiceRestartError):
        bench.do()
    bench.services.broken.clear()

    bench.do()

    assert bench.services.log == [PSC1, PSC2, VC, VC]


def test_what_came_up_with_the_restart_is_noted(bench):
    """With an expired certificate vpxd was down before."""
    bench.services.stopped[VC] = ("vpxd", "vsphere-ui")

    bench.do()

    found = bench.of(VC)
    assert (found.outcome, found.started) == (Outcome.RESTARTED, ("vpxd", "vsphere-ui"))
    assert found.at == bench.noted[f"restarted.{VC}"]


def by_hand(bench, *nodes):
    """Let *nodes* have no transport, and stop the run at them."""
    bench.services.by_hand = set(nodes)
    with pytest.raises(RestartByHandError) as caught:
        bench.do()
    return caught.value


def test_the_run_stops_for_nodes_without_transport(bench):
    """The others are restarted; what to type where is said, in the order of the waves."""
    error = by_hand(bench, PSC2, VC)

    assert bench.services.log == [PSC1]
    assert error.nodes == (PSC2, VC)
    assert error.commands == (COMMANDS[Platform.APPLIANCE],) * 2
    assert bench.of(PSC2).outcome is Outcome.ASKED
    assert bench.of(PSC2).command == "service-control --stop --all && service-control --start --all"
    assert bench.probe() is Observed.REPEATABLE
    assert bench.services.violations == []


def test_a_vcenter_waits_for_a_psc_that_waits_for_a_person(bench):
    """Its services would log in through that one; after the person it is restarted as usual."""
    error = by_hand(bench, PSC1)

    assert bench.services.log == [PSC2]
    assert error.nodes == (PSC1,)

    bench.do()

    assert bench.services.log == [PSC2, VC]
    assert bench.of(PSC1).outcome is Outcome.BY_HAND
    assert bench.probe() is Observed.COMPLETE


def test_a_person_is_not_believed(bench):
    """A node whose STS does not sign with the new leaf is not restarted, whatever was typed."""
    by_hand(bench, PSC2)
    bench.leaves[PSC2] = OLD.chain[0]

    with pytest.raises(RestartByHandError, match=PSC2) as caught:
        bench.do()

    assert any("sts-token" in line and PSC2 in line for line in caught.value.evidence)
    assert bench.of(PSC2).outcome is Outcome.ASKED

    bench.leaves[PSC2] = NEW.chain[0]
    bench.do()
    assert bench.probe() is Observed.COMPLETE


def test_a_vcenter_is_proven_by_a_token_of_its_sts(bench):
    """It has no STS of its own: it has to take tokens of the new leaf."""
    by_hand(bench, VC)
    bench.logins.trusted[VC] = {OLD.chain[0]}

    with pytest.raises(RestartByHandError) as caught:
        bench.do()

    assert f"{VC}: login-by-token" in caught.value.evidence[0]


@pytest.mark.parametrize(
    ("cycles", "booted", "seen"),
    [
        ((9, 2), 0, Seen.VMDIRD),
        ((9, 9), 0, Seen.LOGINS),
        ((9, 30), 0, Seen.LOGINS),
        ((9, None), 0, Seen.LOGINS),
        ((None, 4), 0, Seen.LOGINS),
        ((9, 30), 24, Seen.POWERED_ON),
        ((9, 30), 0.01, Seen.LOGINS),
        ((9, 30), -24, Seen.LOGINS),
    ],
    ids=[
        "counts-anew",
        "as-before",
        "goes-on",
        "unknown-now",
        "unknown-before",
        "powered-on",
        "told anew by a clock that was corrected",
        "told anew by a clock that was set back",
    ],
)
def test_what_tells_of_a_restart_is_noted_and_what_cannot_be_seen_is_said(
    bench, cycles, booted, seen
):
    """Logins prove that the new credential is in use, not that every service was restarted."""
    bench.domain.nodes[PSC2].cycles = cycles[0]
    by_hand(bench, PSC2)
    bench.domain.nodes[PSC2].cycles = cycles[1]
    bench.booted = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(hours=booted)

    bench.do()

    assert bench.of(PSC2).seen is seen
    assert any(line.startswith(f"{PSC2} counts as restarted by hand: ") for line in bench.told)


def test_what_a_node_told_before_is_noted_once(bench):
    """A second stop does not take what a restart has changed for what was there before."""
    bench.domain.nodes[PSC2].cycles = 9
    by_hand(bench, PSC2)
    bench.domain.nodes[PSC2].cycles = 2
    bench.logins.fail("metadata", PSC2, ProofError(PSC2, "metadata", "HTTP 503"), times=99)
    by_hand(bench, PSC2)

    assert bench.noted[f"cycles.{PSC2}"] == "9"


def test_a_windows_node_is_told_in_its_own_words():
    """The folder is the default of the installer."""
    windows = replace(node(VC, Role.VCENTER), platform=Platform.WINDOWS)
    bench = RestartBench(node(PSC1, Role.PSC), windows)

    error = by_hand(bench, VC)

    assert error.commands[0].startswith(
        'cd /d "C:\\Program Files\\VMware\\vCenter Server\\bin" && '
    )


VC2 = "vc2.lab.example"


def linked(**changes):
    """Return two linked nodes of which only those in need are to be restarted."""
    bench = RestartBench(node(VC), node(VC2), **changes)
    bench.context = replace(bench.context, spec=replace(bench.context.spec, restart=Restart.NEEDED))
    return bench


def test_nobody_is_restarted_where_every_way_in_works():
    """What was left alone is noted and told, and each vCenter took a token of each STS."""
    bench = linked()

    bench.do()

    assert bench.services.log == []
    assert bench.of(VC).outcome is bench.of(VC2).outcome is Outcome.NOT_NEEDED
    assert bench.logins.calls.count(("login-by-token", VC)) == 2
    assert any("not restarted" in line for line in bench.told)
    assert bench.probe() is Observed.COMPLETE


def test_an_sts_that_keeps_its_certificate_is_restarted_alone():
    """The others are proven after it, and left alone."""
    bench = linked()
    bench.leaves[VC2] = OLD.chain[0]
    bench.services.restarted = lambda fqdn: (
        bench.services.log.append(fqdn),
        bench.leaves.update({fqdn: NEW.chain[0]}),
    )

    bench.do()

    assert bench.services.log == [VC2]
    assert bench.of(VC).outcome is Outcome.NOT_NEEDED
    assert bench.of(VC2).outcome is Outcome.RESTARTED


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "not-listed"])
def test_a_restart_that_broke_off_is_made_again_first(listed):
    """Over VAMI each service is stopped by a call of ours: who dies between two leaves vmdird
    stopped, and without it nothing tells what has to be proven.
    """
    bench = linked()
    bench.leaves[VC] = OLD.chain[0]
    read = bench.services.read_services

    def lists(node, **limit):
        if node.fqdn == VC and not listed:
            raise TransportUnavailableError(VC, "ssh", "no answer")
        return read(node, **limit)

    bench.services.read_services = lists

    def dies(fqdn):
        bench.domain.down.add(fqdn)
        raise Killed

    bench.services.restarted = dies
    with pytest.raises(Killed):
        bench.do()
    bench.services.restarted = lambda fqdn: (
        bench.services.log.append(fqdn),
        bench.domain.down.clear(),
        bench.leaves.update({fqdn: NEW.chain[0]}),
    )

    bench.do()

    assert bench.services.log == [VC]
    assert bench.of(VC).outcome is Outcome.RESTARTED
    assert bench.of(VC2).outcome is Outcome.NOT_NEEDED


def test_a_vcenter_that_refuses_the_token_of_a_partner_is_restarted():
    """Its own STS would be taken; linked mode would not work."""
    bench = linked()
    before = bench.logins.login_by_token

    def login_by_token(fqdn, *, sts):
        token = before(fqdn, sts=sts)
        if (fqdn, sts) == (VC, VC2) and VC not in bench.services.log:
            raise ProofError(fqdn, "login-by-token", "InvalidLogin")
        return token

    bench.logins.login_by_token = login_by_token

    bench.do()

    assert bench.services.log == [VC]


def late_sts(times):
    """Return linked nodes of which the second's STS keeps its certificate, comes late from its
    restart, and has its tokens refused by the first until that is restarted.
    """
    bench = linked()
    bench.leaves[VC2] = OLD.chain[0]
    took = bench.logins.login_by_token

    def restarted(fqdn):
        bench.services.log.append(fqdn)
        if fqdn == VC2:
            bench.leaves[VC2] = NEW.chain[0]
            bench.logins.fail("sts-token", VC2, ProofError(VC2, "sts-token", "503"), times=times)

    def login_by_token(fqdn, *, sts):
        token = took(fqdn, sts=sts)
        if (fqdn, sts) == (VC, VC2) and VC not in bench.services.log:
            raise SsoLoginError(fqdn, "administrator", "InvalidLogin")  # ends its way at once
        return token

    bench.services.restarted, bench.logins.login_by_token = restarted, login_by_token
    return bench


def test_nobody_is_left_alone_before_a_restarted_sts_has_come():
    """Who refuses its tokens is seen only then, and is restarted."""
    bench = late_sts(times=6)

    bench.do()

    assert bench.services.log == [VC2, VC]
    assert bench.of(VC).outcome is Outcome.RESTARTED


def test_nobody_is_called_proven_while_a_restarted_sts_fails():
    """It stays failed for longer than services may take: the run ends, and says which way."""
    bench = late_sts(times=99)

    with pytest.raises(ProofError, match="sts-token") as caught:
        bench.do()

    assert caught.value.node == VC2
    assert bench.of(VC).outcome is Outcome.PENDING
    assert bench.services.log == [VC2]


@pytest.mark.parametrize("restart", Restart)
def test_the_last_proof_goes_across_where_services_were_left_alone(restart):
    """A vCenter that was not restarted has to take a token of every STS, and a refusal is what
    stays noted of that way; after a restart of all its own STS is enough.
    """
    bench = linked()
    bench.context = replace(bench.context, spec=replace(bench.context.spec, restart=restart))
    took = bench.logins.login_by_token

    def login_by_token(fqdn, *, sts):
        token = took(fqdn, sts=sts)
        if (fqdn, sts) == (VC2, VC):
            raise ProofError(fqdn, "login-by-token", "InvalidLogin")
        return token

    bench.logins.login_by_token = login_by_token
    step = VerifyLogins(bench.context, lambda: OURS, lambda _: ())

    if restart is Restart.NEEDED:
        with pytest.raises(ProofError, match="InvalidLogin"):
            step.do({}, bench.noted.__setitem__)
        assert bench.noted[f"login-by-token.{VC2}"] == "failed"
    else:
        step.do({}, bench.noted.__setitem__)
        assert bench.noted[f"login-by-token.{VC2}"] == "ok"


def test_no_way_in_is_tried_where_the_new_credential_is_gone():
    """There is nothing to prove, and somebody else took it away: vmdird refused nothing."""
    bench = linked()

    with pytest.raises(ForeignEntriesError, match=f"{PSC1}|{VC}") as caught:
        VerifyLogins(bench.context, lambda: frozenset({"ab" * 32}), lambda _: ()).do(
            {}, bench.noted.__setitem__
        )

    assert caught.value.gone


def test_no_way_in_is_tried_while_another_credential_signs():
    """None would show ours, however long it were tried; whose signs is told at once."""
    bench = linked()
    bench.domain.seed(9, sts_material.credential("somebody else's"))
    verify = VerifyLogins(bench.context, lambda: OURS, lambda _: ())

    with pytest.raises(
        ForeignEntriesError, match="TenantCredential-9 signs, not TenantCredential-2"
    ):
        verify.do({}, bench.noted.__setitem__)
    with pytest.raises(ForeignEntriesError, match="TenantCredential-9 signs"):
        bench.do()

    assert bench.logins.calls == []
    assert bench.services.log == []


@pytest.mark.parametrize("old", [OLD, OLD_SOUND], ids=["expired", "sound"])
@pytest.mark.parametrize("stopped", [("vsphere-ui",), ("vmware-vpxd",)])
def test_a_node_whose_services_are_down_is_restarted(stopped, old):
    """Whatever the STS says now; the other one is left alone."""
    bench = linked(old=old)
    bench.services.stopped[VC] = (*stopped, "vmcam")

    bench.do()

    assert bench.services.log == [VC]
    assert bench.of(VC2).outcome is Outcome.NOT_NEEDED


@pytest.mark.parametrize("late", [False, True])
def test_what_ran_at_preflight_and_gave_up_at_power_on_is_a_reason_to_restart(late):
    """Every way in works without it. One that only comes late is waited for instead, and what was
    stopped before, or a person starts, is no reason.
    """
    bench = linked()
    nodes = [replace(n, ran=("vmware-eam", "vmcam")) for n in bench.context.spec.nodes]
    bench.context = replace(bench.context, spec=replace(bench.context.spec, nodes=tuple(nodes)))
    bench.services.stopped = {VC: ("eam", "sps", "vmcam"), VC2: ("sps", "vmcam")}
    listed = bench.services.read_services

    def read_services(of, **limits):
        if late and bench.context.clock.monotonic() >= began + 5:
            bench.services.stopped[VC] = ("sps", "vmcam")
        return listed(of)

    began = bench.context.clock.monotonic()
    bench.services.read_services = read_services

    bench.do()

    assert bench.services.log == ([] if late else [VC])
    assert bench.of(VC).outcome is (Outcome.NOT_NEEDED if late else Outcome.RESTARTED)
    assert bench.of(VC2).outcome is Outcome.NOT_NEEDED
    told = f"{VC} needs a restart: not running, as it did before the run: eam"
    assert (told in bench.told) is not late
    waited = bench.context.clock.monotonic() - began
    assert waited == (5 if late else bench.context.limits.logins.total_seconds())


def test_what_gave_up_at_power_on_is_not_waited_for():
    """With an expired certificate vpxd will not come: it is restarted before anything is proven."""
    bench = linked()
    bench.services.stopped[VC] = ("vmware-vpxd",)
    bench.services.restarted = lambda fqdn: (
        bench.services.log.append(fqdn),
        bench.logins.calls.append(("restart", fqdn)),
    )
    began = bench.context.clock.monotonic()

    bench.do()

    ways = [way for way, _ in bench.logins.calls]
    assert "sts-token" not in ways[: ways.index("restart")]
    assert bench.context.clock.monotonic() == began


def test_a_node_whose_services_cannot_be_listed_is_restarted():
    """Nobody knows then, and the restart says why."""
    bench = linked()
    listed = bench.services.read_services

    def read_services(of, **limits):
        if of.fqdn == VC2 and VC2 not in bench.services.log:
            raise TransportUnavailableError(VC2, "SSH", "connection refused")
        return listed(of)

    bench.services.read_services = read_services

    bench.do()

    assert bench.services.log == [VC2]


def test_a_node_that_is_not_in_need_is_not_asked_for():
    """A person is spared what no proof asks for."""
    bench = linked()
    bench.services.by_hand = {VC2}

    bench.do()

    assert bench.of(VC2).outcome is Outcome.NOT_NEEDED


def test_a_person_is_asked_where_the_proof_fails_and_the_proof_ends_it():
    """The same proof that asks for a restart by hand tells that it was done."""
    bench = linked()
    bench.leaves[VC2] = OLD.chain[0]
    error = by_hand(bench, VC2)
    assert error.nodes == (VC2,)
    bench.leaves[VC2] = NEW.chain[0]

    bench.do()

    assert bench.of(VC2).outcome is Outcome.BY_HAND
    assert bench.of(VC).outcome is Outcome.NOT_NEEDED
    assert bench.services.log == []


@pytest.mark.parametrize(
    ("old", "patience_s"), [(OLD, 3), (OLD_SOUND, 60)], ids=["expired", "sound"]
)
def test_late_services_are_waited_for_unless_they_gave_up(old, patience_s):
    """With an old certificate that still works vpxd only needs its time after power-on."""
    bench = linked(old=old)
    limits = replace(bench.context.limits, logins=timedelta(seconds=60))
    bench.context = replace(bench.context, limits=limits)
    late = ProofError(VC, "login", "503")
    bench.logins.fail("login", VC, late, times=patience_s + 1)
    began = bench.context.clock.monotonic()

    bench.do()

    assert bench.services.log == [VC]
    assert bench.context.clock.monotonic() - began == pytest.approx(patience_s, abs=2)


def test_a_token_of_a_broken_sts_proves_nothing_of_a_vcenter():
    """Only the STS is in need; a refusal of a sound one's token is the vCenter's own."""
    failed = LoginProof(node=VC2, way="sts-token", ok=False, detail="old leaf")
    refused = LoginProof(node=VC, way="login-by-token", ok=False, detail="InvalidLogin", sts=VC2)

    assert in_need([failed, refused]) == {VC2: "sts-token: old leaf"}
    assert in_need([refused]) == {VC: "login-by-token: InvalidLogin"}
