"""Every check of preflight about the SSO domain: from the inventory to findings. Pure.

What hosts and VMs contribute is in `stsfix.snapshot.safety`. A check that could not be made is a
finding too; silence means "looked at, and fine".
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.remediation.certificates import Certificate, Expiry, Malformed, classify, parse
from stsfix.remediation.inventory import foreign_runs
from stsfix.remediation.model import Finding, Severity
from stsfix.remediation.sts import leaf_of, same_entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import StsEntry

RUN_PREFIX = "stsfix-"
"""Every run's name, and so every snapshot of ours, begins with it."""

SOON = timedelta(days=90)
"""vCenter itself begins to warn of the STS certificate 90 days ahead (KB 318197)."""

_UNREADABLE = {
    "HostUnreachableError": ("HOST-UNREACHABLE", "check address, port and firewall of the host"),
    "HostLoginError": (
        "HOST-LOGIN",
        "check password, lockdown mode and account lock (900 s); it is not tried again",
    ),
    "HostTlsError": ("HOST-TLS", "compare the certificate with the host's console, then set tls"),
    "DirectoryLoginError": (
        "SSO-LOGIN",
        "check the SSO administrator's password; it is not tried again on any node",
    ),
    "PlainBindRefusedError": ("SSO-LOGIN", "use the LDAPS port of the node"),
    "DirectoryUnreachableError": ("SSO-UNREACHABLE", "check that vmdird runs on the node"),
    "NodeTlsError": ("NODE-TLS", "compare the certificate with the node's, then set tls"),
    "DomainNotFoundError": ("SSO-DOMAIN", "set sso.domain to the domain the node serves"),
    "TenantNotFoundError": ("SSO-TENANT", "log in as an administrator of the SSO domain"),
    "GuestLoginError": (
        "GUEST-LOGIN",
        "check root's password and whether it has expired or is locked (chage -l root)",
    ),
    "GuestUnavailableError": ("GUEST-UNAVAILABLE", "start VMware Tools or allow guest operations"),
}


def unreadable(inventory: Inventory) -> Iterator[Finding]:
    """Everything that could not be read forbids a run: nobody knows what it hides."""
    for problem in inventory.problems:
        name, advice = _UNREADABLE.get(
            problem.error, ("NOT-CHECKED", "mend this and run preflight again")
        )
        yield Finding(
            id=name,
            severity=Severity.BLOCKS,
            subject=problem.subject,
            evidence=problem.text,
            advice=advice,
        )


def nodes_are_found(inventory: Inventory) -> Iterator[Finding]:
    """Each node of the domain is exactly one live VM on one of the hosts."""
    for node in inventory.nodes:
        live, stale = node.location.live, node.location.stale
        if not live:
            yield Finding(
                id="NODE-NOT-FOUND",
                severity=Severity.BLOCKS,
                subject=node.fqdn,
                evidence="no connected VM with this host name, address or VM name on any host",
                advice="add the ESXi host that runs it; a partial domain is never touched",
            )
        elif len(live) > 1:
            where = "; ".join(f"{s.vm} ({s.power}, UUID {s.vm.instance_uuid})" for s in live)
            yield Finding(
                id="NODE-AMBIGUOUS",
                severity=Severity.BLOCKS,
                subject=node.fqdn,
                evidence=f"{len(live)} VMs match: {where}",
                advice=f'name the right one: [nodes."{node.fqdn}"] vm = "<instance UUID>"',
            )
        elif stale:
            yield Finding(
                id="NODE-STALE-COPY",
                severity=Severity.INFORMS,
                subject=node.fqdn,
                evidence="stale registrations: " + "; ".join(str(s.vm) for s in stale),
                advice="none; they are not touched",
            )


def nodes_are_listed(inventory: Inventory) -> Iterator[Finding]:
    """Controllers, servers and replication agreements name the same nodes."""
    topology = inventory.topology
    if topology is None:
        return
    controllers = set(topology.controllers)
    servers = {server.name for server in topology.servers}
    partners = {partner for server in topology.servers for partner in server.partners}
    for name in sorted((servers | partners) - controllers):
        yield Finding(
            id="NODE-UNLISTED",
            severity=Severity.BLOCKS,
            subject=name,
            evidence="a directory server or replication partner that is no domain controller",
            advice="clean up stale partners first (KB 425780), or bring the node back",
        )
    for name in sorted(controllers - servers):
        yield Finding(
            id="NODE-NO-SERVER",
            severity=Severity.WARNS,
            subject=name,
            evidence="a domain controller without a directory server entry (a gateway?)",
            advice="check that it is meant to be there",
        )
    if len(controllers) > 1:
        for server in topology.servers:
            if server.name in controllers and not server.partners:
                yield Finding(
                    id="REPL-NO-PARTNER",
                    severity=Severity.BLOCKS,
                    subject=server.name,
                    evidence="it has no replication agreement, so no change would reach it",
                    advice="restore replication before the repair",
                )


def roles_are_known(inventory: Inventory) -> Iterator[Finding]:
    """The node itself said what it is; otherwise the role is a guess."""
    for node in inventory.nodes:
        if not node.role_verified and node.location.found is not None:
            yield Finding(
                id="NODE-ROLE-UNVERIFIED",
                severity=Severity.BLOCKS,
                subject=node.fqdn,
                evidence=f"taken for {node.role} from the directory: its guest did not answer",
                advice="make guest operations work; services could not be restarted without them",
            )


def entries_are_sound(inventory: Inventory) -> Iterator[Finding]:
    """Each STS entry: number, key, leaf, dates."""
    for node in _writable(inventory):
        if node.sts is None:
            continue
        for entry in (*node.sts.credentials, *node.sts.chains):
            yield from _entry(node, entry)
        return  # the nodes' agreement is a check of its own


def _entry(node: NodeInventory, entry: StsEntry) -> Iterator[Finding]:
    if entry.index is None and entry.kind == "credential":
        yield Finding(
            id="STS-MALFORMED-INDEX",
            severity=Severity.BLOCKS,
            subject=entry.dn,
            evidence=f"on {node.fqdn}: no number in the name, which breaks the whole tenant",
            advice="remove this entry by hand (keep a copy elsewhere), then run preflight again",
        )
    if entry.key_matches is False:
        yield Finding(
            id="STS-KEY-MISMATCH",
            severity=Severity.WARNS,
            subject=entry.dn,
            evidence="the private key does not belong to the first certificate",
            advice="the repair replaces it",
        )
    if not entry.chain:
        yield Finding(
            id="STS-EMPTY-CHAIN",
            severity=Severity.WARNS,
            subject=entry.dn,
            evidence="the entry holds no certificate",
            advice="the repair adds a whole pair; this chain is left alone",
        )
        return
    leaf = parse(entry.chain[0])
    if isinstance(leaf, Malformed):
        yield Finding(
            id="STS-MALFORMED-CERTIFICATE",
            severity=Severity.WARNS,
            subject=entry.dn,
            evidence=f"the first certificate cannot be read: {leaf.reason}",
            advice="the repair adds a whole pair with a higher number",
        )
    elif leaf.authority:
        yield Finding(
            id="STS-LEAFLESS-CHAIN",
            severity=Severity.WARNS,
            subject=entry.dn,
            evidence=f"the first certificate is a CA ({leaf.subject}), there is no leaf",
            advice="the repair adds a whole pair; this chain is left alone",
        )


def signer_is_valid(inventory: Inventory) -> Iterator[Finding]:
    """What signs now, and whether that needs a repair."""
    for node in _writable(inventory):
        if node.sts is None:
            continue
        signing = node.sts.signing()
        if signing is None:
            yield Finding(
                id="STS-NO-CREDENTIAL",
                severity=Severity.INFORMS,
                subject=node.fqdn,
                evidence="the directory has no signing credential: nobody can log in",
                advice="stsfix run adds one",
            )
            continue
        yield from _signer(inventory, node, signing)


def _signer(inventory: Inventory, node: NodeInventory, signing: StsEntry) -> Iterator[Finding]:
    leaf = parse(signing.chain[0]) if signing.chain else None
    if not isinstance(leaf, Certificate):
        return  # entries_are_sound tells
    expiry = classify(leaf, inventory.taken, SOON)
    dates = f"valid {leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}"
    if expiry is Expiry.VALID:
        name, advice = "STS-VALID", "nothing to repair"
    elif expiry is Expiry.EXPIRING:
        name, advice = "STS-EXPIRING", "plan a repair: stsfix run"
    elif expiry is Expiry.EXPIRED:
        name, advice = "STS-EXPIRED", "stsfix run replaces it"
    else:
        name, advice = "STS-NOT-YET-VALID", "check the clocks before anything else"
    if not any(chain.chain and chain.chain[0] == leaf.der for chain in _chains(node)):
        yield Finding(
            id="STS-UNTRUSTED-SIGNER",
            severity=Severity.WARNS,
            subject=node.fqdn,
            evidence=f"no trusted chain begins with the leaf of TenantCredential-{signing.index}",
            advice="the STS refuses its own tokens; stsfix run adds a whole pair",
        )
    yield Finding(
        id=name,
        severity=Severity.WARNS if expiry is Expiry.NOT_YET_VALID else Severity.INFORMS,
        subject=node.fqdn,
        evidence=f"TenantCredential-{signing.index} signs; {expiry}: {dates}",
        advice=advice,
    )


def _chains(node: NodeInventory) -> tuple[StsEntry, ...]:
    return node.sts.chains if node.sts is not None else ()


def directories_agree(inventory: Inventory) -> Iterator[Finding]:
    """Every directory shows the same entries, and has seen its partners' changes."""
    readable = [node for node in _writable(inventory) if node.sts is not None]
    for node in readable[1:]:
        assert readable[0].sts is not None
        assert node.sts is not None
        if not same_entries(readable[0].sts, node.sts):
            yield Finding(
                id="REPL-ENTRIES-DIFFER",
                severity=Severity.BLOCKS,
                subject=node.fqdn,
                evidence=f"its STS entries differ from those of {readable[0].fqdn}",
                advice="replication is broken; comparing entries is the only proof (open a case)",
            )
    yield from _vectors(readable)


def _vectors(nodes: list[NodeInventory]) -> Iterator[Finding]:
    """A partner that has seen more of a node than the node has written: it was reverted alone.

    The reverse (a partner a few numbers behind) is normal at rest (vmdird measured, 8).
    """
    if len(nodes) == 1:
        return
    for node in nodes:
        status = node.replication
        if status is None:
            continue
        if status.up_to_date is None:
            yield Finding(
                id="REPL-NEVER-PULLED",
                severity=Severity.BLOCKS,
                subject=node.fqdn,
                evidence="it says UtdVector: Unknown, so it has not pulled from any partner",
                advice="wait for replication or restore it before the repair",
            )
            continue
        for partner in nodes:
            other = partner.replication
            seen = status.up_to_date.get(other.invocation_id) if other else None
            if other is not None and seen is not None and seen > other.usn:
                yield Finding(
                    id="REPL-USN-ROLLBACK",
                    severity=Severity.BLOCKS,
                    subject=partner.fqdn,
                    evidence=f"{node.fqdn} has seen its change {seen}, it is at {other.usn}",
                    advice="it was reverted alone; do not write to this domain (open a case)",
                )


def no_run_is_open(inventory: Inventory) -> Iterator[Finding]:
    """No snapshot of another run is left on any node."""
    for run, nodes in foreign_runs(inventory, prefix=RUN_PREFIX).items():
        yield Finding(
            id="RUN-SNAPSHOTS",
            severity=Severity.BLOCKS,
            subject=run,
            evidence=f"a run left its snapshots on {', '.join(nodes)}",
            advice=f"finish it first: stsfix release {run} (or rollback), where it was started",
        )


def services_are_known(inventory: Inventory) -> Iterator[Finding]:
    """What runs on each node now; with an expired signer vpxd is expected to be down."""
    for node in inventory.nodes:
        if node.services is not None and node.services.stopped:
            yield Finding(
                id="SERVICES-STOPPED",
                severity=Severity.INFORMS,
                subject=node.fqdn,
                evidence="stopped: " + ", ".join(node.services.stopped),
                advice="the repair restarts all services and checks them",
            )


def chains_without_credential(inventory: Inventory) -> Iterator[Finding]:
    """Chains that belong to no credential stay: tokens of other issuers may rest on them."""
    for node in _writable(inventory):
        if node.sts is None:
            continue
        leaves = {leaf_of(entry) for entry in node.sts.credentials}
        for entry in node.sts.chains:
            if entry.chain and leaf_of(entry) not in leaves:
                yield Finding(
                    id="STS-FOREIGN-CHAIN",
                    severity=Severity.INFORMS,
                    subject=entry.dn,
                    evidence="its leaf belongs to no credential of this domain",
                    advice="left alone; remove it by hand if its issuer is gone",
                )
        return


def _writable(inventory: Inventory) -> list[NodeInventory]:
    return [node for node in inventory.nodes if node.role.has_directory]


CHECKS = (
    unreadable,
    nodes_are_found,
    nodes_are_listed,
    roles_are_known,
    entries_are_sound,
    signer_is_valid,
    directories_agree,
    no_run_is_open,
    services_are_known,
    chains_without_credential,
)
