"""Puts what a scenario says is wrong on disks and into directories, before anything runs."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from stsfix.lab import pki
from stsfix.lab.disk import NodeFile
from stsfix.lab.faults import Rule
from stsfix.lab.root_login import LOGIN_LIMIT
from stsfix.lab.topology import DOMAIN
from stsfix.lab.vmdir import dn
from stsfix.lab.vmdir.ages import AGES
from stsfix.lab.vmdir.replication import pull
from stsfix.lab.vmdir.tree import tenant_dn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.link_plan import LinkTrouble
    from stsfix.lab.scenario import Scenario
    from stsfix.lab.topology import Topology
    from stsfix.lab.trust import StsMaterial
    from stsfix.lab.vmdir.store import DirectoryStore

GONE = "vc9.lab.example"
"""A node that is in entries only."""

VMDIRD = "/usr/lib/vmware-vmdir/sbin/vmdird"
_VCHA = {
    "/etc/vmware-vcha": b"",
    "/storage/vmware-vmon/defaultStartProfile": b"HACore\n",
}


def spoil_disks(disks: Sequence[NodeDisk], scenario: Scenario) -> None:
    """Apply a scenario's `NodeTrouble` to the disks, first node first."""
    trouble, first = scenario.node, disks[0]
    first.vmdir_state = trouble.vmdir_state
    first.pnid = trouble.pnid
    first.password_days = trouble.password_days
    if trouble.log_free_kib is not None:
        first.free_kib["/storage/log"] = trouble.log_free_kib
    if trouble.vcha:
        first.files |= {path: NodeFile(content=content) for path, content in _VCHA.items()}
    for disk in disks:
        disk.ssh_enabled = scenario.access.ssh and disk.windows is None
        if scenario.access.bash:
            disk.login_shell = "/bin/bash"
        if disk.role.has_directory and disk.windows is None:
            disk.files[VMDIRD] = NodeFile(content=b"\x7fELF", mode=0o755)
    if scenario.access.locked:
        first.failed_logins = LOGIN_LIMIT
    with_directory = [disk for disk in disks if disk.role.has_directory]
    with_directory[-1].sts_keeps = trouble.sts_keeps
    if len(with_directory) > 1:
        with_directory[1].pull_limit = scenario.links.thin
    if len(disks) > 1:
        disks[1].disabled |= set(trouble.disabled)
        if trouble.no_vmdird:
            disks[1].files.pop(VMDIRD, None)


def spoil_entries(first: DirectoryStore, scenario: Scenario) -> None:
    """Add entries that the first controller has; those that replicate reach its partners."""
    me, trouble = first.identity, scenario.links
    for extra in scenario.chains:
        if extra.empty:
            name = f"cn=TrustedCertChain-{extra.index},cn=TrustedCertificateChains"
            chain = {"objectClass": [b"vmwSTSTenantTrustedCertificateChain"]}
            _add(first, f"{name},{tenant_dn(DOMAIN)}", chain)
    if trouble.retired:
        _add(
            first,
            _account(first),
            {"objectClass": [b"computer"], "sAMAccountName": [GONE.encode()]},
        )
    if trouble.hidden_server:
        server = me.server_dn.replace(me.host, GONE, 1)
        values = {"objectClass": [b"vmwDirServer"], "invocationId": [b"00000000-gone"]}
        _add(first, server, values)
    if trouble.stale_partner:
        agreement = f"labeledURI=ldap://{GONE},{me.agreements_dn}"
        values = {
            "objectClass": [b"vmwReplicationAgreement"],
            "labeledURI": [f"ldap://{GONE}".encode()],
            "lastLocalUsnProcessed": [b"0"],
        }
        _add(first, agreement, values)


def add_credential(store: DirectoryStore, cn: str, material: StsMaterial) -> None:
    """Let *store* add the entry of a signing credential itself."""
    attributes = {
        "objectClass": [b"vmwSTSTenantCredential"],
        "userCertificate": list(material.chain),
        "vmwSTSPrivateKey": [material.key],
    }
    _add(store, f"cn={cn},{tenant_dn(DOMAIN)}", attributes)


def revert_alone(store: DirectoryStore, replicate: Callable[[], None]) -> None:
    """Let *store* make changes, its partners pull them, and then let it be what it was before, as
    a revert of one node alone does.
    """
    before = copy.deepcopy(store)
    for number in range(1, 6):
        name = f"cn=change-{number},cn=System,{store.identity.domain_dn}"
        _add(store, name, {"objectClass": [b"container"]})
    replicate()
    store.entries, store.guids = before.entries, before.guids
    store.usn, store.max_originating = before.usn, before.max_originating
    store.marks, store.vector, store.cycles = before.marks, before.vector, before.cycles


def listen(stores: Mapping[str, DirectoryStore], age: str, changes: int) -> None:
    """Let the second controller pull *changes* of the first one by one: each pull makes changes of
    its own entries, which count and are not sent (vmdird measured, 8).
    """
    first, *partners = stores.values()
    for number in range(changes if partners else 0):
        name = f"cn=change-of-a-year-{number},cn=System,{first.identity.domain_dn}"
        _add(first, name, {"objectClass": [b"container"]})
        pull(partners[0], first, AGES[age], pki.days_from_now(0))


def spoil_links(stores: Mapping[str, DirectoryStore], trouble: LinkTrouble) -> None:
    """Break what is between the first two controllers; nothing to do with only one."""
    if len(stores) == 1:
        return
    first, second, *_ = stores.values()
    if trouble.level:
        domain = second.find(second.identity.domain_dn)
        if domain is not None:
            domain.attributes["vmwDomainFunctionalLevel"] = [str(trouble.level).encode()]
    if trouble.one_way or trouble.apart:
        _forget_partner(second, first)
    if trouble.apart:
        _forget_partner(first, second)
    if trouble.forgotten:
        # What it wrote itself is not sent to it again: the change is lost for good.
        first.guids.pop(first.entries.pop(dn.key(_account(first))).guid)
    if trouble.never_pulled:
        second.vector, second.marks = {}, dict.fromkeys(second.marks, 0)
    for number in range(trouble.unseen):
        name = f"cn=unseen-{number},cn=System,{first.identity.domain_dn}"
        _add(first, name, {"objectClass": [b"container"]})


def _forget_partner(store: DirectoryStore, partner: DirectoryStore) -> None:
    mine = f"labeledURI=ldap://{partner.identity.host},{store.identity.agreements_dn}"
    del store.entries[dn.key(mine)]
    store.marks.pop(partner.identity.host, None)


def _account(store: DirectoryStore) -> str:
    return f"cn={GONE},ou=Domain Controllers,{store.identity.domain_dn}"


def silence(faults: FaultBook, topology: Topology, trouble: LinkTrouble) -> None:
    """Make the second controller deaf if it is: none of its pulls succeeds."""
    if trouble.deaf and len(topology.controllers) > 1:
        second = topology.controllers[1].fqdn
        faults.add(Rule(protocol="replication", call="PULL", target=second, times=10**9))


def as_release(store: DirectoryStore, version: str) -> None:
    """Let the node's rootDSE tell *version*."""
    store.identity = replace(store.identity, version=version)


def _add(store: DirectoryStore, entry_dn: str, attributes: dict[str, list[bytes]]) -> None:
    values = dict(attributes)
    if entry_dn.startswith("cn="):
        values["cn"] = [dn.split_rdn(dn.rdn(entry_dn))[1].encode()]
    with store.lock:
        store.add(entry_dn, values, store.identity.administrator_dn, pki.days_from_now(0))
