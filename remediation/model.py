"""Values about an SSO domain, its STS credentials and a run; all frozen, none does I/O."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from stsfix.snapshot import risk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from stsfix.snapshot.model import VmId


class Role(enum.StrEnum):
    """What a node is. An embedded node carries both duties on one VM."""

    PSC = "psc"
    VCENTER = "vcenter"
    EMBEDDED = "embedded"

    @property
    def has_directory(self) -> bool:
        """True if vmdir and the STS run on the node."""
        return self is not Role.VCENTER

    @property
    def has_vcenter(self) -> bool:
        """True if vpxd runs on the node."""
        return self is not Role.PSC


class Platform(enum.StrEnum):
    """What a node is deployed as; Windows ended with 6.7. Decides in which language, and with
    which programs, anything is done on it.
    """

    APPLIANCE = "appliance"
    WINDOWS = "windows"


class Transport(enum.StrEnum):
    """How commands get to a node, as domain.toml spells it."""

    AUTO = "auto"
    GUEST = "guest-operations"
    SSH = "ssh"
    VAMI = "vami"
    NONE = "none"

    @property
    def runs_scripts(self) -> bool:
        """False if the operator chose one that never can."""
        return self not in {Transport.VAMI, Transport.NONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class RootDse:
    """What every vmdir tells anybody (vmdird-measured.md 3).

    *server_dn* is the DN of the node's own vmwDirServer entry; *version* is
    vmwPlatformServicesControllerVersion, empty if absent.
    """

    domain_dn: str
    admin_dn: str
    server_dn: str
    site: str
    version: str
    functional_level: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirServer:
    """A vmwDirServer entry with the partners of its replication agreements (host names)."""

    name: str
    site: str
    invocation_id: str
    partners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What one node's directory says of the whole domain. Names are lower case.

    *controllers* come from ou=Domain Controllers (PSC or embedded), *computers* from
    ou=Computers (vCenter with an external PSC), *servers* from Sites/Servers, *vcenters*
    are hosts whose lookup-service registration names a vCenter endpoint, if readable.
    """

    domain: str
    controllers: tuple[str, ...]
    computers: tuple[str, ...]
    servers: tuple[DirServer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationStatus:
    """cn=replicationstatus of one node. *up_to_date* maps an invocation id to the USN seen.

    None means the node says ``Unknown`` (a single node, or one that never pulled yet).
    *processed* maps a partner's host name to its USN that was pulled last, None if ``Unknown``.
    *max_originating* is the highest USN of a change made here, *cycles* counts pulls; None if
    the node does not tell.
    """

    server: str
    usn: int
    invocation_id: str
    up_to_date: Mapping[str, int] | None
    processed: Mapping[str, int] | None = None
    max_originating: int | None = None
    cycles: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StsEntry:
    """One STS entry of one node's directory, as read.

    *kind* is ``credential`` (cn=TenantCredential-n) or ``chain`` (cn=TrustedCertChain-n).
    *index* is the number in the RDN, None if it is not a number: such an entry breaks the
    whole tenant load (DirectoryConfigStore.java, Integer.parseInt). *chain* is DER, in the
    order stored (the leaf should be first), possibly empty or unparsable. *key_matches* is
    None for a chain. *usn* is uSNChanged on the node that was read.
    """

    kind: Literal["credential", "chain"]
    dn: str
    index: int | None
    chain: tuple[bytes, ...]
    object_guid: str
    usn: int
    key_matches: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StsEntries:
    """Every STS entry below one tenant on one node; reading it proved the bind.

    *authn_types* are the tenant's vmwSTSAuthnTypes, empty if it has none.
    """

    node: str
    credentials: tuple[StsEntry, ...]
    chains: tuple[StsEntry, ...]
    authn_types: tuple[str, ...] = ()

    def signing(self) -> StsEntry | None:
        """Return the credential that signs: the highest number, whatever its validity
        (DirectoryConfigStore.java L320-380).
        """
        numbered = [c for c in self.credentials if c.index is not None]
        return max(numbered, key=lambda c: c.index or 0, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One node of the domain with the VM it runs on; what a run and its resume work with.

    *external_database* tells that vCenter's database is elsewhere: no snapshot of ours holds it.
    *ran* are the services that ran, or were starting, when the run was planned, as the node lists
    them; empty if nobody could list them.
    """

    fqdn: str
    role: Role
    vm: VmId
    platform: Platform = Platform.APPLIANCE
    external_database: bool = False
    ran: tuple[str, ...] = ()


class Restart(enum.StrEnum):
    """Whose services a run restarts: those of every node, or only where a proof fails."""

    ALL = "all"
    NEEDED = "needed"


class Renew(enum.StrEnum):
    """Which certificates besides the STS's a run renews: those that are (nearly) out of their
    time, or all that a VMCA of the domain issued.
    """

    NONE = "none"
    EXPIRED = "expired"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """One entry of a node's certificate stores (VECS) that a run is to renew.

    *sha256* is the leaf that was there when the run was planned (64 lower-case hex digits): what
    is neither this nor the run's own was put there by somebody else. *signer* is the node whose
    VMCA signs. *pnid* is what the node was deployed with, a name or an address. *principal* is
    the name of the solution user's account in the directory, empty for the machine certificate;
    *machine_id* tells its subject from those of other nodes.
    """

    node: str
    store: str
    alias: str
    sha256: str
    signer: str
    pnid: str
    machine_id: str = ""
    principal: str = ""

    @property
    def is_machine(self) -> bool:
        """True for the certificate that the node's TLS ports show."""
        return not self.principal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What a run was asked to do; saved with it, so that a resume does the same.

    *run* is the run's name and the name of its snapshots. *writer* is the one node whose
    directory is written. *nodes* are all nodes of the domain, in no particular order.
    *retire* tells whether old credentials are removed at the end. *accepted* are the risks the
    operator took, as ``ID:object``. *by* is who began it, ``user@workstation``. *renew* is what was
    asked, *renewals* what that means here. *new_roots* are the nodes whose VMCA gets a new root.
    *restart* tells whose services are restarted.
    """

    run: str
    domain: str
    writer: str
    nodes: tuple[NodePlan, ...]
    issuer: str
    validity_days: int
    retire: bool
    accepted: tuple[str, ...] = ()
    by: str = ""
    renew: Renew = Renew.NONE
    renewals: tuple[Renewal, ...] = ()
    new_roots: tuple[str, ...] = ()
    restart: Restart = Restart.ALL

    def __post_init__(self) -> None:
        names = [node.fqdn for node in self.nodes]
        if len(set(names)) != len(names) or not names:
            raise ValueError("a run needs distinct nodes")
        writers = [n for n in self.nodes if n.fqdn == self.writer]
        if not writers or not writers[0].role.has_directory:
            raise ValueError(f"the writer {self.writer} is no node with a directory")
        with_vmca = {n.fqdn for n in self.nodes if n.role.has_directory}
        if not {*self.new_roots, *(r.signer for r in self.renewals)} <= with_vmca:
            raise ValueError("only a node with a directory has a VMCA")
        if not {r.node for r in self.renewals} <= set(names):
            raise ValueError("a certificate of no node is to be renewed")

    def node(self, fqdn: str) -> NodePlan:
        """Return the node *fqdn*; LookupError if the run has none such."""
        for found in self.nodes:
            if found.fqdn == fqdn:
                return found
        raise LookupError(fqdn)

    @property
    def writing(self) -> NodePlan:
        """The writer as a node."""
        return next(node for node in self.nodes if node.fqdn == self.writer)

    @property
    def directories(self) -> tuple[NodePlan, ...]:
        """Nodes with vmdir and an STS, the writer first."""
        found = [n for n in self.nodes if n.role.has_directory]
        return tuple(sorted(found, key=lambda n: (n.fqdn != self.writer, n.fqdn)))

    @property
    def vcenters(self) -> tuple[NodePlan, ...]:
        """Nodes with vpxd, by name."""
        return tuple(sorted((n for n in self.nodes if n.role.has_vcenter), key=lambda n: n.fqdn))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """A SAML token whose signature was verified here.

    *leaf_sha256* is the certificate that made the signature (64 lower-case hex digits).
    """

    node: str
    leaf_sha256: str
    subject: str
    not_before: datetime
    not_on_or_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginProof:
    """One way in that was tried. *ok* is a fact; *detail* is one sentence for people. *sts* is the
    node whose token was shown to a vCenter, empty for other ways. *unavailable* tells of a failed
    one that there was nothing to judge: it speaks neither for nor against the certificate.
    """

    node: str
    way: Literal["sts-token", "login-by-token", "login", "vapi-session", "metadata"]
    ok: bool
    detail: str
    took: timedelta | None = None
    sts: str = ""
    unavailable: bool = False


Severity = risk.Severity
"""What a finding does to a run; made in the lower layer, which has findings of its own."""

Finding = risk.Finding
"""One result of preflight."""

Rule = risk.Rule
"""What a finding is found by."""
