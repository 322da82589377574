"""``stsfix certs --json``: the document of docs/schema/certs-1.json. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stsfix.plugin.certs_view import State
from stsfix.plugin.documents.preflight import key_words
from stsfix.remediation.nodes.extensions import thumbprint
from stsfix.remediation.pki.certificates import Certificate

if TYPE_CHECKING:
    from stsfix.plugin.certs_view import CertsReport, Row

JsonObject = dict[str, Any]


def certs_document(report: CertsReport, *, version: str) -> JsonObject:
    """Return the whole report as JSON's types."""
    distinct = {row.certificate.sha256 for row in report.rows}
    return {
        "kind": "certs",
        "stsfix_version": version,
        "taken": report.taken,
        "domain": report.domain,
        "exit_code": report.exit_code,
        "soon_days": report.soon.days,
        "summary": {
            "certificates": len(distinct),
            "places": len(report.rows),
            **{state.name.lower(): report.count(state) for state in State},
            "not_read": len(report.not_read),
        },
        "nodes": [{"fqdn": fqdn, "role": role} for fqdn, role in report.nodes],
        "certificates": [_row(row) for row in report.rows],
        "revocation_lists": [
            {
                "node": row.node,
                "where": row.where,
                "issuer": row.issuer or None,
                "next_update": row.next_update,
                "revoked": row.revoked,
                "late": row.is_late,
            }
            for row in report.lists
        ],
        "extensions": [
            {
                "node": row.node,
                "key": row.key,
                "sha1": row.thumbprint or None,
                "known": row.known,
                "stores": list(row.where),
            }
            for row in report.extensions
        ],
        "stores": [
            {
                "node": row.node,
                "store": row.store,
                "entries": row.entries,
                "certificates": row.certificates,
            }
            for row in report.stores
        ],
        "not_read": [
            {
                "node": gap.node or None,
                "what": gap.what,
                "reason": gap.reason,
                "needed": gap.needed,
            }
            for gap in report.not_read
        ],
    }


def _row(row: Row) -> JsonObject:
    found = row.certificate
    seen: JsonObject = {
        "node": row.node or None,
        "place": row.place,
        "where": row.where,
        "used_by": row.used_by,
        "state": row.state,
        "sha256": found.sha256,
        "not_renewed": row.left or None,
    }
    if not isinstance(found, Certificate):
        return {**seen, "readable": False, "reason": found.reason}
    return {
        **seen,
        "readable": True,
        "subject": found.subject,
        "issuer": found.issuer,
        "serial": f"{found.x509.serial_number:x}",
        "not_before": found.not_before,
        "not_after": found.not_after,
        "key": key_words(found),
        "signature_hash": found.signature_hash,
        "authority": found.authority,
        "sha1": thumbprint(found.der),
    }
