"""What `diagnose` names in a lab's scenarios: causes with their nodes. Data only."""

from __future__ import annotations

import os

from matrix import VARIABLE
from stsfix.lab.scenario import SCENARIOS

Named = dict[str, tuple[str, ...]]

VC1, VC2, VC9 = "vc1.lab.example", "vc2.lab.example", "vc9.lab.example"
FIRST, SECOND, BOTH = (VC1,), (VC2,), (VC1, VC2)
EXPIRED: Named = {"STS-EXPIRED": BOTH}

NAMED: dict[str, Named] = {
    "clock-skew": {**EXPIRED, "CLOCK-WRONG": FIRST},
    "database-down": {**EXPIRED, "SERVICES-DOWN": FIRST},
    "database-partition-out": {"DISK-FULL": FIRST},
    "domain-wrong": {"STS-EXPIRED": FIRST},
    "empty-chain": {**EXPIRED, "STS-ENTRY-BROKEN": BOTH},
    "entries-differ": {**EXPIRED, "STS-UNTRUSTED": BOTH},
    "expired": EXPIRED,
    "expired-while-running": EXPIRED,
    "expiring": {},
    "gateway": {"STS-EXPIRED": FIRST, "SERVICES-DOWN": SECOND},
    "healthy": {},
    "key-mismatch": {},
    "leafless-chain": {**EXPIRED, "CHAIN-LEAFLESS": FIRST, "CHAINS-OBSOLETE": FIRST},
    "log-partition-out": {"DISK-FULL": FIRST},
    "lookup-trust-mismatch": {"TRUST-ANCHOR-MISMATCH": FIRST},
    "machine-certificate-expired": {"STS-EXPIRED": FIRST, "MACHINE-SSL-EXPIRED": FIRST},
    "machine-certificate-expiring": {},
    "machine-ssl-expired": {"MACHINE-SSL-EXPIRED": FIRST},
    "malformed-certificate": {},
    "malformed-index": {**EXPIRED, "STS-ENTRY-BROKEN": BOTH},
    "no-credential": {"STS-NO-CREDENTIAL": BOTH},
    "node-clock-far": {**EXPIRED, "CLOCK-WRONG": FIRST},
    "node-clock-reset": {"CLOCK-WRONG": FIRST},
    "node-off": {"NODE-DOWN": FIRST},
    "obsolete-chains": {**EXPIRED, "CHAIN-LEAFLESS": FIRST, "CHAINS-OBSOLETE": FIRST},
    "published-differs": {},
    "repaired-long-ago": {},
    "retired-node": {**EXPIRED, "NODE-DOWN": (VC9,)},
    "signer-key-mismatch": {"STS-KEY-MISMATCH": BOTH},
    "signer-not-yet-valid": {"STS-NOT-YET-VALID": BOTH},
    "signer-untrusted": {"STS-UNTRUSTED": BOTH},
    "solution-users-expired": {"SOLUTION-USERS-EXPIRED": FIRST},
    "ssh-only": EXPIRED,
    "sso-password-wrong": {"STS-EXPIRED": FIRST},
    "sts-and-machine-ssl-expired": {
        **EXPIRED,
        "MACHINE-SSL-EXPIRED": BOTH,
        "SOLUTION-USERS-EXPIRED": BOTH,
    },
    "sts-refuses": {"STS-REFUSES": FIRST},
    "sts-stale": {"STS-STALE": FIRST},
    "sts-stopped": EXPIRED,
    "vami-only": EXPIRED,
    "vmafdd-down": {"STS-EXPIRED": FIRST, "SERVICES-DOWN": SECOND},
    "vmca-down": {**EXPIRED, "SERVICES-DOWN": FIRST},
    "vmca-expired": {"VMCA-ROOT-EXPIRED": FIRST},
    "vmca-root-expired": {
        **EXPIRED,
        "MACHINE-SSL-EXPIRED": BOTH,
        "SOLUTION-USERS-EXPIRED": BOTH,
        "VMCA-ROOT-EXPIRED": BOTH,
    },
    "vmdir-read-only": {**EXPIRED, "VMDIR-READ-ONLY": FIRST},
    "windows-vcenter": EXPIRED,
}
"""Causes by scenario, the gravest first, in the topology ``elm``."""

LOG_ONLY = {("domain-wrong", "STS-EXPIRED")}
"""What only lines name, since nothing better could be read; everything else is proven."""


def causes_of(scenario: str) -> Named:
    """Return what is named; where the table has no row, what the STS certificate alone gives."""
    row = NAMED.get(scenario)
    if row is not None:
        return row
    signing = max(SCENARIOS[scenario].credentials, key=lambda credential: credential.index)
    return EXPIRED if signing.days < 0 else {}


DIAGNOSED = frozenset(SCENARIOS if os.environ.get(VARIABLE) else NAMED)
"""Scenarios that are diagnosed, which takes as long again as to read what preflight reads: those of
the table, or every one (``make test-all``).
"""
