"""What a run renewed, and who has to learn it: for the command line, JSON and pages. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.plugin.text import capitalised, printable
from stsfix.remediation.records import KEPT_PREFIX, VERIFY_LOGINS, StepState, noted, step_states
from stsfix.remediation.renewal.dependents import ALWAYS, OF_THE_SIGNER, Dependent, dependents
from stsfix.remediation.renewal.notes import (
    NEW_VMCA_ROOT,
    RENEW_CERTIFICATES,
    UNKNOWN,
    end_key,
    registered,
    roots,
    shown_leaves,
    stale_extensions,
)
from stsfix.remediation.renewal.unfinished import ahead_words, stores_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stsfix.remediation.journal import StoredRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedEntry:
    """One entry of a node's stores that is new. *ends* is a day, as ``2028-11-24``."""

    node: str
    store: str
    ends: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownIssuer:
    """A CA file that *node* is verified by and that lacks the issuer of its new certificate."""

    node: str
    ca_file: str
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalView:
    """What a run renewed besides the STS credential.

    *pins* are the new machine certificates by node, as domain.toml takes them (``sha256:...``),
    *new_roots* likewise those of VMCAs. *dependents* are registered products that have to learn
    them; *unread* are vCenters whose extensions were not read yet, or could not be,
    *stale_extensions* those whose own extensions could not be told the new certificate.
    *stores_ahead* are nodes whose stores may hold what not every directory knows. *unknown_issuers*
    is only looked for where the configuration is read.
    """

    entries: tuple[RenewedEntry, ...]
    pins: dict[str, str]
    new_roots: dict[str, str]
    dependents: tuple[Dependent, ...]
    unread: tuple[str, ...]
    stale_extensions: tuple[str, ...]
    stores_ahead: tuple[str, ...] = ()
    unknown_issuers: tuple[UnknownIssuer, ...] = ()


def renewal_of(stored: StoredRun) -> RenewalView | None:
    """Return what *stored* renewed and has not taken back; None if nothing."""
    spec, records = stored.spec, stored.records
    states = step_states(stored.plan, records)
    renewing, rooting = noted(RENEW_CERTIFICATES, records), noted(NEW_VMCA_ROOT, records)
    if states.get(RENEW_CERTIFICATES, StepState.PENDING) in {StepState.PENDING, StepState.UNDONE}:
        renewing = {}
    if states.get(NEW_VMCA_ROOT, StepState.PENDING) in {StepState.PENDING, StepState.UNDONE}:
        rooting = {}
    if not (renewing or rooting):
        return None
    proven = noted(VERIFY_LOGINS, records)
    names = {n.fqdn: registered(proven, n.fqdn) for n in spec.vcenters}
    # Read at the end of verify-logins; every vCenter has some of its own.
    unread = tuple(fqdn for fqdn, keys in names.items() if not keys or UNKNOWN in keys)
    known = {key for keys in names.values() for key in keys} - {UNKNOWN}
    return RenewalView(
        entries=tuple(
            RenewedEntry(node=r.node, store=r.store, ends=renewing[end_key(r.store, r.node)])
            for r in spec.renewals
            if end_key(r.store, r.node) in renewing
        ),
        pins={
            fqdn: f"sha256:{hashlib.sha256(leaves[-1]).hexdigest()}"
            for fqdn in (n.fqdn for n in spec.nodes)
            if renewing and (leaves := shown_leaves(records, fqdn))
        },
        new_roots={
            fqdn: f"sha256:{made[-1]}" for fqdn in spec.new_roots if (made := roots(rooting, fqdn))
        },
        dependents=dependents(known),
        unread=unread,
        stale_extensions=tuple(fqdn for fqdn in names if stale_extensions(renewing, fqdn)),
        stores_ahead=stores_ahead(stored.plan, records),
    )


def renewal_sentences(view: RenewalView) -> Iterator[str]:
    """Yield what was renewed and who has to learn it, one paragraph each; of solution users
    alone nobody else has to (`STS_ONLY`).
    """
    for node in dict.fromkeys(entry.node for entry in view.entries):
        mine = [entry for entry in view.entries if entry.node == node]
        parts = ", ".join(f"{entry.store} until {entry.ends}" for entry in mine)
        yield f"Renewed on {node}: {parts}."
    for node, root in view.new_roots.items():
        yield (
            f"VMCA of {node} has a new root, {root}: CA files that verify these nodes have to hold"
            " it, and certificates of ESXi hosts that VMCA issued are renewed in vCenter."
        )
    if view.stores_ahead:
        yield f"{capitalised(ahead_words(view.stores_ahead))}."
    if view.stale_extensions:
        yield (
            "vCenter's own extensions (EAM, Auto Deploy, Image Builder) could not be told the new"
            f" certificate on {', '.join(view.stale_extensions)}: correct that with vCert"
            " (KB 385107)."
        )
    if not view.pins:
        return
    for found in view.dependents:
        keys = ", ".join(found.keys[:4]) + (
            ", ..." if len(found.keys) > len(found.keys[:4]) else ""
        )
        sure = "" if found.sure else " (unverified)"
        yield f"Registered: {printable(found.product)} ({printable(keys)}): {found.action}{sure}."
    if not view.dependents and not view.unread:
        yield "No product that is known to pin vCenter's certificate is registered."
    if view.unread:
        yield (
            f"The extensions of {', '.join(view.unread)} were not read: see which solutions are"
            " registered there; NSX, SRM and vSphere Replication have to learn the new certificate."
        )
    yield from (f"{text}." for text in ALWAYS)


_NO_TLS_CHANGE = (
    "No TLS certificate changed: nothing has to be registered again (NSX, SRM, vSphere Replication,"
    " backup); log in again where a product keeps a session."
)

STS_ONLY = (
    _NO_TLS_CHANGE,
    *(f"{text}." for text in OF_THE_SIGNER),
)
"""What a repair means for others that changed no TLS certificate, one paragraph each."""


def kept_sentences(notes: Mapping[str, str]) -> Iterator[str]:
    """Yield which old trusted chains stay and why, from what retire-old noted."""
    for key, until in notes.items():
        if key.startswith(KEPT_PREFIX):
            yield (
                f"Kept {key.removeprefix(KEPT_PREFIX)} of the old certificate: not every service"
                f" was restarted, and tokens that it signed may live until {until[:10]}. It does no"
                " harm later; docs/operating.md tells how to remove it."
            )


def pin_lines(pins: Mapping[str, str]) -> Iterator[str]:
    """Yield what domain.toml is to say where it pins these nodes."""
    for node, pin in pins.items():
        yield f'[nodes."{node}"]'
        yield f'tls = "{pin}"'
