"""Each finding appears in its scenario and in no other; a clean lab has nothing to say.

Scenarios of certificates have rows of their own in test_findings_certificates.py, and what is wrong
in stores and VMCA is shown in test_findings_stores.py, what a renewal says in
test_findings_renewal.py.
"""

from __future__ import annotations

import pytest

from preflight_lab import seen
from stsfix.lab.certificate_plan import PLANS
from stsfix.lab.scenario import SCENARIOS
from stsfix.remediation import checks_certificates, checks_renewal, checks_stores
from stsfix.remediation.findings import RULES
from stsfix.remediation.model import Severity

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("scenarios")]

USUAL = {
    "informs COST-NO-TLS-CHANGE",
    "informs COST-SCHEDULED-TASKS",
    "informs SERVICES-STOPPED",
    "informs STS-EXPIRED",
    "informs STS-VALID",
}
"""What is told of nearly every lab, and forbids and warns of nothing."""

EXPECTED = {
    "bus-sharing": {"blocks SNAP-BUS-SHARING"},
    "changed-block-tracking": {"warns SNAP-CBT"},
    "clock-skew": {"blocks HOST-CLOCK", "blocks NODE-CLOCK"},
    "consolidation": {"blocks SNAP-CONSOLIDATION"},
    "database-partition-out": {"blocks NODE-DISK-FULL"},
    "datastore-full": {"blocks SNAP-NO-SPACE"},
    "datastore-inaccessible": {"blocks SNAP-DATASTORE-INACCESSIBLE"},
    "datastore-maintenance": {"blocks SNAP-DATASTORE-INACCESSIBLE"},
    "datastore-vsan": {"informs SNAP-VSAN"},
    "domain-wrong": {"blocks SSO-DOMAIN", "informs CERT-NOT-CHECKED", "warns CERT-NOT-CHECKED"},
    "duplicate-vm-name": {"blocks NODE-AMBIGUOUS", "blocks VMCA-UNREAD", "warns NODE-NOT-CHECKED"},
    "dvs-nics": {"warns NIC-DVS"},
    "empty-chain": {
        "blocks STS-EMPTY-CHAIN",
        "informs CERT-NOT-CHECKED",
        "informs STS-SEVERAL-CHAINS",
    },
    "encrypted": {"warns SNAP-ENCRYPTED"},
    "entries-differ": {
        "blocks REPL-ENTRIES-DIFFER",
        "informs STS-SEVERAL-CREDENTIALS",
        "warns STS-UNTRUSTED-SIGNER",
    },
    "expiring": {"informs STS-EXPIRING"},
    "fault-tolerance": {"blocks SNAP-FT"},
    "functional-levels-differ": {"warns DOMAIN-LEVEL-MIXED"},
    "gap-in-indexes": {"informs STS-SEVERAL-CHAINS", "informs STS-SEVERAL-CREDENTIALS"},
    "gateway": {
        "blocks NODE-GATEWAY",
        "blocks SSO-UNREACHABLE",
        "informs CERT-NOT-CHECKED",
        "warns CERT-NOT-CHECKED",
        "warns VMCA-DOWN",
    },
    "guest-operations-off": {
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks VMCA-UNREAD",
        "warns GUEST-OPERATIONS-OFF",
        "warns NODE-NOT-CHECKED",
    },
    "guest-operations-refused": {
        "blocks GUEST-UNAVAILABLE",
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks VMCA-UNREAD",
        "warns NODE-NOT-CHECKED",
    },
    "hidden-partner": {"blocks NODE-UNLISTED"},
    "host-certificate-wrong": {
        "blocks HOST-TLS",
        "blocks NODE-NOT-FOUND",
        "blocks VMCA-UNREAD",
        "warns NODE-NOT-CHECKED",
    },
    "host-clock-off": {"warns HOST-CLOCK", "warns NODE-CLOCK-HOST"},
    "host-down": {
        "blocks HOST-UNREACHABLE",
        "blocks NODE-NOT-FOUND",
        "blocks VMCA-UNREAD",
        "warns NODE-NOT-CHECKED",
    },
    "host-evaluation": {"warns HOST-LICENCE"},
    "host-evaluation-ended": {"blocks HOST-LICENCE"},
    "host-evaluation-ends": {"warns HOST-LICENCE"},
    "host-free-licence": {
        "blocks HOST-LICENCE",
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks NOT-CHECKED",
        "blocks VMCA-UNREAD",
        "warns NODE-NOT-CHECKED",
    },
    "host-left-out": {"blocks NODE-NOT-FOUND", "warns NODE-NOT-CHECKED"},
    "host-lockdown": {
        "blocks HOST-LOGIN",
        "blocks NODE-NOT-FOUND",
        "blocks VMCA-UNREAD",
        "warns NODE-NOT-CHECKED",
    },
    "host-lockdown-exception": {"warns HOST-LOCKDOWN"},
    "host-lockdown-strict": {"blocks HOST-LOCKDOWN"},
    "host-maintenance": {"blocks HOST-MAINTENANCE"},
    "host-managed": {"informs HOST-MANAGED"},
    "host-managed-elsewhere": {"informs HOST-MANAGED", "warns HOST-MANAGED-ELSEWHERE"},
    "host-no-ntp": {"informs HOST-NTP"},
    "host-old": {"warns HOST-OLD"},
    "host-password-wrong": {
        "blocks HOST-LOGIN",
        "blocks NODE-NOT-FOUND",
        "blocks VMCA-UNREAD",
        "warns NODE-NOT-CHECKED",
    },
    "host-silent": {"warns HOST-NOT-CHECKED"},
    "host-slow": {"warns HOST-SLOW"},
    "independent-disk": {"blocks SNAP-INDEPENDENT-DISK"},
    "key-mismatch": {
        "informs STS-SEVERAL-CHAINS",
        "informs STS-SEVERAL-CREDENTIALS",
        "warns STS-KEY-MISMATCH",
    },
    "leafless-chain": {
        "informs STS-FOREIGN-CHAIN",
        "informs STS-SEVERAL-CHAINS",
        "warns STS-LEAFLESS-CHAIN",
    },
    "lists-differ": {"blocks REPL-LISTS-DIFFER"},
    "log-partition-full": {"blocks NODE-DISK-FULL"},
    "log-partition-out": {"blocks NODE-DISK-FULL"},
    "machine-certificate-expired": {
        "blocks CERT-MACHINE-EXPIRED",
        "blocks NODE-TLS",
        "informs CERT-NOT-CHECKED",
        "warns CERT-NOT-CHECKED",
    },
    "machine-ssl-expired": {
        "blocks CERT-MACHINE-EXPIRED",
        "blocks NODE-TLS",
        "informs CERT-NOT-CHECKED",
        "warns CERT-NOT-CHECKED",
    },
    "malformed-certificate": {
        "informs STS-SEVERAL-CREDENTIALS",
        "warns STS-KEY-MISMATCH",
        "warns STS-MALFORMED-CERTIFICATE",
    },
    "malformed-index": {
        "blocks STS-MALFORMED-INDEX",
        "informs CERT-NOT-CHECKED",
        "informs STS-SEVERAL-CREDENTIALS",
    },
    "managed-by": {"warns SNAP-MANAGED-BY"},
    "method-disabled": {"blocks SNAP-METHOD-DISABLED"},
    "mixed-versions": {"warns NODE-VERSION-MIXED"},
    "never-pulled": {"blocks REPL-NEVER-PULLED"},
    "nic-disconnected": {"warns NIC-DISCONNECTED"},
    "no-agreement": {"blocks REPL-NO-PARTNER"},
    "no-administrator": {"blocks VM-RIGHTS"},
    "no-credential": {"informs CERT-NOT-CHECKED", "informs STS-NO-CREDENTIAL"},
    "node-certificate-wrong": {
        "blocks NODE-TLS",
        "informs CERT-NOT-CHECKED",
        "warns CERT-NOT-CHECKED",
    },
    "node-clock": {"warns NODE-CLOCK", "warns NODE-CLOCK-HOST"},
    "node-clock-reset": {"blocks NODE-CLOCK", "blocks NODE-CLOCK-HOST"},
    "node-clock-far": {"blocks NODE-CLOCK", "blocks NODE-CLOCK-HOST"},
    "node-of-another-domain": {"blocks NODE-NOT-IN-DOMAIN"},
    "node-off": {
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks SSO-UNREACHABLE",
        "blocks VM-OFF",
        "blocks VMCA-UNREAD",
        "informs CERT-NOT-CHECKED",
        "warns CERT-NOT-CHECKED",
        "warns NODE-NOT-CHECKED",
    },
    "node-suspended": {
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks SSO-UNREACHABLE",
        "blocks VM-SUSPENDED",
        "blocks VMCA-UNREAD",
        "informs CERT-NOT-CHECKED",
        "warns CERT-NOT-CHECKED",
        "warns NODE-NOT-CHECKED",
    },
    "one-way-agreement": {"blocks REPL-ONE-WAY"},
    "passthrough": {"blocks SNAP-PASSTHROUGH"},
    "question": {"blocks SNAP-QUESTION"},
    "raw-disk": {"blocks SNAP-RDM"},
    "registration-fades": {"blocks VM-STALE"},
    "replicated": {"warns SNAP-REPLICATED"},
    "replication-broken": {"blocks REPL-USN-ROLLBACK"},
    "replication-catches-up": {"warns REPL-LAG"},
    "replication-stalled": {"blocks REPL-STALLED"},
    "retired-node": {
        "blocks NODE-NOT-FOUND",
        "blocks SSO-UNREACHABLE",
        "informs CERT-NOT-CHECKED",
        "warns CERT-NOT-CHECKED",
        "warns NODE-NO-SERVER",
        "warns NODE-NOT-CHECKED",
    },
    "rights-unknown": {"warns VM-NOT-CHECKED"},
    "root-password-expired": {
        "blocks GUEST-LOGIN",
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks VMCA-UNREAD",
        "warns NODE-NOT-CHECKED",
    },
    "root-password-expiring": {"warns ROOT-PASSWORD-EXPIRING"},
    "root-password-lapsed": {"blocks ROOT-PASSWORD-EXPIRED"},
    "root-password-wrong": {
        "blocks GUEST-LOGIN",
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks VMCA-UNREAD",
        "warns NODE-NOT-CHECKED",
    },
    "shared-disk": {"blocks SNAP-MULTI-WRITER"},
    "signer-key-mismatch": {"warns STS-KEY-MISMATCH"},
    "signer-not-yet-valid": {"warns STS-NOT-YET-VALID"},
    "signer-untrusted": {"warns STS-UNTRUSTED-SIGNER"},
    "snapshot-chain": {"blocks SNAP-CHAIN-TOO-DEEP"},
    "snapshot-limit": {"blocks SNAP-LIMIT"},
    "snapshot-of-a-run": {"blocks RUN-SNAPSHOTS"},
    "snapshot-there": {"warns SNAP-EXISTING"},
    "snapshot-unsupported": {"blocks SNAP-UNSUPPORTED"},
    "ssh-bash": {
        "warns GUEST-OPERATIONS-OFF",
    },
    "ssh-host-key-wrong": {
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks SSH-HOST-KEY",
        "blocks VMCA-UNREAD",
        "warns GUEST-OPERATIONS-OFF",
        "warns NODE-NOT-CHECKED",
    },
    "ssh-locked": {
        "blocks GUEST-LOGIN",
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks VMCA-UNREAD",
        "warns GUEST-OPERATIONS-OFF",
        "warns NODE-NOT-CHECKED",
    },
    "ssh-only": {
        "warns GUEST-OPERATIONS-OFF",
    },
    "ssh-root-password-expired": {
        "blocks GUEST-LOGIN",
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks VMCA-UNREAD",
        "warns GUEST-OPERATIONS-OFF",
        "warns NODE-NOT-CHECKED",
    },
    "sso-password-wrong": {"blocks SSO-LOGIN", "warns CERT-NOT-CHECKED"},
    "stale-copy": {"informs NODE-STALE-COPY"},
    "stale-partner": {"blocks NODE-UNLISTED"},
    "stale-registration": {"blocks NODE-NOT-FOUND", "blocks VMCA-UNREAD", "warns NODE-NOT-CHECKED"},
    "sts-stale": {
        "informs STS-SEVERAL-CHAINS",
        "informs STS-SEVERAL-CREDENTIALS",
        "warns STS-PUBLISHED-DIFFERS",
    },
    "sts-stopped": {"informs CERT-NOT-CHECKED"},
    "tools-missing": {
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks TOOLS-NOT-RUNNING",
        "blocks VMCA-UNREAD",
        "warns NODE-NOT-CHECKED",
    },
    "user-without-rights": {"blocks SSO-TENANT", "warns CERT-NOT-CHECKED"},
    "vami-only": {
        "warns GUEST-OPERATIONS-OFF",
        "warns NODE-NOT-CHECKED",
        "warns NODE-ROLE-UNVERIFIED",
    },
    "vapp": {"warns VM-VAPP"},
    "vcha": {"blocks NODE-VCHA"},
    "vmafdd-down": {
        "blocks SERVICES-CORE-DOWN",
        "blocks SSO-UNREACHABLE",
        "informs CERT-NOT-CHECKED",
        "warns CERT-NOT-CHECKED",
        "warns VMCA-DOWN",
    },
    "vmdir-read-only": {"blocks VMDIR-STATE"},
    "windows-external-database": {
        "blocks WIN-EXTERNAL-DB",
        "informs CERT-NOT-CHECKED",
        "warns NODE-WINDOWS",
    },
    "windows-node": {"informs CERT-NOT-CHECKED", "warns NODE-WINDOWS"},
    "windows-root": {
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks WIN-SETTINGS",
        "warns NODE-NOT-CHECKED",
        "warns NODE-WINDOWS",
    },
    "windows-uac": {
        "blocks NODE-ROLE-UNVERIFIED",
        "blocks WIN-UAC",
        "warns NODE-NOT-CHECKED",
        "warns NODE-WINDOWS",
    },
    "windows-vcenter": {"informs CERT-NOT-CHECKED", "warns NODE-WINDOWS"},
    "sts-and-machine-ssl-expired": {"blocks CERT-MACHINE-EXPIRED", "blocks CERT-SOLUTION-EXPIRED"},
    "vmca-root-expired": {
        "blocks CERT-MACHINE-EXPIRED",
        "blocks CERT-SOLUTION-EXPIRED",
        "blocks VMCA-ROOT-EXPIRED",
    },
    "data-encipherment-expired": {"warns CERT-ENCIPHERMENT-EXPIRED"},
    "obsolete-chains": {
        "informs CERT-STORE-EXPIRED",
        "informs STS-FOREIGN-CHAIN",
        "informs STS-SEVERAL-CHAINS",
        "informs STS-SEVERAL-CREDENTIALS",
        "warns STS-LEAFLESS-CHAIN",
    },
    "solution-users-and-sts-expired": {"blocks CERT-SOLUTION-EXPIRED"},
    "trust-anchor-mismatch": {"warns LOOKUP-TRUST"},
}
"""Everything else, by scenario: severities and ids. No row: nothing is found."""

NO_SCENARIO: dict[str, str] = {}
"""Rules that nothing shows, each with its reason."""


def told(scenario):
    """Return severities and ids of all that is found, but for what is usual."""
    _, found = seen(scenario)
    return {f"{finding.severity} {finding.id}" for finding in found} - USUAL


@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - set(PLANS)))
def test_a_scenario_shows_its_findings_and_no_others(scenario):
    """What is wrong is found; what is not wrong is not."""
    assert told(scenario) == EXPECTED.get(scenario, set())


def test_every_rule_has_a_scenario_or_a_reason():
    """Nothing is looked for that nobody ever saw found."""
    shown = {row.split(" ")[1] for rows in (*EXPECTED.values(), USUAL) for row in rows}
    tables = (checks_certificates.RULES, checks_stores.RULES, checks_renewal.RULES)
    elsewhere = {rule.id for table in tables for rule in table}

    assert set(RULES) - shown - elsewhere == set(NO_SCENARIO)


def test_a_directory_that_only_listens_lacks_nothing():
    """Its notes of what it pulled count as changes and are sent to nobody: asked, it says so."""
    inventory, found = seen("one-sided-changes")

    assert inventory.at_rest == (("vc1.lab.example", "vc2.lab.example"),)
    assert not [f for f in found if f.id in {"REPL-LAG", "REPL-STALLED"}]


def test_every_row_is_of_a_scenario():
    """No row outlives its scenario."""
    assert set(EXPECTED) <= set(SCENARIOS) - set(PLANS)


@pytest.mark.parametrize("topology", ["embedded", "elm", "external-psc"])
@pytest.mark.parametrize(
    ("scenario", "signer"), [("healthy", "STS-VALID"), ("expired", "STS-EXPIRED")]
)
def test_a_clean_lab_neither_blocks_nor_warns(topology, scenario, signer):
    """Nothing is made up, in any topology; what signs is told of every directory."""
    inventory, found = seen(scenario, topology)

    assert [f for f in found if f.severity is not Severity.INFORMS] == []
    assert {f"informs {f.id}" for f in found} <= USUAL
    assert [f.subject for f in found if f.id == signer] == sorted(
        node.fqdn for node in inventory.nodes if node.role.has_directory
    )


@pytest.mark.parametrize("scenario", sorted(EXPECTED))
def test_every_finding_explains_itself(scenario):
    """Evidence, advice and the rule's words are there, whatever is wrong."""
    _, found = seen(scenario)

    assert all(all((f.subject, f.evidence, f.advice)) for f in found)
    assert [(f.title, f.why) for f in found] == [
        (RULES[f.id].title, RULES[f.id].why) for f in found
    ]
