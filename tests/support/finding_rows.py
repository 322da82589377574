"""More of what is to be found: how often, with another issuer, when a renewal is asked for.

With `finding_tables` this is every rule of the registry: see `lacking`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finding_tables import EXPECTED, USUAL
from stsfix.remediation.checks.renewal import Wish
from stsfix.remediation.model import Renew

if TYPE_CHECKING:
    from collections.abc import Iterable

CERTIFICATES = {
    "machine-certificate-expired": {("blocks", "CERT-MACHINE-EXPIRED"): 1},
    "machine-ssl-expired": {("blocks", "CERT-MACHINE-EXPIRED"): 1},
    "machine-certificate-expiring": {("warns", "CERT-MACHINE-EXPIRING"): 1},
    "machine-certificate-name": {("warns", "CERT-MACHINE-NAME"): 1},
    "tls-ports-differ": {("warns", "CERT-PORTS-DIFFER"): 1},
    "solution-users-expired": {("blocks", "CERT-SOLUTION-EXPIRED"): 6},
    "solution-users-expiring": {("warns", "CERT-SOLUTION-EXPIRING"): 6},
    "vmca-expired": {("blocks", "VMCA-ROOT-EXPIRED"): 1},
    "vmca-expiring": {
        ("warns", "VMCA-ROOT-EXPIRING"): 1,
        ("warns", "CERT-MACHINE-EXPIRING"): 1,
        ("warns", "CERT-SOLUTION-EXPIRING"): 6,
    },
    "sts-and-machine-ssl-expired": {
        ("blocks", "CERT-MACHINE-EXPIRED"): 2,
        ("blocks", "CERT-SOLUTION-EXPIRED"): 12,
    },
    "solution-users-and-sts-expired": {("blocks", "CERT-SOLUTION-EXPIRED"): 12},
    "vmca-root-expired": {
        ("blocks", "CERT-MACHINE-EXPIRED"): 2,
        ("blocks", "CERT-SOLUTION-EXPIRED"): 12,
        ("blocks", "VMCA-ROOT-EXPIRED"): 2,
    },
    "trust-anchor-mismatch": {("warns", "LOOKUP-TRUST"): 1},
    "machine-ssl-company-ca": {("blocks", "CERT-MACHINE-EXPIRED"): 1},
    "machine-ssl-not-restarted": {("warns", "LOOKUP-TRUST"): 1},
    "machine-ssl-replaced-expired": {
        ("blocks", "CERT-MACHINE-EXPIRED"): 1,
        ("warns", "LOOKUP-TRUST"): 1,
    },
    "solution-user-replaced-expired": {("blocks", "CERT-SOLUTION-EXPIRED"): 1},
    "vmca-subordinate": {
        ("warns", "CERT-MACHINE-EXPIRING"): 1,
        ("warns", "CERT-SOLUTION-EXPIRING"): 6,
        ("warns", "VMCA-ROOT-EXPIRING"): 1,
    },
    "root-expired": {("warns", "TRUST-ROOT-EXPIRED"): 1},
    "root-not-ca": {("warns", "TRUST-ROOT-NOT-CA"): 1},
    "root-twice": {("informs", "TRUST-ROOT-TWICE"): 1},
    "root-malformed": {("warns", "CERT-MALFORMED"): 1},
    "crl-many": {("warns", "TRUST-CRL-COUNT"): 1},
    "crl-flood": {("blocks", "TRUST-CRL-COUNT"): 1},
    "sts-untrusted-root": {("warns", "STS-ROOT-UNLISTED"): 1},
    "sts-wrong-root": {("warns", "STS-ROOT-UNLISTED"): 1, ("warns", "STS-CHAIN-BROKEN"): 1},
    "sts-key-usage": {("informs", "STS-KEY-USAGE"): 1},
    "weak-key": {("warns", "CERT-WEAK"): 1},
    "sts-stale": {("warns", "STS-PUBLISHED-DIFFERS"): 1},
    "published-differs": {("warns", "STS-PUBLISHED-DIFFERS"): 1},
    "jwks-differs": {("warns", "STS-JWKS-DIFFERS"): 1},
    "lookup-trust-mismatch": {("warns", "LOOKUP-TRUST"): 1},
    "connection-string-remote": {("warns", "SSO-CONNECTION"): 1},
    "identity-source-expired": {("warns", "SSO-SOURCE-EXPIRED"): 1},
    "smart-card": {("informs", "CHAIN-SMART-CARD"): 1},
    "smart-card-only": {("informs", "CHAIN-SMART-CARD"): 1, ("warns", "SSO-NO-PASSWORDS"): 1},
    "external-idp": {("informs", "CHAIN-EXTERNAL-IDP"): 1},
    "chain-of-nobody": {("informs", "CHAIN-UNKNOWN"): 1},
}
"""Findings about certificates: severity and id, and how many there are, by scenario."""

OWN_CA = {
    "gateway": {"warns VMCA-DOWN"},
    "vmafdd-down": {"warns VMCA-DOWN"},
    "vmca-down": {"warns VMCA-DOWN"},
    "vmca-expiring": set[str](),
    "vmca-key-mismatch": {"warns VMCA-KEY"},
    "vmca-no-certool": {"informs VMCA-NO-CERTOOL"},
    "vmca-root-broken": {"informs VMCA-UNREAD"},
    "vmca-root-missing": {"informs VMCA-UNREAD"},
    "vmca-root-not-reloaded": {"warns VMCA-ROOT-DIFFERS", "informs VMCA-ROOT-UNLISTED"},
    "vmca-root-unlisted": {"informs VMCA-ROOT-UNLISTED"},
}
"""What is told of VMCA where the operator does not let it sign (issuer = "own-ca"), by scenario:
severity and id of rules of VMCA. No row: nothing is."""

_RENEW = {"informs RENEW-PLAN", "informs COST-TLS-CHANGE"}

ASKED = {
    ("expired", "--renew expired"): set[str](),
    ("expired", "--renew all"): _RENEW,
    ("expired", "--new-vmca-root"): {"blocks RENEW-ROOT-NEEDLESS"},
    ("vmca-root-expired", "--renew expired"): {*_RENEW, "blocks RENEW-ROOT-ENDED"},
    ("vmca-root-expired", "--new-vmca-root"): {*_RENEW, "warns RENEW-ROOT-NEW"},
    ("data-encipherment-expired", "--renew expired"): {"warns RENEW-LEFT"},
    ("machine-ssl-company-ca", "--renew expired"): {*_RENEW, "blocks RENEW-CUSTOM-CA"},
    ("machine-ssl-company-ca", "--renew all"): {*_RENEW, "blocks RENEW-CUSTOM-CA"},
    ("windows-vcenter", "--renew expired"): {"blocks RENEW-WINDOWS"},
    ("vmafdd-down", "--renew all"): {*_RENEW, "blocks RENEW-NOT-READ"},
    ("solution-user-lost", "--renew all"): {*_RENEW, "warns RENEW-NO-ACCOUNT"},
    ("vmca-root-missing", "--new-vmca-root"): {"blocks RENEW-NOT-READ"},
    ("vmca-down", "--renew all"): {*_RENEW, "blocks RENEW-NO-SIGNER"},
    ("vmca-subordinate", "--new-vmca-root"): {
        *_RENEW,
        "warns RENEW-ROOT-NEW",
        "blocks RENEW-SUBORDINATE",
    },
}
"""What preflight says of a renewal, by scenario and what the operator asks for."""

_NO_DIRECTORY = {
    "domain-wrong",
    "machine-certificate-expired",
    "machine-ssl-expired",
    "node-certificate-wrong",
    "sso-password-wrong",
    "user-without-rights",
}
_OUT_OF_REACH = {name for name, rows in EXPECTED.items() if "warns NODE-NOT-CHECKED" in rows}
_ON_WINDOWS = {name for name in EXPECTED if name.startswith("windows-")}

RENEWED = {
    "blocks RENEW-NOT-READ": (_OUT_OF_REACH - _ON_WINDOWS)
    | _NO_DIRECTORY
    | {"vmafdd-down", "vmca-root-broken", "vmca-root-missing"},
    "blocks RENEW-NO-SIGNER": {
        "gateway",
        "vmca-down",
        "vmca-key-mismatch",
        "vmca-no-certool",
        "vmca-root-not-reloaded",
    },
    "blocks RENEW-CUSTOM-CA": {"machine-ssl-company-ca"},
    "blocks RENEW-ROOT-ENDED": {"vmca-expired", "vmca-root-expired"},
    "blocks RENEW-WINDOWS": _ON_WINDOWS,
    "warns RENEW-LEFT": {"data-encipherment-expired", "obsolete-chains", "sms-expired"},
    "warns RENEW-NO-ACCOUNT": {"solution-user-lost"},
    "warns RENEW-ROOT-ENDED": {"vmca-expiring", "vmca-subordinate"},
}
"""Scenarios in which something speaks against ``--renew all``, by severity and id."""

WISHES = {
    "--renew expired": Wish(renew=Renew.EXPIRED),
    "--renew all": Wish(renew=Renew.ALL),
    "--new-vmca-root": Wish(new_vmca_root=True),
}

NO_SCENARIO: dict[str, str] = {}
"""Rules that no scenario shows, each with the reason why it cannot occur in a lab."""


def shown_rules() -> frozenset[str]:
    """Return the ids that some scenario shows."""
    tables = (*EXPECTED.values(), *OWN_CA.values(), *ASKED.values(), USUAL)
    rows = {row for table in tables for row in table}
    counted = {rule for table in CERTIFICATES.values() for _, rule in table}
    return frozenset({row.split(" ")[1] for row in rows} | counted)


def lacking(rules: Iterable[str]) -> list[str]:
    """Return what is to be done for each of *rules* that nothing shows, one sentence each."""
    shown = shown_rules()
    return [
        f"{rule} is in the registry and no scenario shows it: add a scenario to a plan of lab/ "
        '(see "Adding a scenario" in docs/lab.md) and a row to EXPECTED in tests/support/'
        "finding_tables.py, or say in NO_SCENARIO of finding_rows.py why no lab can have it"
        for rule in rules
        if rule not in shown and rule not in NO_SCENARIO
    ]
