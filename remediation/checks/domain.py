"""Every check of preflight about the SSO domain: from the inventory to findings. Pure.

What hosts and VMs contribute is in `stsfix.snapshot.safety`. A check that could not be made is a
finding too; silence means "looked at, and fine".
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.remediation.adoption import members_of
from stsfix.remediation.checks.places import nodes_are_found
from stsfix.remediation.checks.rules_domain import RULES
from stsfix.remediation.checks.windows import RULES as WINDOWS_RULES
from stsfix.remediation.claims import RUN_PREFIX
from stsfix.remediation.directory.sts import belonging, mark_of, same_entries
from stsfix.remediation.inventory import foreign_runs
from stsfix.remediation.model import Transport
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.nodes.service_names import unusually_stopped
from stsfix.remediation.pki.certificates import Certificate, Expiry, Malformed, classify, parse
from stsfix.remediation.pki.vcenter_refresh import refresh_advice
from stsfix.snapshot.risk import Finder, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import Finding, StsEntry

__all__ = ["CHECKS", "RULES", "SOON", "UNREADABLE"]

found = Finder(RULES)

SOON = timedelta(days=90)
"""vCenter itself begins to warn of the STS certificate 90 days ahead (KB 318197)."""

UNREADABLE = {
    "HostUnreachableError": "HOST-UNREACHABLE",
    "HostLoginError": "HOST-LOGIN",
    "HostTlsError": "HOST-TLS",
    "DirectoryLoginError": "SSO-LOGIN",
    "PlainBindRefusedError": "SSO-LOGIN",
    "DirectoryUnreachableError": "SSO-UNREACHABLE",
    "NodeTlsError": "NODE-TLS",
    "DomainNotFoundError": "SSO-DOMAIN",
    "TenantNotFoundError": "SSO-TENANT",
    "GuestLoginError": "GUEST-LOGIN",
    "GuestUnavailableError": "GUEST-UNAVAILABLE",
    "NodeLoginError": "GUEST-LOGIN",
    "TransportUnavailableError": "GUEST-UNAVAILABLE",
    "NoShellError": "GUEST-UNAVAILABLE",
    "HostKeyError": "SSH-HOST-KEY",
    "GuestRightsError": "WIN-UAC",
    "WindowsNodeError": "WIN-SETTINGS",
}
"""Rule by the class name of the error that a read ended with; any other is NOT-CHECKED."""


_found_on_windows = Finder(WINDOWS_RULES)


def unreadable(inventory: Inventory) -> Iterator[Finding]:
    """Everything that could not be read forbids a run: nobody knows what it hides."""
    nodes = {node.fqdn for node in inventory.nodes}
    for problem in inventory.problems:
        rule = UNREADABLE.get(problem.error, "NOT-CHECKED")
        if problem.error == "HostRestrictedError" and problem.subject in nodes:
            rule = "GUEST-UNAVAILABLE"  # the host lets nothing into its guest
        advice = None
        if problem.error == "PlainBindRefusedError":
            advice = "Use the LDAPS port of the node."
        if rule == "HOST-LOGIN" and problem.text.endswith("the password has expired"):
            advice = "Set a new password on the host's console, then put it into the secrets."
        if problem.error == "AnswerTooLargeError":
            advice = "Restart what answers there; if it goes on, keep away: it may be hostile."
        finder = _found_on_windows if rule.startswith("WIN-") else found
        yield finder(rule, problem.subject, problem.text, advice=advice)


def nodes_are_listed(inventory: Inventory) -> Iterator[Finding]:
    """Controllers, servers and replication agreements name the same nodes."""
    topology = inventory.topology
    if topology is None:
        return
    controllers = set(topology.controllers)
    # Server entries and agreements are not replicated: each node may know others.
    listings = [topology, *(node.listed for node in inventory.nodes if node.listed is not None)]
    entries = [server for listing in listings for server in listing.servers]
    servers = {server.name for server in entries}
    partners = {partner for server in entries for partner in server.partners}
    for name in sorted((servers | partners) - controllers):
        what = [
            text
            for text, names in (("directory server", servers), ("replication partner", partners))
            if name in names
        ]
        yield found("NODE-UNLISTED", name, f"a {' and '.join(what)} that is no domain controller")
    for name in sorted(controllers - servers):
        yield found(
            "NODE-NO-SERVER",
            name,
            "a domain controller without a directory server entry (a gateway?)",
        )
    for name in _islands(inventory, controllers):
        yield found(
            "REPL-NO-PARTNER",
            name,
            "it has no replication agreement, and no directory that was read has one with it",
        )


def _islands(inventory: Inventory, controllers: set[str]) -> list[str]:
    """Return controllers that replicate with nobody, as far as each directory could be asked of
    its own agreements: a partner's copy may be old (vmdir.md 6.5).
    """
    known = {node.fqdn: node.listed for node in inventory.nodes if node.listed is not None}
    partners = {
        name: {p for server in listed.servers if server.name == name for p in server.partners}
        for name, listed in known.items()
        if name in controllers
    }
    joined = {name for names in partners.values() for name in names}
    alone = [name for name, names in partners.items() if not names and name not in joined]
    return sorted(alone) if len(controllers) > 1 else []


def managers_are_known(inventory: Inventory) -> Iterator[Finding]:
    """A host that another vCenter manages is not ours alone while our nodes are off."""
    ours = {node.fqdn for node in inventory.nodes}
    hosts = {node.vm.vm.host for node in inventory.nodes if node.vm is not None}
    for node in inventory.nodes:
        if node.vm is not None:
            ours |= {node.vm.summary.hostname.lower(), *node.vm.summary.addresses}
    for facts in inventory.hosts:
        manager = facts.managed_by
        if manager and facts.host in hosts and manager.lower() not in ours:
            evidence = f"It is managed by {manager}, which is none of the domain's nodes."
            yield found("HOST-MANAGED-ELSEWHERE", facts.host, evidence)


_NO_SHELL = frozenset({Transport.VAMI, Transport.NONE})


def is_out_of_reach(node: NodeInventory) -> bool:
    """Tell whether nothing could be asked of the node's guest, and a finding that forbids a run
    says so: NODE-NOT-FOUND, NODE-AMBIGUOUS or NODE-ROLE-UNVERIFIED.
    """
    if not isinstance(node.facts, Unread):
        return False
    return node.location.found is None or not (node.role_verified or node.transport in _NO_SHELL)


def roles_are_known(inventory: Inventory) -> Iterator[Finding]:
    """The node itself said what it is; otherwise the role is a guess."""
    for node in inventory.nodes:
        if node.role_verified or node.location.found is None:
            continue
        said = f"taken for {node.role} from the directory: "
        if node.transport in _NO_SHELL:
            # The operator knows that no command can be run there.
            said += f"transport {node.transport} cannot ask the node"
            yield found("NODE-ROLE-UNVERIFIED", node.fqdn, said, severity=Severity.WARNS)
        else:
            yield found("NODE-ROLE-UNVERIFIED", node.fqdn, f"{said}its guest did not answer")


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
        yield found(
            "STS-MALFORMED-INDEX",
            entry.dn,
            f"on {node.fqdn}: no number in the name, which breaks the whole tenant",
        )
    if not entry.chain:
        # A credential that does not sign is never looked at; each chain is.
        severity = Severity.WARNS if entry.kind == "credential" else None
        evidence = "the entry holds no certificate"
        yield found("STS-EMPTY-CHAIN", entry.dn, evidence, severity=severity)
        return
    unread = _unreadable(entry)
    if unread:
        severity = Severity.WARNS if entry.kind == "credential" else None
        yield found("STS-MALFORMED-CERTIFICATE", entry.dn, unread, severity=severity)
    leaf = parse(entry.chain[0])
    if isinstance(leaf, Malformed):
        return
    if entry.key_matches is False:
        yield found(
            "STS-KEY-MISMATCH", entry.dn, "the private key does not belong to the first certificate"
        )
    if leaf.authority:
        yield found(
            "STS-LEAFLESS-CHAIN",
            entry.dn,
            f"the first certificate is a CA ({leaf.subject}), no leaf",
        )


def _unreadable(entry: StsEntry) -> str:
    """Return which certificate of *entry* cannot be read, and why; empty if all can."""
    for position, certificate in enumerate(map(parse, entry.chain), start=1):
        if isinstance(certificate, Malformed):
            return f"certificate {position} of {len(entry.chain)}: {certificate.reason}"
    return ""


_SIGNING = {
    Expiry.VALID: "STS-VALID",
    Expiry.EXPIRING: "STS-EXPIRING",
    Expiry.EXPIRED: "STS-EXPIRED",
    Expiry.NOT_YET_VALID: "STS-NOT-YET-VALID",
}


def signer_is_valid(inventory: Inventory) -> Iterator[Finding]:
    """What signs now, and whether that needs a repair."""
    for node in _writable(inventory):
        if node.sts is None:
            continue
        signing = node.sts.signing()
        if signing is None:
            yield found(
                "STS-NO-CREDENTIAL",
                node.fqdn,
                "the directory has no signing credential: nobody can log in",
            )
            continue
        yield from _signer(inventory, node, signing)


def _signer(inventory: Inventory, node: NodeInventory, signing: StsEntry) -> Iterator[Finding]:
    leaf = parse(signing.chain[0]) if signing.chain else None
    if not isinstance(leaf, Certificate):
        return  # entries_are_sound tells
    expiry = classify(leaf, inventory.taken, SOON)
    dates = f"valid {leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}"
    if not any(chain.chain and chain.chain[0] == leaf.der for chain in _chains(node)):
        yield found(
            "STS-UNTRUSTED-SIGNER",
            node.fqdn,
            f"no trusted chain begins with the leaf of TenantCredential-{signing.index}",
        )
    evidence = f"TenantCredential-{signing.index} signs; {expiry}: {dates}"
    advice = refresh_advice(inventory) if expiry is Expiry.EXPIRING else None
    yield found(_SIGNING[expiry], node.fqdn, evidence, advice=advice)


def _chains(node: NodeInventory) -> tuple[StsEntry, ...]:
    return node.sts.chains if node.sts is not None else ()


def directories_agree(inventory: Inventory) -> Iterator[Finding]:
    """Every directory shows the same entries, and has seen its partners' changes."""
    readable = [node for node in _writable(inventory) if node.sts is not None]
    for node in readable[1:]:
        assert readable[0].sts is not None
        assert node.sts is not None
        if not same_entries(readable[0].sts, node.sts):
            yield found(
                "REPL-ENTRIES-DIFFER",
                node.fqdn,
                f"its STS entries differ from those of {readable[0].fqdn}",
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
            yield found(
                "REPL-NEVER-PULLED",
                node.fqdn,
                "it says UtdVector: Unknown, so it has not pulled from any partner",
            )
            continue
        for partner in nodes:
            other = partner.replication
            seen = status.up_to_date.get(other.invocation_id) if other else None
            if other is not None and seen is not None and seen > other.usn:
                yield found(
                    "REPL-USN-ROLLBACK",
                    partner.fqdn,
                    f"{node.fqdn} has seen its change {seen}, it is at {other.usn}",
                )


def _begun(inventory: Inventory, run: str) -> str:
    """Return who began *run* and when, as its snapshots tell; empty if they do not."""
    facts = [node.vm for node in inventory.nodes if node.vm is not None]
    for member in members_of(facts, prefix=RUN_PREFIX):
        if member.run == run:
            by = f" by {member.by}" if member.by else ""
            return f", begun{by} and snapshotted at {member.created:%Y-%m-%d %H:%M} UTC,"
    return ""


def no_run_is_open(inventory: Inventory) -> Iterator[Finding]:
    """No snapshot of another run is left on any node."""
    for run, nodes in foreign_runs(inventory, prefix=RUN_PREFIX).items():
        begun = _begun(inventory, run)
        yield found(
            "RUN-SNAPSHOTS",
            run,
            f"a run{begun} left its snapshots on {', '.join(nodes)}",
            advice=f"Finish it first: stsfix release {run} (or rollback), where it was started;"
            " if that state folder is lost, with --adopt from here",
        )


def services_are_known(inventory: Inventory) -> Iterator[Finding]:
    """What runs on each node now; with an expired signer vpxd is expected to be down."""
    for node in inventory.nodes:
        unusual = unusually_stopped(node.services.stopped) if node.services is not None else ()
        if unusual:
            yield found("SERVICES-STOPPED", node.fqdn, "stopped: " + ", ".join(unusual))


def chains_without_credential(inventory: Inventory) -> Iterator[Finding]:
    """Chains that belong to no credential stay: tokens of other issuers may rest on them."""
    for node in _writable(inventory):
        if node.sts is None:
            continue
        marks = frozenset(filter(None, map(mark_of, node.sts.credentials)))
        belong = belonging(node.sts.chains, marks)
        for entry in node.sts.chains:
            if entry.chain and entry not in belong:
                yield found(
                    "STS-FOREIGN-CHAIN", entry.dn, "it is the chain of no credential of this domain"
                )
        return


def _writable(inventory: Inventory) -> list[NodeInventory]:
    return [node for node in inventory.nodes if node.role.has_directory]


CHECKS = (
    unreadable,
    nodes_are_found,
    nodes_are_listed,
    managers_are_known,
    roles_are_known,
    entries_are_sound,
    signer_is_valid,
    directories_agree,
    no_run_is_open,
    services_are_known,
    chains_without_credential,
)
