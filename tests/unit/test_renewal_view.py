"""What a run renewed is told as the journal has it, and not one certificate more."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renewal_worlds import VC1, VC2, issued, vmca
from sts_material import NOW
from stsfix.lab import pki
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.new_trust import pinned_by_run, with_trust
from stsfix.plugin.renewal_view import (
    STS_ONLY,
    kept_sentences,
    renewal_of,
    renewal_sentences,
)
from stsfix.plugin.terminal.runs import run_lines
from stsfix.plugin.view import view_of
from stsfix.remediation.journal import StoredRun
from stsfix.remediation.model import Renew, Renewal
from stsfix.remediation.pki import vecs
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import NoteRecord, StepRecord, StepState
from stsfix.remediation.renewal.notes import (
    NEW_VMCA_ROOT,
    RENEW_CERTIFICATES,
    encoded,
    end_key,
    extensions_key,
    registered_key,
    root_key,
    shown_key,
)
from stsfix.snapshot.tls import Trust
from worlds import spec

if TYPE_CHECKING:
    from collections.abc import Iterable

NEW = issued("new", 700)
PIN = f"sha256:{hashlib.sha256(NEW).hexdigest()}"
STORES = ("vpxd", vecs.MACHINE_SSL)


def note(step, key, value):
    """Return a note of a step."""
    return NoteRecord(step=step, key=key, value=value)


def renewed(node=VC1, leaf=NEW) -> list[object]:
    """Return the records of a step that renewed one node."""
    return [
        StepRecord(step=RENEW_CERTIFICATES, state=StepState.STARTED),
        note(RENEW_CERTIFICATES, shown_key(1, node), encoded(leaf)),
        *(note(RENEW_CERTIFICATES, end_key(store, node), "2028-11-24") for store in STORES),
        StepRecord(step=RENEW_CERTIFICATES, state=StepState.DONE),
    ]


def proven(*keys, node=VC1) -> list[object]:
    """Return the notes of the proof: registered extensions of a vCenter."""
    return [
        note("verify-logins", registered_key(number, node), key)
        for number, key in enumerate(keys, 1)
    ]


def run(records: Iterable[object], roots=()) -> StoredRun:
    """Return a run that renews vc1, with these records."""
    wanted = replace(
        spec(),
        renew=Renew.EXPIRED,
        renewals=tuple(
            Renewal(
                node=VC1,
                store=store,
                alias=store,
                sha256="ab" * 32,
                signer=VC1,
                pnid=VC1,
                principal="",
            )
            for store in STORES
        ),
        new_roots=roots,
    )
    return StoredRun(
        spec=wanted,
        plan=step_names(retire=True, renews=True, new_root=bool(roots)),
        created=NOW,
        version="0",
        inventory={},
        records=tuple(records),  # type: ignore[arg-type] # of any kind
    )


def view(records: Iterable[object], roots=()):
    """Return what is told; something is."""
    found = renewal_of(run(records, roots))
    assert found is not None
    return found


def test_new_certificates_are_told_with_their_pins():
    """By node and store, and the machine certificate as domain.toml takes it."""
    found = view(renewed())

    assert [(e.node, e.store, e.ends) for e in found.entries] == [
        (VC1, store, "2028-11-24") for store in STORES
    ]
    assert found.pins == {VC1: PIN}
    assert f"Renewed on {VC1}" in " ".join(renewal_sentences(found))


@pytest.mark.parametrize("state", [StepState.UNDONE, None], ids=["taken back", "not begun"])
def test_nothing_is_told_of_what_is_not_there(state):
    """After a rollback the old certificates are there again."""
    records = (
        [] if state is None else [*renewed(), StepRecord(step=RENEW_CERTIFICATES, state=state)]
    )

    assert renewal_of(run(records)) is None


def test_a_new_root_is_told():
    """Its fingerprint, for those who have to trust it."""
    records = [
        StepRecord(step=NEW_VMCA_ROOT, state=StepState.STARTED),
        note(NEW_VMCA_ROOT, root_key(1, VC1), "aa"),
        note(NEW_VMCA_ROOT, root_key(2, VC1), "bb"),
        StepRecord(step=NEW_VMCA_ROOT, state=StepState.DONE),
    ]

    found = view(records, roots=(VC1,))

    assert found.new_roots == {VC1: "sha256:bb"}
    assert "sha256:bb" in " ".join(renewal_sentences(found))


def test_a_repair_of_the_sts_alone_leaves_something_to_do():
    """No TLS certificate changes, but some keep what belongs to the old one (KB 316619, twice)."""
    told = "\n".join(STS_ONLY)

    assert "nothing has to be registered again" in told
    for words in ("Hybrid Linked Mode", "KB 67701", "Scheduled tasks", "KB 385375"):
        assert words in told


def test_which_chain_was_kept_until_when_is_told():
    """What retire-old noted, and nothing else of its notes."""
    notes = {
        "old-leaf-sha256.1": "ab",
        "kept-chain.TrustedCertChain-1": "2027-01-02T03:04:05+00:00",
    }

    (told,) = kept_sentences(notes)

    assert "TrustedCertChain-1" in told
    assert "2027-01-02." in told


def test_registered_products_are_named():
    """With what they need; names that were read are made printable."""
    found = view([*renewed(), *proven("com.vmware.vcDr", "com.vmware.vim.eam")])

    assert [d.product for d in found.dependents] == [
        "Site Recovery Manager or VMware Live Recovery"
    ]
    said = " ".join(renewal_sentences(found))
    assert "com.vmware.vcDr" in said
    assert "eam" not in said


def test_extensions_that_could_not_be_read_are_no_good_news():
    """Nobody says that nothing is registered."""
    found = view([*renewed(), *proven("unknown")])

    assert found.unread == (VC1, VC2)
    said = " ".join(renewal_sentences(found))
    assert "were not read" in said
    assert "No product" not in said


def test_that_no_product_is_registered_is_told_only_of_those_that_were_asked():
    """They are read after the proof of logins: a run that stopped before has asked none."""
    stopped = view(renewed())
    ended = view(
        [*renewed(), *(p for n in (VC1, VC2) for p in proven("com.vmware.vim.eam", node=n))]
    )

    assert stopped.unread == (VC1, VC2)
    assert "No product" not in " ".join(renewal_sentences(stopped))
    assert ended.unread == ()
    assert "No product" in " ".join(renewal_sentences(ended))


def test_stale_thumbprints_are_told():
    """EAM does not log in until they are corrected."""
    key = extensions_key("vpxd-extension", VC1)

    found = view([*renewed(), note(RENEW_CERTIFICATES, key, "unknown")])

    assert found.stale_extensions == (VC1,)
    assert "KB 385107" in " ".join(renewal_sentences(found))


def finished(*, machine: bool, until="release") -> str:
    """Return what the terminal says of a run that renewed solution users, and perhaps the machine
    certificate of vc1; its last step that is done is before *until*.
    """
    extending = note(RENEW_CERTIFICATES, extensions_key("vpxd-extension", VC1), "unknown")
    own = renewed()[1:-1] if machine else [renewed()[2]]
    names = step_names(retire=True, renews=True, new_root=False)
    done = names[: names.index(until)] if until in names else names
    records = [
        record
        for name in done
        for record in (
            StepRecord(step=name, state=StepState.STARTED, at=NOW),
            *([*own, extending] if name == RENEW_CERTIFICATES else []),
            StepRecord(step=name, state=StepState.DONE, at=NOW),
        )
    ]
    lines = run_lines(view_of(run(records), RunContext()), width=1000)
    return "\n".join(line.text for line in lines)


def test_where_only_solution_users_are_new_it_is_told():
    """What that leaves to do: nobody outside has to learn them, who keeps the old STS certificate
    is named all the same, and so are extensions, which may be known by a solution user.
    """
    told = finished(machine=False)

    assert "KB 385107" in told
    assert all(text in told for text in STS_ONLY)
    assert "No product" not in told


def test_where_a_tls_certificate_is_new_nobody_says_that_none_changed():
    """Nor before the run has ended: it may still change one."""
    machine, early = finished(machine=True), finished(machine=False, until="restart-services")

    assert "KB 385107" in machine
    assert "KB 385107" in early
    assert STS_ONLY[0] not in machine
    assert STS_ONLY[0] not in early


def test_a_ca_file_that_lacks_the_issuer_is_named(tmp_path):
    """Once for each file, however many ports of the node it verifies."""
    records = run(renewed())
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    good.write_bytes(pki.pem(vmca(VC1)))
    bad.write_bytes(pki.pem(vmca(VC2)))
    found = view(renewed())

    def told(*files):
        trusts = tuple(Trust(ca_file=file) for file in files)
        return with_trust(found, records, lambda _: trusts).unknown_issuers

    assert told(good) == ()
    assert [(u.node, u.ca_file) for u in told(bad, bad, good)] == [(VC1, str(bad))]
    assert told(tmp_path / "gone.pem") == ()
    assert with_trust(found, records, lambda _: (Trust(),)).unknown_issuers == ()


def test_a_ca_file_of_rubbish_lacks_every_issuer(tmp_path):
    """It verified nothing before either, but here it is only told."""
    rubbish = tmp_path / "ca.pem"
    rubbish.write_text("-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n")
    found = with_trust(view(renewed()), run(renewed()), lambda _: (Trust(ca_file=rubbish),))

    assert [u.ca_file for u in found.unknown_issuers] == [str(rubbish)]


@pytest.mark.parametrize("back", [(), (StepState.UNDOING, StepState.UNDONE)])
def test_a_node_that_is_pinned_by_what_the_run_made_is_named(back):
    """Also when the certificate was taken back already: the pin is still that one."""
    undone = [StepRecord(step=RENEW_CERTIFICATES, state=state) for state in back]
    records = run([*renewed(), *undone])
    pins = {VC1: PIN.removeprefix("sha256:"), VC2: "0" * 64}

    assert pinned_by_run(records, lambda fqdn: (Trust(), Trust(sha256=pins[fqdn]))) == (VC1,)
    assert pinned_by_run(records, lambda _: (Trust(sha256="0" * 64),)) == ()
