"""The document of ``stsfix preflight --json``; docs/schema/preflight-1.json describes it. Pure.

Every field is named here on purpose: a document dumped from values would change whenever they do.
A certificate is described once, under its SHA-256; whoever holds it refers to that.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from stsfix.plugin.certificate_view import expired, validities
from stsfix.plugin.documents.nodes import node_object
from stsfix.plugin.documents.parts import (
    JsonObject,
    held_object,
    host_object,
    topology_object,
)
from stsfix.plugin.exit_codes import BLOCKED, SUCCESS, WARNINGS
from stsfix.plugin.preflight_view import node_state
from stsfix.remediation.checks.preflight import Verdict
from stsfix.remediation.model import Renew, Severity
from stsfix.remediation.pki.certificates import Certificate, Malformed, key_usages

if TYPE_CHECKING:
    from stsfix.plugin.certificate_view import Validity
    from stsfix.plugin.preflight_view import PreflightReport
    from stsfix.remediation.directory.replication import Lag
    from stsfix.remediation.durations import Phase
    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding
    from stsfix.remediation.renewal.plan import RenewalPlan

EXIT_CODES = {Verdict.CLEAN: SUCCESS, Verdict.WARNINGS: WARNINGS, Verdict.BLOCKED: BLOCKED}
"""What ``stsfix preflight`` ends with."""


def preflight_document(report: PreflightReport) -> JsonObject:
    """Return the whole document, without ``schema_version``, which `output.json_document` adds.

    Datetimes, durations and enums are left to it as well.
    """
    inventory = report.inventory
    held = validities(inventory)
    return {
        "kind": "preflight",
        "stsfix_version": report.version,
        "taken": inventory.taken,
        "domain": inventory.domain,
        "verdict": report.verdict,
        "needs_repair": report.needs_repair,
        "exit_code": EXIT_CODES[report.verdict],
        "summary": _summary(report),
        "findings": [_finding(finding) for finding in report.findings],
        "not_read": [
            {"subject": p.subject, "error": p.error, "text": p.text} for p in inventory.problems
        ],
        "expected": _expected(report.phases),
        "renewal": _renewal(report.renewal),
        "topology": topology_object(inventory.topology),
        "replication": [_lag(lag, inventory) for lag in inventory.lags()],
        "replication_stalled": [
            {"consumer": consumer, "supplier": supplier} for consumer, supplier in inventory.stalled
        ],
        "nodes": [
            node_object(node, inventory, health=node_state(node, report).health)
            for node in inventory.nodes
        ],
        "hosts": [host_object(host, inventory) for host in inventory.hosts],
        "directory": held_object(inventory.certificates),
        "certificates": {v.certificate.sha256: _certificate(v) for v in held},
    }


def _lag(lag: Lag, inventory: Inventory) -> JsonObject:
    pair = (lag.consumer, lag.supplier)
    return {
        "consumer": lag.consumer,
        "supplier": lag.supplier,
        "state": lag.state,
        "changes": lag.changes,
        "at_rest": pair in inventory.at_rest or not lag.is_late,
        "stalled": pair in inventory.stalled,
    }


def _summary(report: PreflightReport) -> JsonObject:
    inventory: Inventory = report.inventory
    return {
        "nodes": len(inventory.nodes),
        "hosts": len(inventory.hosts),
        "blocks": report.count(Severity.BLOCKS),
        "warns": report.count(Severity.WARNS),
        "informs": report.count(Severity.INFORMS),
        "accepted": sum(finding.accepted for finding in report.findings),
        "expired": [validity.certificate.sha256 for validity in expired(inventory)],
    }


def _finding(finding: Finding) -> JsonObject:
    return {
        "id": finding.id,
        "severity": finding.severity,
        "subject": finding.subject,
        "title": finding.title,
        "evidence": finding.evidence,
        "why": finding.why,
        "source": finding.source,
        "advice": finding.advice,
        "accepted": finding.accepted,
    }


def _expected(phases: tuple[Phase, ...]) -> JsonObject | None:
    """Return what the repair will take, in order; None if it is not known."""
    if not phases:
        return None
    return {
        "seconds": sum(phase.takes.total_seconds() for phase in phases),
        "downtime_seconds": sum(p.takes.total_seconds() for p in phases if p.down),
        "phases": [
            {
                "step": phase.step,
                "title": phase.title,
                "waves": phase.waves,
                "seconds": phase.takes,
                "down": phase.down,
                "basis": phase.basis,
            }
            for phase in phases
        ],
    }


def _renewal(plan: RenewalPlan) -> JsonObject | None:
    """Return what a run would renew, as it was asked; None if it was not."""
    if plan.renew is Renew.NONE:
        return None
    return {
        "renew": plan.renew,
        "certificates": [
            {
                "node": planned.renewal.node,
                "store": planned.renewal.store,
                "alias": planned.renewal.alias,
                "principal": planned.renewal.principal or None,
                "signer": planned.renewal.signer,
                "why": planned.why,
                "sha256": planned.renewal.sha256,
            }
            for planned in plan.planned
        ],
        "new_roots": plan.new_roots,
    }


def _certificate(validity: Validity) -> JsonObject:
    certificate = validity.certificate
    seen: JsonObject = {
        "group": validity.group,
        "places": validity.places,
        "nodes": validity.nodes,
        "signs_now": validity.signs,
        "sha256": certificate.sha256,
    }
    if isinstance(certificate, Malformed):
        return {**seen, "readable": False, "reason": certificate.reason}
    return {
        **seen,
        "readable": True,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        # As a string: JSON's readers keep 53 bits of a number, RFC 5280 allows 160.
        "serial": f"{certificate.x509.serial_number:x}",
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "expiry": validity.expiry,
        "key": key_words(certificate),
        "signature_hash": certificate.signature_hash,
        "key_usages": key_usages(certificate),
        "authority": certificate.authority,
        "subject_key_id": certificate.key_id,
        "der_base64": base64.b64encode(certificate.der).decode("ascii"),
    }


def key_words(certificate: Certificate) -> str:
    """Return kind and size of the certificate's public key, such as ``RSA 2048``."""
    key = certificate.x509.public_key()
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {key.curve.name}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            return "another kind"
