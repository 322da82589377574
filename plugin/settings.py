"""What ``domain.toml`` says, as frozen values; `stsfix.plugin.config` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from stsfix.remediation.model import Platform
from stsfix.snapshot.safety import GROWTH_BYTES
from stsfix.snapshot.tls import Endpoint, Trust

if TYPE_CHECKING:
    from pathlib import Path

    from stsfix.remediation.model import Restart, Transport
    from stsfix.snapshot.model import HostRef


@dataclass(frozen=True, slots=True, kw_only=True)
class SsoSettings:
    """The SSO domain. *domain* and *nodes* are lower case; *user* is ``name@domain``."""

    domain: str
    nodes: tuple[str, ...]
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """One ESXi host that may hold a node's VM."""

    host: HostRef
    user: str
    endpoint: Endpoint


SSH_PORT = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """A node's SSH server. *host_key* pins its key (SHA-256, 64 lower-case hex digits),
    *known_hosts* is a file that lists it; with neither a person is asked once.
    """

    port: int = SSH_PORT
    host_key: str | None = None
    known_hosts: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """One node of the domain. *fqdn* is lower case; *user* logs in to the appliance.

    *address* is where to connect; *vami* is the appliance's management interface; *sts* is where
    the STS of 6.x listens by itself, and only diagnose asks there. *vm* is the instance UUID of
    its VM, where the operator had to name it.
    """

    fqdn: str
    address: str
    user: str
    transport: Transport
    ssh: SshSettings
    https: Endpoint
    ldaps: Endpoint
    vami: Endpoint
    sts: Endpoint
    vm: str | None = None


IssuerName = Literal["vmca", "own-ca", "files"]
"""Who signs the new credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StsSettings:
    """How the new signing credential is made. The two CA files are set for ``files`` only.

    *issuer* None is VMCA where the node is an appliance with a transport that runs scripts, else a
    CA of our own.
    *allow_vmca_key* lets VMCA's key be read if certool would cut the validity.
    """

    issuer: IssuerName | None
    validity_days: int
    allow_vmca_key: bool
    ca_certificate: Path | None
    ca_key: Path | None
    retire_old: bool
    publish_root: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicesSettings:
    """Whose services a run restarts; None is ``needed`` where every node is 8.0 or later."""

    restart: Restart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings:
    """*growth_gib* is the room in GiB that the snapshot of one node may come to need."""

    growth_gib: int = GROWTH_BYTES // 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines; the defaults stand here. What each one limits: docs/configuration.md."""

    connect: timedelta = timedelta(seconds=10)
    read: timedelta = timedelta(seconds=60)
    shutdown: timedelta = timedelta(seconds=1200)
    power_on: timedelta = timedelta(seconds=600)
    boot: timedelta = timedelta(seconds=2400)
    snapshot: timedelta = timedelta(seconds=900)
    revert: timedelta = timedelta(seconds=900)
    removal: timedelta = timedelta(seconds=14400)
    replication: timedelta = timedelta(seconds=300)
    services: timedelta = timedelta(seconds=1800)
    publish: timedelta = timedelta(seconds=60)
    logins: timedelta = timedelta(seconds=600)
    silence: timedelta = timedelta(seconds=120)
    busy: timedelta = timedelta(seconds=300)
    tools: timedelta = timedelta(seconds=300)
    doubt: timedelta = timedelta(seconds=120)
    nics: timedelta = timedelta(seconds=60)
    poll: timedelta = timedelta(seconds=5)

    def endpoint(self, *, name: str, address: str, port: int, trust: Trust) -> Endpoint:
        """Return a TLS peer with these connect and read timeouts."""
        return Endpoint(
            name=name,
            address=address,
            port=port,
            trust=trust,
            connect_timeout_s=self.connect.total_seconds(),
            read_timeout_s=self.read.total_seconds(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDefaults:
    """What holds for a node that has no table of its own, or no such key in it."""

    user: str
    transport: Transport
    ssh: SshSettings
    trust: Trust
    https_port: int
    ldaps_port: int
    vami_port: int
    sts_port: int

    def settings(self, fqdn: str, address: str, timeouts: Timeouts) -> NodeSettings:
        """Return the settings of node *fqdn*, reached at *address*."""

        def endpoint(port: int) -> Endpoint:
            return timeouts.endpoint(name=fqdn, address=address, port=port, trust=self.trust)

        return NodeSettings(
            fqdn=fqdn,
            address=address,
            user=self.user,
            transport=self.transport,
            ssh=self.ssh,
            https=endpoint(self.https_port),
            ldaps=endpoint(self.ldaps_port),
            vami=endpoint(self.vami_port),
            sts=endpoint(self.sts_port),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One ``domain.toml``, whole and checked. *nodes* are those with a table of their own."""

    path: Path
    sso: SsoSettings
    hosts: tuple[HostSettings, ...]
    sts: StsSettings
    services: ServicesSettings
    snapshots: SnapshotSettings
    timeouts: Timeouts
    secrets_file: Path | None
    node_defaults: NodeDefaults
    nodes: tuple[NodeSettings, ...]

    def issuer_for(self, writer: str, platform: Platform) -> IssuerName:
        """Return who signs if the credential is written on node *writer*."""
        if self.sts.issuer is not None:
            return self.sts.issuer
        asked = platform is Platform.APPLIANCE and self.node(writer).transport.runs_scripts
        return "vmca" if asked else "own-ca"

    def node(self, fqdn: str) -> NodeSettings:
        """Return the settings of any node of the domain, also of one the file does not name."""
        name = fqdn.lower().removesuffix(".")
        for known in self.nodes:
            if known.fqdn == name:
                return known
        return self.node_defaults.settings(name, name, self.timeouts)

    def trusts(self, fqdn: str) -> tuple[Trust, ...]:
        """Return how the ports of a node that show its machine certificate are verified."""
        node = self.node(fqdn)
        return (node.https.trust, node.ldaps.trust, node.vami.trust)
