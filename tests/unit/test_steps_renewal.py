"""Renewing certificates: what is written where, in which order, and what stops it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memory_node import Fault
from renewal_bench import MACHINE, VPXD, Bench
from renewal_worlds import MACHINE_IDS, VC1, VC2, entry, issued
from stsfix.remediation.errors import (
    DirectoryFaultError,
    ProofError,
    ReplicationOverdueError,
    VecsError,
    VmcaError,
)
from stsfix.remediation.model import Renew
from stsfix.remediation.nodes.extensions import thumbprint
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.ports import Observed
from stsfix.remediation.steps.handshakes import prove_shown


@pytest.fixture
def bench():
    """Machine certificate and vpxd of the first node have expired."""
    return Bench()


def test_expired_certificates_are_renewed_and_everybody_knows(bench):
    """Stores, backups, accounts and trust anchors on every node; nothing else changes."""
    bench.do(bench.renewing())

    bench.assert_renewed()
    assert bench.stores.written == [(VC1, VPXD), (VC1, MACHINE)]
    assert bench.stores.swept == [VC1]


def test_a_fingerprint_is_noted_before_anything_is_written(bench):
    """Who dies right after writing knows that the entry is its own."""
    bench.do(bench.renewing())

    order = bench.killer.passed
    for store in (VPXD, MACHINE):
        noted = order.index(f"after note issued.1.{store}.{VC1}")
        assert noted < order.index(f"before {store} on {VC1}")
    assert order.index(f"after {MACHINE} on {VC1}") < order.index("before replace_certificate")


def test_the_machine_certificate_itself_is_noted(bench):
    """A later process believes it, and nobody else's."""
    bench.do(bench.renewing())

    assert bench.shown() == (bench.leaf(MACHINE),)


def test_how_long_they_live_is_noted_and_told(bench):
    """As read from the certificate, not as it was asked for."""
    bench.do(bench.renewing())

    assert bench.noted[f"ends.{MACHINE}.{VC1}"] == "2032-05-15"
    assert any("renewed vpxd, until" in line for line in bench.told)


def test_all_renews_what_is_in_its_time_too():
    """On both nodes."""
    bench = Bench(ends={}, renew=Renew.ALL)

    bench.do(bench.renewing())

    assert {node for node, _ in bench.stores.written} == {VC1, VC2}
    assert len(bench.stores.written) == 6


def test_doing_it_again_writes_nothing(bench):
    """What is ours is left as it is."""
    bench.do(bench.renewing())
    written, passed = list(bench.stores.written), len(bench.killer.passed)

    assert bench.probe(bench.renewing()) is Observed.REPEATABLE
    bench.do(bench.renewing())

    assert bench.stores.written == written
    assert bench.killer.passed[passed:] == []
    bench.assert_renewed()


def test_a_trust_anchor_that_was_stale_before_is_mended(bench):
    """The endpoint names the certificate that the node shows from now on."""
    stale = issued("stale", -400)
    for node in bench.domain.nodes.values():
        held = node.certificates
        service = held.registrations[0]
        endpoint = replace(service.endpoints[0], trust=(stale,))
        node.certificates = replace(
            held, registrations=(replace(service, endpoints=(endpoint,)), *held.registrations[1:])
        )

    bench.do(bench.renewing())

    assert bench.trusted() == (bench.leaf(MACHINE),)


EXTENSION = "vpxd-extension"


def extending(**changes):
    """Return a bench whose vpxd-extension has expired, and that vCenter's extensions know it."""
    bench = Bench(ends={EXTENSION: -1.0}, users=("machine", VPXD, EXTENSION), **changes)
    old = thumbprint(bench.leaf(EXTENSION))
    bench.extensions.known[VC1] = {"com.vmware.vim.eam": old, "com.acme.backup": "ab" * 20}
    return bench


def test_extensions_that_log_in_as_vpxd_extension_know_the_new_certificate():
    """Only those that knew the old one; others are their owners'."""
    bench = extending()

    bench.do(bench.renewing())
    bench.do(bench.renewing())

    new = thumbprint(bench.leaf(EXTENSION))
    assert bench.extensions.known[VC1] == {"com.vmware.vim.eam": new, "com.acme.backup": "ab" * 20}


def test_a_database_that_cannot_be_written_is_told_and_stops_nothing():
    """VCert can do it later; logins do not depend on it."""
    bench = extending()
    bench.extensions.refusal = "no such database"

    bench.do(bench.renewing())

    bench.assert_renewed()
    assert bench.noted[f"extensions.{EXTENSION}.{VC1}"] == "unknown"
    assert any("no such database" in line for line in bench.told)


# ------------------------------------------------------------------ what stops it


@pytest.mark.parametrize("store", [MACHINE, VPXD])
def test_an_entry_that_somebody_else_changed_stops_it(bench, store):
    """It is theirs; nothing of it is written, and a probe cannot settle it."""
    bench.stores.add(VC1, entry(store, issued("theirs", 300)))

    assert bench.probe(bench.renewing()) is Observed.UNCLEAR
    with pytest.raises(VecsError, match="changed by somebody else"):
        bench.do(bench.renewing())

    assert (VC1, store) not in bench.stores.written


@pytest.mark.parametrize("store", [MACHINE, VPXD])
def test_an_entry_that_is_gone_and_was_never_ours_stops_it(bench, store):
    """Only a run deletes entries to create them again: what became of it is for a person."""
    entry = next(e for e in bench.before.values() if e.store == store)
    bench.stores.lose(VC1, store, entry.alias)

    assert bench.probe(bench.renewing()) is Observed.UNCLEAR
    with pytest.raises(VecsError, match="changed by somebody else"):
        bench.do(bench.renewing())


def test_a_vmca_that_does_not_sign_stops_it_before_anything_is_written(bench):
    """Its own words come through."""
    bench.authority.refusal = "policy said no"

    with pytest.raises(VmcaError, match="policy said no"):
        bench.do(bench.renewing())

    assert bench.stores.written == []
    assert bench.noted == {}


def with_two_names():
    """Return a bench whose machine certificate has a name besides its node's."""
    bench = Bench()
    both = issued("vc1", -1, names=("alias.example", VC1))
    bench.stores.add(VC1, entry(MACHINE, both))
    bench.plan = replace(
        bench.plan,
        planned=tuple(
            replace(p, renewal=replace(p.renewal, sha256=fingerprint(both)))
            if p.renewal.is_machine
            else p
            for p in bench.plan.planned
        ),
    )
    bench.context = bench._context()
    return bench


def refusing(bench, times):
    """Let VMCA refuse several names so many times; return the list of what it was asked for as
    the machine certificate.
    """
    sign, asked = bench.authority.sign, []

    def strict(node, request):
        if request.common_name == VC1:
            asked.append(request.dns_names)
        if len(request.dns_names) > 1 and len(asked) <= times:
            raise VmcaError(node.fqdn, "certool said 'error 382312694'")
        return sign(node, request)

    bench.authority.sign = strict
    return asked


def test_a_vmca_that_refuses_several_names_is_asked_for_the_pnid_alone():
    """VMCA does so unless its option multiplesan is on; what is lost is told, with its words."""
    bench = with_two_names()
    asked = refusing(bench, 99)

    bench.do(bench.renewing())

    assert asked == [("alias.example", VC1)] * 2 + [(VC1,)]
    told = "without the names alias.example: VMCA did not sign all names (certool said 'error 382"
    assert any(told in line for line in bench.told)


def test_a_vmca_that_fails_once_costs_no_name():
    """Whatever it fails for: it is waited for and asked for all names again."""
    bench = with_two_names()
    bench.authority.starts_after = 3
    asked = refusing(bench, 1)

    bench.do(bench.renewing())

    assert asked == [("alias.example", VC1)] * 2
    assert not any("without" in line for line in bench.told)
    bench.assert_renewed()


def test_a_vmca_that_dies_meanwhile_costs_no_name():
    """One that does not answer has refused nothing: the step stops and can be repeated."""
    bench = with_two_names()
    sign = bench.authority.sign

    def dying(node, request):
        if len(request.dns_names) == 1:
            return sign(node, request)
        bench.authority.starts_after = 10_000
        raise VmcaError(node.fqdn, "RPC server unavailable")

    bench.authority.sign = dying

    with pytest.raises(VmcaError, match="does not answer"):
        bench.do(bench.renewing())

    assert (VC1, MACHINE) not in bench.stores.written


def test_a_vmca_that_is_still_starting_is_waited_for(bench):
    """The node was powered on a moment ago."""
    bench.authority.starts_after = 5

    bench.do(bench.renewing())

    bench.assert_renewed()


def test_stores_that_never_answer_stop_it(bench):
    """Vmafd may be down for good."""
    bench.stores.down.add(VC1)

    with pytest.raises(VecsError, match="cannot be read"):
        bench.do(bench.renewing())


def test_a_refused_store_is_told_and_can_be_repeated(bench):
    """The next attempt makes another pair: keys are never kept."""
    bench.stores.refusals[MACHINE] = 1

    with pytest.raises(VecsError, match="refused"):
        bench.do(bench.renewing())
    bench.do(bench.renewing())

    bench.assert_renewed()
    assert f"issued.2.{MACHINE}.{VC1}" in bench.noted


@pytest.mark.parametrize("call", ["replace_certificate", "replace_trust_anchors"])
@pytest.mark.parametrize("effect", ["refuse", "lost", "lost-before", "unreachable"])
def test_a_directory_write_that_goes_wrong_is_made_good_by_the_next_attempt(bench, call, effect):
    """Refused, unreachable or in doubt: repeating ends as if nothing had happened."""
    bench.domain.faults.append(Fault(call=call, effect=effect))

    with pytest.raises(Exception, match=r"."):
        bench.do(bench.renewing())
    bench.do(bench.renewing())

    bench.assert_renewed()


def test_an_account_that_is_gone_stops_it(bench):
    """Somebody removed it since the run was planned."""
    for node in bench.domain.nodes.values():
        node.certificates = replace(node.certificates, solution_users=())

    with pytest.raises(DirectoryFaultError, match=f"vpxd-{MACHINE_IDS[VC1]}"):
        bench.do(bench.renewing())


def test_a_directory_that_lags_for_ever_stops_it():
    """Services are not restarted while a node knows the old certificates."""
    bench = Bench()
    bench.domain.lag = 10_000

    with pytest.raises(ReplicationOverdueError, match=VC2):
        bench.do(bench.renewing())


def test_a_directory_that_lags_a_little_is_waited_for():
    """A few looks later it knows."""
    bench = Bench()
    bench.domain.lag = 6

    bench.do(bench.renewing())

    bench.domain.replicate()
    bench.assert_renewed()


def apart(bench, change):
    """Let the second node's lookup service have had other endpoints than the first's for years:
    *change* makes them of the endpoints of both nodes; each has two there, of one certificate.
    """
    for node in bench.domain.nodes.values():
        held = node.certificates
        node.certificates = replace(
            held,
            registrations=tuple(
                replace(s, endpoints=tuple(replace(s.endpoints[0], uri=uri) for uri in uris(s)))
                for s in held.registrations
            ),
        )
    held = bench.domain.nodes[VC2].certificates
    one, two = (service.endpoints for service in held.registrations)
    changed = change(one, two)
    bench.domain.nodes[VC2].certificates = replace(
        held,
        registrations=tuple(
            replace(s, endpoints=e) for s, e in zip(held.registrations, changed, strict=True)
        ),
    )


def uris(service):
    """Return two of a service."""
    return (service.endpoints[0].uri, service.endpoints[0].uri + "/more")


def naming(endpoint, *more):
    """Return an endpoint that names certificates besides its own."""
    return replace(endpoint, trust=(*endpoint.trust, *more))


STALE = issued("stale-on-one", -400)


@pytest.mark.parametrize(
    "change",
    [
        lambda one, two: (one, (naming(two[0], STALE), two[1])),
        lambda one, two: (one, two[:1]),
        lambda one, two: ((naming(one[0], STALE), one[1]), two),
    ],
    ids=["another's names more", "another's is missing", "its own named more"],
)
def test_directories_that_differed_before_do_not_stop_it(bench, change):
    """What is renewed agrees; no waiting mends the rest, and no resume."""
    apart(bench, change)

    bench.do(bench.renewing())

    assert bench.clock.slept == 0
    bench.assert_renewed()
    assert [line for line in bench.told if "lsdoctor" in line] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one, two: (one[:1], two), "lacks 1 endpoints"),
        (lambda one, two: (one, (naming(two[0], *one[0].trust), two[1])), "directory alone 1"),
    ],
    ids=["it is missing", "another's names the old one"],
)
def test_what_replication_does_not_mend_at_its_endpoints_is_told(bench, change, told):
    """It was so before, stops nothing, and is a person's to see to."""
    apart(bench, change)

    bench.do(bench.renewing())

    (line,) = (line for line in bench.told if "lsdoctor" in line)
    assert line.startswith(f"{VC2} warning: ")
    assert told in line


def test_a_directory_with_none_of_its_endpoints_stops_it(bench):
    """Perhaps it was only half read."""
    apart(bench, lambda _, two: ((), two))

    with pytest.raises(ReplicationOverdueError, match=VC2):
        bench.do(bench.renewing())


def test_nodes_that_had_one_certificate_together_are_known_by_their_own():
    """One of a company's CA that names both: each port of a node is known by what it shows now."""
    bench = Bench(ends={}, renew=Renew.ALL)
    shared = issued("shared", -1, names=(VC1, VC2))
    for fqdn in (VC1, VC2):
        bench.stores.add(fqdn, entry(MACHINE, shared))
    bench.plan = replace(
        bench.plan,
        planned=tuple(
            replace(p, renewal=replace(p.renewal, sha256=fingerprint(shared)))
            if p.renewal.is_machine
            else p
            for p in bench.plan.planned
        ),
    )
    bench.context = bench._context()
    for node in bench.domain.nodes.values():
        held = node.certificates
        assert held is not None
        node.certificates = replace(
            held,
            registrations=tuple(
                replace(
                    s,
                    endpoints=tuple(
                        replace(s.endpoints[0], uri=uri, trust=(shared,)) for uri in ports(s)
                    ),
                )
                for s in held.registrations
            ),
        )

    bench.do(bench.renewing())

    found = bench.domain.directory(VC2).registrations.read_trust_anchors()
    own = {fqdn: (bench.leaf(MACHINE, fqdn),) for fqdn in (VC1, VC2)}
    assert [a.certificates for a in found] == [own[VC1], own[VC1], own[VC2], own[VC2]]


def ports(service):
    """Return URIs of two ports of a service's node."""
    uri = service.endpoints[0].uri
    return (uri, uri.replace(".example/", ".example:5480/"))


def test_taking_it_back_is_the_revert_of_the_run(bench):
    """It does nothing by itself: everything it wrote is on the nodes' disks."""
    bench.do(bench.renewing())
    passed = len(bench.killer.passed)

    bench.renewing().undo(dict(bench.noted), bench.note)

    assert bench.killer.passed[passed:] == []


# ------------------------------------------------------------------ handshakes


def prove(bench):
    """Prove what the ports of renewed nodes show."""
    notes: dict[str, str] = {}
    prove_shown(bench.context, "verify-logins", lambda node: bench.shown(), notes.__setitem__)
    return notes


def test_ports_that_show_the_new_certificate_are_proven(bench):
    """443, 636 and 5480, each noted."""
    bench.do(bench.renewing())
    bench.stores.restart(VC1)

    assert prove(bench) == {f"tls-{port}.{VC1}": "ok" for port in ("https", "ldaps", "vami")}


def test_a_port_that_shows_the_old_certificate_fails_the_proof(bench):
    """The services were not restarted."""
    bench.do(bench.renewing())

    with pytest.raises(ProofError, match="not the new certificate"):
        prove(bench)


def test_the_management_interface_may_have_a_certificate_of_its_own(bench):
    """It is told, and fails nothing."""
    bench.do(bench.renewing())
    bench.stores.restart(VC1)
    shown = bench.stores.read_shown_leaf
    bench.stores.read_shown_leaf = lambda node, port: (
        b"own" if port == "vami" else shown(node, port)
    )

    assert prove(bench)[f"tls-vami.{VC1}"] == "failed"
    assert any("vami port shows" in line for line in bench.told)


def test_a_run_that_renews_nothing_looks_at_no_port():
    """An STS-only repair changes no TLS certificate."""
    bench = Bench(ends={})

    assert prove(bench) == {}
