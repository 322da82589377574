"""Whether domain.toml fits the certificates that a run made, and those of before it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stsfix.plugin.renewal_view import RenewalView, UnknownIssuer
from stsfix.remediation.pki.certificates import Certificate, fingerprint, issued_by, parse
from stsfix.remediation.records import NoteRecord
from stsfix.remediation.renewal.notes import shown_leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.journal import StoredRun
    from stsfix.snapshot.tls import Trust


def with_trust(
    view: RenewalView, stored: StoredRun, trusts: Callable[[str], tuple[Trust, ...]]
) -> RenewalView:
    """Return *view* with the CA files of domain.toml that do not verify a new certificate."""
    found: dict[UnknownIssuer, None] = {}
    for node in view.pins:
        leaf = shown_leaves(stored.records, node)[-1]
        for trust in trusts(node):
            if trust.ca_file is None:
                continue
            try:
                held = trust.ca_file.read_bytes()
            except OSError:
                continue  # it was there when the run began; nothing can be said of it
            if issuer := missing_issuer(leaf, held):
                found[UnknownIssuer(node=node, ca_file=str(trust.ca_file), issuer=issuer)] = None
    return replace(view, unknown_issuers=tuple(found))


def pinned_by_run(stored: StoredRun, trusts: Callable[[str], tuple[Trust, ...]]) -> tuple[str, ...]:
    """Return the nodes that domain.toml pins by a certificate which the run made for them: after a
    revert they show their earlier one. What it has taken back counts, too.
    """
    notes = [record for record in stored.records if isinstance(record, NoteRecord)]
    return tuple(
        node.fqdn
        for node in stored.spec.nodes
        if {trust.sha256 for trust in trusts(node.fqdn)}
        & {fingerprint(leaf) for leaf in shown_leaves(notes, node.fqdn)}
    )


def missing_issuer(leaf: bytes, authorities: bytes) -> str | None:
    """Return the name of the issuer of *leaf* (DER) if the PEM text *authorities* lacks it."""
    from cryptography import x509  # noqa: PLC0415 - only after a run
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - same

    certificate = parse(leaf)
    if not isinstance(certificate, Certificate):
        return None
    try:
        held = x509.load_pem_x509_certificates(authorities)
    except ValueError:
        held = []
    parsed = [parse(c.public_bytes(Encoding.DER)) for c in held]
    known = any(isinstance(c, Certificate) and issued_by(certificate, c) for c in parsed)
    return None if known else certificate.issuer
