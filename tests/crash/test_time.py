"""A run that takes days, and workstations whose clocks are wrong when they go on with it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from fault_bench import FaultBench
from lab_keys import shared_keys
from run_judge import stored_run
from stsfix.lab import judge, pki
from stsfix.lab.faults import Effect, Rule
from stsfix.lab.lab import Lab
from stsfix.lab.stores_plan import StoresPlan
from stsfix.lab.stores_trouble import tamper
from stsfix.lab.vecs import MACHINE_ALIAS, MACHINE_SSL
from stsfix.lab.vmca import vmca_files
from stsfix.remediation.errors import ClockSkewError, NodeTlsError, ProofError
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.records import Phase
from stsfix.snapshot.errors import HostTlsError

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("time")]

SNAPSHOTTED, EXPORTED, RESTARTED = 2, 4, 7
"""How many steps are done: with the nodes off, before the credential, before the logins."""

NODE = "vc1.lab.example"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One lab for the module."""
    with Lab.build("embedded", "expired", speed=2000, seed=5, keys=shared_keys()) as lab:
        bench = FaultBench(lab, tmp_path_factory.mktemp("lab"))
        bench(tmp_path_factory.mktemp("first"), "run", steps=0)
        yield bench


@pytest.fixture
def bench(shared):
    """The lab as it was."""
    shared.lab.restore(shared.saved)
    return shared


@pytest.fixture
def by_ca(bench):
    """The node's host, trusted by the CA instead of a pin, and what makes certificates for it that
    end in some days.
    """
    host = bench.lab.hosts[bench.lab.host_of(NODE)]
    disk = bench.lab.nodes[NODE].disk
    root, root_key = (disk.files[path].content for path in vmca_files(disk))
    issuer, key = x509.load_pem_x509_certificate(root), pki.new_key()
    issuer_key = pki.private_key(root_key)
    assert isinstance(issuer_key, rsa.RSAPrivateKey)

    def pair(days):
        leaf = pki.vmca_leaf(
            key,
            issuer=issuer,
            issuer_key=issuer_key,
            common_name=host.name,
            not_before=pki.days_from_now(-700),
            not_after=pki.days_from_now(days),
            names=[host.name],
        )
        return pki.key_pair(key, [leaf, issuer])

    shown, text = host.tls, bench.config.read_text("utf-8")
    head, table, rest = text.partition(f'host = "{host.name}"')
    bench.config.write_text(
        head + table + re.sub(r'tls = "[^"]*"', 'tls = "ca.pem"', rest, count=1), "utf-8"
    )
    yield host, pair
    host.show(shown)
    bench.config.write_text(text, "utf-8")


def test_a_run_resumed_on_a_wrong_clock_makes_no_certificate(bench, tmp_path):
    """It says by how much the clock is off; set right, the run goes on to its end."""
    assert isinstance(bench(tmp_path, "run", steps=EXPORTED), InterruptedRunError)
    before = judge.all_sts_entries(bench.lab)

    error = bench(tmp_path, "resume", ahead=timedelta(days=2))
    untouched = judge.all_sts_entries(bench.lab) == before

    assert isinstance(error, ClockSkewError)
    assert untouched
    assert bench(tmp_path, "resume") is None
    assert bench.judge.after_run(tmp_path)["tokens"] == [None]


def test_logins_on_a_wrong_clock_prove_nothing_and_harm_nothing(bench, tmp_path):
    """The STS refuses a request of yesterday; it is no refused password, and the message says
    whose clock is off.
    """
    assert isinstance(bench(tmp_path, "run", steps=RESTARTED), InterruptedRunError)

    error = bench(tmp_path, "resume", ahead=timedelta(days=-1))

    assert isinstance(error, ProofError)
    assert "clock" in str(error)
    assert bench(tmp_path, "resume") is None


def test_sessions_that_end_at_any_moment_are_opened_again(bench, tmp_path):
    """The host forgets its sessions right when it is asked to change something: nothing was done,
    so that it is asked once more, with a password that it took before.
    """
    (host,) = {bench.lab.host_of(fqdn) for fqdn in bench.lab.nodes}
    calls = ("ShutdownGuest", "CreateSnapshot_Task", "PowerOnVM_Task", "StartProgramInGuest")
    rules = [
        bench.lab.faults.add(
            Rule(
                protocol="soap",
                call=call,
                effect=Effect.MEANWHILE,
                others=bench.lab.hosts[host].service.expire_sessions,
            )
        )
        for call in calls
    ]

    error = bench(tmp_path, "run")
    bench.lab.faults.clear()

    assert error is None
    assert all(rule.seen > 1 for rule in rules)
    assert bench.judge.after_run(tmp_path)["tokens"] == [None]


@pytest.fixture
def away(bench):
    """Let a day pass on every clock, that of the workstation included, and return how many have."""
    hosts, passed = list(bench.lab.hosts.values()), [timedelta(0)]

    def a_day():
        passed[0] += timedelta(days=1)
        for host in hosts:
            host.clock_offset = passed[0]
            host.service.expire_sessions()
        for node in bench.lab.nodes.values():
            node.disk.clock_offset_s = passed[0].total_seconds()
        return passed[0]

    yield a_day
    for host in hosts:
        host.clock_offset = timedelta(0)


def test_a_run_that_takes_two_days_ends_like_any_other(bench, tmp_path, away):
    """Somebody went home with the nodes off, and again before the credential was written: nothing
    that was noted or read before is too old by then.
    """
    assert isinstance(bench(tmp_path, "run", steps=SNAPSHOTTED), InterruptedRunError)
    assert isinstance(bench(tmp_path, "resume", steps=2, ahead=away()), InterruptedRunError)

    error = bench(tmp_path, "resume", ahead=away())

    found, stored = bench.judge.after_run(tmp_path), stored_run(tmp_path)
    times = [record.at for record in stored.records if record.at is not None]
    assert error is None
    assert (found["phase"], found["tokens"], found["logins"]) == (Phase.REPAIRED, [None], [None])
    assert max(times) - min(times) > timedelta(days=2)


def test_a_node_whose_certificate_ends_meanwhile_gets_no_password(bench, tmp_path):
    """It ended while the node was off: nothing is sent, nobody is harmed, and once it is renewed
    the run goes on.
    """
    assert isinstance(bench(tmp_path, "run", steps=SNAPSHOTTED), InterruptedRunError)
    disk = bench.lab.nodes[NODE].disk
    sound = disk.vecs.find(MACHINE_SSL, MACHINE_ALIAS)
    tamper([disk], StoresPlan(entries={MACHINE_SSL: -1.0}))
    logins = bench.lab.faults.calls["ldap", "BIND", NODE]

    error = bench(tmp_path, "resume")

    assert isinstance(error, NodeTlsError)
    assert "certificate has expired" in str(error)
    assert bench.lab.faults.calls["ldap", "BIND", NODE] == logins
    disk.vecs.put(MACHINE_SSL, sound)
    for state in ("cut", "on"):
        bench.lab.set_power(NODE, state)
    assert bench(tmp_path, "resume") is None
    assert bench.judge.after_run(tmp_path)["tokens"] == [None]


def test_a_host_whose_certificate_ends_meanwhile_gets_no_password(bench, tmp_path, by_ca):
    """The nodes stay off until it is renewed or pinned: nothing else would be safe."""
    host, pair = by_ca
    host.show(pair(30.0))
    assert isinstance(bench(tmp_path, "run", steps=SNAPSHOTTED), InterruptedRunError)
    host.show(pair(-1.0))
    logins = bench.lab.faults.calls["soap", "Login", host.name]

    error = bench(tmp_path, "resume")

    assert isinstance(error, HostTlsError)
    assert "certificate has expired" in str(error)
    assert bench.lab.faults.calls["soap", "Login", host.name] == logins
    assert judge.power(bench.lab) == {NODE: "poweredOff"}
    host.show(pair(30.0))
    assert bench(tmp_path, "resume") is None
    assert bench.judge.after_run(tmp_path)["tokens"] == [None]
