"""Writing, replicating and retiring credentials: converges from whatever an attempt left."""

from __future__ import annotations

from dataclasses import replace

import pytest

import sts_material
from credential_bench import BOTH, VC1, VC2, Bench
from memory_node import Fault
from stsfix.remediation.errors import (
    DirectoryFaultError,
    EntryConflictError,
    ForeignEntriesError,
    IssuerError,
    ReplicationOverdueError,
    WriteInDoubtError,
)
from stsfix.remediation.pki import certificates
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.ports import Observed
from stsfix.remediation.steps.credential import (
    CHAIN_INDEX,
    AwaitReplication,
    ReplaceSts,
    RetireOld,
)


def test_the_new_pair_is_added_with_the_next_numbers():
    """Old entries stay, ours have the highest number, and the root is among the trusted."""
    bench = Bench()

    bench.replace()

    assert bench.names() == BOTH
    assert bench.leaves()[VC1] == bench.issuers.issued[0].chain[0]
    assert bench.domain.nodes[VC1].roots == [bench.issuers.issued[0].chain[-1]]
    assert bench.domain.violations == []


def test_the_leaf_is_noted_before_it_is_written():
    """Whatever dies next, a probe recognises what was ours."""
    bench = Bench()
    bench.domain.faults.append(Fault(call="add_chain"))

    with pytest.raises(DirectoryFaultError):
        bench.replace()

    assert bench.written() == {fingerprint(bench.issuers.issued[0].chain[0])}


@pytest.mark.parametrize("publish_root", [True, False], ids=["root", "no-root"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(call="add_chain"), id="chain refused"),
        pytest.param(Fault(call="add_chain", effect="lost"), id="chain lost"),
        pytest.param(Fault(call="add_credential"), id="credential refused"),
        pytest.param(Fault(call="add_credential", effect="lost"), id="credential lost"),
        pytest.param(Fault(call="add_credential", effect="lost-before"), id="credential not sent"),
    ],
)
def test_a_second_attempt_ends_like_a_first(fault, publish_root):
    """The probe tells what is there, and doing it again leaves no orphan behind: no chain
    without its credential, and no root that signed nothing.
    """
    bench = Bench(publish_root=publish_root)
    bench.domain.faults.append(replace(fault))
    with pytest.raises((DirectoryFaultError, WriteInDoubtError)):
        bench.replace()

    if bench.probe() is Observed.REPEATABLE:
        bench.replace()

    assert bench.names() == BOTH
    assert bench.roots() == ([bench.signing_root()] if publish_root else [])
    assert bench.probe() is (Observed.REPEATABLE if publish_root else Observed.COMPLETE)
    assert bench.domain.violations == []


@pytest.mark.parametrize("effect", ["refuse", "lost", "lost-before"])
def test_a_root_that_was_not_published_is_published_by_the_next_attempt(effect):
    """The pair that is in force stays: only the root is added."""
    bench = Bench()
    bench.domain.faults.append(Fault(call="add_trusted_root", effect=effect))
    with pytest.raises((DirectoryFaultError, WriteInDoubtError)):
        bench.replace()
    observed = bench.probe()

    bench.replace()

    assert observed is Observed.REPEATABLE
    assert len(bench.issuers.issued) == 1
    assert bench.names() == BOTH
    assert bench.roots() == [bench.signing_root()]


def test_a_credential_of_ours_that_does_not_sign_is_unclear():
    """Somebody added a higher one after ours: which of the two shall sign is not for a guess."""
    bench = Bench()
    bench.replace()
    bench.domain.seed(9, sts_material.credential("foreign"), chain=9)

    assert bench.probe() is Observed.UNCLEAR
    with pytest.raises(
        ForeignEntriesError, match="TenantCredential-9 signs, not TenantCredential-2"
    ):
        bench.replace()


@pytest.mark.parametrize("missing", ["credential", "chain"])
def test_what_is_not_there_after_it_was_written_is_told(missing):
    """The directory said success; what it shows is what counts."""
    bench = Bench()
    change = bench.domain.change

    def losing(node, call, apply):
        if call != f"add_{missing}":
            change(node, call, apply)

    bench.domain.change = losing  # type: ignore[method-assign] # a directory that forgets

    with pytest.raises(ForeignEntriesError, match="is not there with its trusted chain") as caught:
        bench.replace()

    assert caught.value.gone


def test_a_key_that_is_not_the_one_that_was_written_is_told():
    """Without its key no certificate signs."""
    bench = Bench()
    bench.issuers.issue = lambda **_: replace(  # type: ignore[method-assign] # as if mixed up
        sts_material.credential("new-0"), key_pkcs8=sts_material.credential("new-1").key_pkcs8
    )

    with pytest.raises(ForeignEntriesError, match="TenantCredential-2 is not what was written"):
        bench.replace()


def test_a_leaf_that_cannot_be_read_is_not_written():
    """It is the issuer's fault, and no directory's; nothing was added."""
    bench = Bench()
    bench.issuers.issue = lambda **_: replace(  # type: ignore[method-assign] # a broken issuer
        sts_material.credential("new-0"), chain=(NOISE, ROOT)
    )

    with pytest.raises(IssuerError, match="malformed"):
        bench.replace()

    assert bench.names() == ["chain 1", "credential 1"]


def test_a_number_that_somebody_else_took_is_unclear():
    """Another writer at the same time is for a person, not for a guess."""
    bench = Bench()
    bench.domain.faults.append(Fault(call="add_credential"))
    with pytest.raises(DirectoryFaultError):
        bench.replace()
    bench.domain.seed(2, sts_material.credential("foreign"), chain=7)

    assert bench.probe() is Observed.UNCLEAR


def test_nothing_noted_means_nothing_was_written():
    """A step that died before its first note is simply done."""
    assert Bench().probe() is Observed.REPEATABLE


def test_gaps_are_fine_and_the_highest_number_of_all_nodes_counts():
    """A number used on any node is never used again (vmdird measured, 8)."""
    bench = Bench()
    bench.domain.seed(5, sts_material.credential("fifth"), chain=3)

    bench.replace()

    assert "credential 6" in bench.names()
    assert "chain 4" in bench.names()


def test_a_number_that_only_a_partner_has_is_not_used_again():
    """What has not replicated yet, or never will, counts: two entries of one name diverge."""
    bench = Bench()
    bench.domain.seed(5, sts_material.credential("fifth"), chain=3)
    entries = bench.domain.nodes[VC1].entries
    for name in [name for name, entry in entries.items() if entry.index in (3, 5)]:
        del entries[name]

    bench.replace()

    assert bench.names() == ["chain 1", "chain 4", "credential 1", "credential 6"]


def test_a_number_that_is_taken_while_the_certificate_is_made_is_not_used_again():
    """Making it may take minutes: what is free is looked up right before it is used."""
    bench = Bench()
    issue = bench.issuers.issue

    def slowly(**how):
        bench.domain.seed(2, sts_material.credential("foreign"), chain=5)
        return issue(**how)

    bench.issuers.issue = slowly  # type: ignore[method-assign] # somebody is quicker

    bench.replace()

    assert {"credential 3", "chain 6"} <= set(bench.names())
    assert bench.domain.violations == []


def test_replication_is_awaited_until_every_node_has_the_same_entries():
    """A slow partner is waited for."""
    bench = Bench(lag=4)
    bench.replace()

    AwaitReplication(bench.context, bench.written).do({}, bench.note)

    assert bench.names(VC2) == BOTH
    assert bench.leaves()[VC1] == bench.leaves()[VC2]


def test_a_partner_that_never_gets_it_is_named():
    """The deadline ends the waiting, with who is behind."""
    bench = Bench(lag=10_000)
    bench.replace()

    with pytest.raises(ReplicationOverdueError) as caught:
        AwaitReplication(bench.context, bench.written).do({}, bench.note)

    assert caught.value.behind == (VC2,)


def test_a_partner_that_is_down_counts_as_behind():
    """An unreachable directory proves nothing."""
    bench = Bench()
    bench.replace()
    bench.domain.down.add(VC2)

    with pytest.raises(ReplicationOverdueError) as caught:
        AwaitReplication(bench.context, bench.written).do({}, bench.note)

    assert caught.value.behind == (VC2,)


def awaiting(bench):
    """Await replication."""
    AwaitReplication(bench.context, bench.written).do({}, bench.note)


def under_our_name(bench, kind, index):
    """Let somebody add an entry on the second node as soon as we have chosen our numbers."""
    made = bench.domain.new_entry(kind, index, sts_material.credential("foreign").chain, None)

    def note(key, value):
        bench.note(key, value)
        if key == CHAIN_INDEX:
            bench.domain.nodes[VC2].entries[made.dn.lower()] = made

    ReplaceSts(bench.context).do({}, note)


@pytest.mark.parametrize(
    ("kind", "name"), [("credential", "TenantCredential-2"), ("chain", "TrustedCertChain-2")]
)
def test_two_entries_of_one_name_are_not_waited_for(kind, name):
    """Both adds said success, and the nodes differ for good: no time mends that."""
    bench = Bench()
    under_our_name(bench, kind, 2)
    before = bench.context.clock.monotonic()

    with pytest.raises(EntryConflictError) as caught:
        awaiting(bench)

    assert (caught.value.node, caught.value.name) == (VC2, name)
    assert bench.context.clock.monotonic() == before


def test_an_entry_of_an_earlier_attempt_is_no_conflict():
    """A partner that shows the orphan of the first attempt under the name of the second lags."""
    bench = Bench(lag=10_000)
    bench.domain.faults.append(Fault(call="add_credential"))
    with pytest.raises(DirectoryFaultError):
        bench.replace()
    bench.replace()
    first, *later = bench.domain.nodes[VC2].pending
    first.calls = 0
    for pending in later:
        pending.calls = 3
    seen = []
    enter = bench.domain.enter

    def watching(node, call):
        found = enter(node, call)
        seen.append(sorted(leaf for e in found.of_kind("chain") for leaf in e.chain[:1]))
        return found

    bench.domain.enter = watching  # type: ignore[method-assign] # to see the orphan

    awaiting(bench)

    orphan = bench.issuers.issued[0].chain[0]
    assert any(orphan in leaves for leaves in seen)
    assert bench.names(VC2) == BOTH


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "another signs"])
def test_what_the_writer_lacks_is_not_waited_for(gone):
    """It had what was written from the first moment on: somebody else has changed it."""
    bench = Bench()
    bench.replace()
    if gone:
        entries = bench.domain.nodes[VC1].entries
        del entries[next(dn for dn, entry in entries.items() if entry.index == 2)]
    else:
        bench.domain.seed(9, sts_material.credential("foreign"))
    before = bench.context.clock.monotonic()

    with pytest.raises(ForeignEntriesError) as caught:
        awaiting(bench)

    assert (caught.value.gone, caught.value.signer != "") == (gone, not gone)
    assert bench.context.clock.monotonic() == before


def test_a_credential_that_appears_while_the_old_ones_go_is_told_at_once():
    """Not the writer is behind: somebody else's has come to it."""
    bench = Bench()
    bench.replace()
    change = bench.domain.change

    def changing(node, call, apply):
        change(node, call, apply)
        bench.domain.seed(9, sts_material.credential("foreign"))

    bench.domain.change = changing  # type: ignore[method-assign] # vCenter's own refresh

    with pytest.raises(ForeignEntriesError, match="TenantCredential-9 signs"):
        RetireOld(bench.context, bench.written, dict).do({}, bench.note)


def test_retiring_removes_old_credentials_with_their_chains_only():
    """A chain that belonged to no credential is not ours to judge."""
    bench = Bench()
    bench.domain.directory(VC1).add_chain(2, sts_material.credential("stranger").chain)
    bench.domain.replicate()
    bench.domain.written_on.clear()
    bench.replace()

    RetireOld(bench.context, bench.written, dict).do({}, bench.note)

    assert bench.names() == ["chain 2", "chain 3", "credential 2"]
    assert bench.names(VC2) == bench.names()
    assert bench.domain.violations == []


SOUND = sts_material.credential("old-sound", start=-700, end=20)
RESTARTED = {f"restarted.{VC1}": "x", f"restarted.{VC2}": "x"}


def retired(bench, restarts, noted):
    """Let *bench*, whose old certificate is sound, retire it after those *restarts*."""
    RetireOld(bench.context, bench.written, lambda: restarts).do(noted, noted.__setitem__)
    assert bench.domain.violations == []
    return bench.names()


LEAF, ROOT = sts_material.credential("wrong-order", start=-700, end=-1).chain
NOISE = b"no certificate"


def hold(bench, kind, index, chain):
    """Put an entry with that chain on both nodes, as somebody left it there."""
    made = bench.domain.new_entry(kind, index, chain, None)
    for node in bench.domain.nodes.values():
        node.entries[made.dn.lower()] = made


@pytest.mark.parametrize(
    ("credential", "chains", "left"),
    [
        pytest.param((ROOT, LEAF), {6: (LEAF, ROOT), 7: (ROOT,)}, {7}, id="wrong order"),
        pytest.param((ROOT, LEAF), {6: (ROOT, LEAF), 7: (ROOT,)}, {7}, id="both in wrong order"),
        pytest.param((ROOT,), {7: (ROOT,)}, {7}, id="a CA alone"),
        pytest.param((NOISE, ROOT), {6: (NOISE, ROOT), 7: (NOISE,)}, {7}, id="unreadable"),
        pytest.param((LEAF, ROOT), {6: (LEAF,), 7: (ROOT, LEAF)}, {7}, id="a leaf"),
    ],
)
def test_a_chain_that_begins_with_a_ca_is_nobodys_by_that_alone(credential, chains, left):
    """It may be the anchor of another issuer: only all the certificates together tell whose."""
    bench = Bench()
    hold(bench, "credential", 2, credential)
    for index, chain in chains.items():
        hold(bench, "chain", index, chain)
    bench.replace()

    retired(bench, RESTARTED, {})

    kept = {f"chain {index}" for index in left}
    assert set(bench.names()) == {"credential 3", "chain 8", *kept}
    assert bench.names(VC2) == bench.names()


def test_what_an_older_version_noted_of_a_ca_deletes_nobodys_anchor():
    """It noted the first certificate of each credential, whatever that was."""
    bench = Bench()
    hold(bench, "chain", 7, (ROOT,))
    bench.replace()

    names = retired(bench, RESTARTED, {"old-leaf-sha256.0": fingerprint(ROOT)})

    assert names == ["chain 7", "chain 8", "credential 2"]


@pytest.mark.parametrize(
    "restarts",
    [
        pytest.param({}, id="nothing noted"),
        pytest.param({f"restarted.{VC1}": "x", f"not-needed.{VC2}": "x"}, id="one not needed"),
        pytest.param({f"restarted.{VC1}": "x", f"by-hand.{VC2}": "logins-only"}, id="unproven"),
        pytest.param({f"restarted.{VC1}": "x", f"by-hand.{VC2}": "vmdird-restarted"}, id="vmdird"),
    ],
)
def test_a_chain_that_living_tokens_may_rest_on_stays(restarts):
    """The old credential goes, its chain is told, noted, and still there for the next attempt."""
    bench = Bench(old=SOUND)
    noted: dict[str, str] = {}
    bench.replace()

    names = retired(bench, restarts, noted)

    assert names == ["chain 1", "chain 2", "credential 2"]
    assert bench.names(VC2) == names
    (kept,) = [value for key, value in noted.items() if key == "kept-chain.TrustedCertChain-1"]
    leaf = certificates.parse(SOUND.chain[0])
    assert isinstance(leaf, certificates.Certificate)
    assert kept == leaf.not_after.isoformat()
    assert retired(bench, restarts, noted) == names


def test_a_chain_goes_once_every_service_has_a_new_token():
    """All were started after the write: by the run, or by a power-on that a host saw."""
    bench = Bench(old=SOUND)
    bench.replace()

    names = retired(bench, {f"restarted.{VC1}": "x", f"by-hand.{VC2}": "powered-on"}, {})

    assert names == ["chain 2", "credential 2"]


def test_a_directory_that_keeps_what_was_deleted_is_named():
    """It said success; all directories agree, and still the old credential is there."""
    bench = Bench()
    bench.replace()
    change = bench.domain.change

    def keeping(node, call, apply):
        if call != "delete_entry":
            change(node, call, apply)

    bench.domain.change = keeping  # type: ignore[method-assign] # a directory that does nothing

    with pytest.raises(ReplicationOverdueError) as caught:
        RetireOld(bench.context, bench.written, dict).do({}, bench.note)

    assert caught.value.behind == (VC1,)


def test_nothing_counts_as_retired_before_every_directory_has_followed():
    """A partner that still has the old credential is named; doing it again ends well."""
    bench = Bench()
    bench.replace()
    bench.domain.lag = 10_000

    with pytest.raises(ReplicationOverdueError) as caught:
        RetireOld(bench.context, bench.written, dict).do({}, bench.note)
    bench.domain.replicate()
    RetireOld(bench.context, bench.written, dict).do(dict(bench.noted), bench.note)

    assert caught.value.behind == (VC2,)
    assert bench.names(VC2) == bench.names() == ["chain 2", "credential 2"]


@pytest.mark.parametrize("nth", [1, 2])
def test_retiring_goes_on_after_a_refusal(nth):
    """What was removed already is not needed to know which chain belonged to it."""
    bench = Bench()
    bench.replace()
    bench.domain.faults.append(Fault(call="delete_entry", nth=nth))
    noted: dict[str, str] = {}
    with pytest.raises(DirectoryFaultError):
        RetireOld(bench.context, bench.written, dict).do({}, noted.__setitem__)

    RetireOld(bench.context, bench.written, dict).do(noted, noted.__setitem__)

    assert bench.names() == ["chain 2", "credential 2"]
    assert bench.domain.violations == []


def test_nothing_is_retired_while_ours_does_not_sign():
    """Without our credential in place the old one is all there is."""
    bench = Bench()

    with pytest.raises(ForeignEntriesError, match="is not there with its trusted chain"):
        RetireOld(bench.context, bench.written, dict).do({}, bench.note)

    assert bench.names() == ["chain 1", "credential 1"]
    assert RetireOld(bench.context, bench.written, dict).probe({}) is Observed.UNCLEAR


def test_nothing_is_retired_while_somebody_elses_credential_signs():
    """Ours is there, and a later one is in force: which of them is to stay is not for a machine."""
    bench = Bench()
    bench.replace()
    bench.domain.seed(9, sts_material.credential("foreign"))
    before = bench.names()

    with pytest.raises(ForeignEntriesError) as caught:
        RetireOld(bench.context, bench.written, dict).do({}, bench.note)

    assert str(caught.value) == (
        f"the STS entries of {VC1} are not as they should be: TenantCredential-9 signs, not"
        " TenantCredential-2 of this run"
    )
    assert caught.value.signer == "TenantCredential-9"
    assert bench.names() == before
