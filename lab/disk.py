"""What survives power off on a node: plain data that a snapshot copies and a revert restores."""

from __future__ import annotations

import copy
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stsfix.lab.seams import KeyPair
from stsfix.lab.vecs import MACHINE_ALIAS, MACHINE_SSL, Vecs

if TYPE_CHECKING:
    from datetime import datetime

    from stsfix.lab.extensions import Extension


class Role(enum.StrEnum):
    """What a node is; the value is what people call it."""

    PSC = "psc"
    VCENTER = "vcenter"
    EMBEDDED = "embedded"

    @property
    def has_directory(self) -> bool:
        """True if vmdird, vmcad and the STS run on the node."""
        return self is not Role.VCENTER

    @property
    def has_vcenter(self) -> bool:
        """True if vpxd runs on the node."""
        return self is not Role.PSC

    @property
    def node_type(self) -> str:
        """The content of /etc/vmware/deployment.node.type (vCert, checksts use it)."""
        return {"psc": "infrastructure", "vcenter": "management"}.get(self.value, "embedded")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFile:
    """A file's content and its permission bits. *changed* is when it was written last, in
    seconds since 1970 by the node's clock; None is as old as the disk.
    """

    content: bytes
    mode: int = 0o644
    changed: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsSetup:
    """What tells a vCenter Server on Windows from an appliance.

    *administrators* are local users whose tokens have an administrator's rights; *filtered* are
    members of Administrators whose tokens have not (User Account Control). All have the node's
    password. *database_password* stands in vcdb.properties.
    """

    administrators: tuple[str, ...] = ("Administrator",)
    filtered: tuple[str, ...] = ()
    external_database: bool = False
    database_password: str = ""


@dataclass(kw_only=True)
class NodeDisk:
    """The disk of one node. ``copy.deepcopy`` is a snapshot of it.

    *age* is that of its vmdird (lab.vmdir.ages). *psc* is the FQDN of the node whose STS this
    node uses: itself unless it is an external vCenter. *directory* is the vmdir database, None
    on an external vCenter, *pull_limit* how many changes one pull brings to it (0: all there are).
    *clock_offset_s* is what the node's clock is ahead. *failed_logins*
    is pam's tally for root: it is on the disk, and only a right password before the third
    wrong one clears it. *login_shell* is root's; *bash_until* is when appliancesh stops to let
    root into bash (None: it does not now); *ssh_host_keys* are private ones in OpenSSH's format.
    *vmdir_state* is what vdcadmintool says; a read-only vmdird refuses writes. *pnid* is what it
    was deployed as (empty: *fqdn*). *password_days* are
    left until chage says that root's password ends (None: never); Tools refuses root only when
    *root_password_expired* is set, too. *free_kib* is what df shows by mount point. *folders* are
    those that programs made: others need not be there to be written to. *vecs* are its certificate
    stores, *extensions* those that vpxd has registered, *scheduled_tasks* how many tokens of users'
    tasks its database keeps (None: it has no table of them). *certool_days* is how long its
    certool lets a certificate last. *removed* are programs that are gone, by path. With
    *roots_stale* vmafd of the next boot copies no trusted roots until it is restarted. *shown*
    replaces the machine certificate on a port (``ldaps``, ``vami``). With *sts_stale* the STS of
    the next boot works with the credential before the newest until it restarts; with *sts_keeps*
    it works, after each start, with what it read then. With *outlived_sts* the services of the
    next boot start as if that had been while the STS still issued tokens. *zone* (lab.zones) is
    its time zone. *jwks_key* is a certificate (DER) that the JWKS shows instead of the signer's.
    With *windows*
    it is a Windows node: *files* and *windows_folders* have lower-case paths, *registry* holds
    values by lower-case key, and *free_kib* is by drive.
    """

    fqdn: str
    role: Role
    domain: str
    site: str
    version: str
    age: str
    psc: str
    machine_id: str
    root_password: str
    directory: Any = None
    pull_limit: int = 0
    certool_days: float = 730.0
    removed: set[str] = field(default_factory=set)
    scheduled_tasks: int | None = None
    roots_stale: bool = False
    shown: dict[str, KeyPair] = field(default_factory=dict)
    sts_stale: bool = False
    sts_keeps: bool = False
    outlived_sts: bool = False
    zone: str = "UTC"
    jwks_key: bytes | None = None
    clock_offset_s: float = 0.0
    root_password_expired: bool = False
    failed_logins: int = 0
    login_shell: str = "/bin/appliancesh"
    bash_until: datetime | None = None
    ssh_enabled: bool = True
    ssh_host_keys: tuple[bytes, ...] = ()
    vmdir_state: str = "Normal"
    pnid: str = ""
    password_days: float | None = 300.0
    free_kib: dict[str, int] = field(
        default_factory=lambda: {"/": 4_812_852, "/storage/log": 8_478_012}
    )
    tools_installed: bool = True
    files: dict[str, NodeFile] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    disabled: set[str] = field(default_factory=set)
    vecs: Vecs = field(default_factory=Vecs)
    extensions: dict[str, Extension] = field(default_factory=dict)
    windows: WindowsSetup | None = None
    windows_folders: dict[str, Any] = field(default_factory=dict)
    registry: dict[str, dict[str, str]] = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> NodeDisk:
        # A snapshot of a running VM copies while programs write: each dictionary is taken at
        # one moment first, everything in it is immutable or copies itself.
        twin = copy.copy(self)
        twin.files = dict(self.files)
        twin.folders = set(self.folders)
        twin.windows_folders = dict(self.windows_folders)
        twin.shown = dict(self.shown)
        twin.disabled = set(self.disabled)
        twin.removed = set(self.removed)
        twin.free_kib = dict(self.free_kib)
        twin.extensions = dict(self.extensions)
        twin.vecs = copy.deepcopy(self.vecs, memo)
        twin.directory = copy.deepcopy(self.directory, memo)
        return twin

    @property
    def machine(self) -> KeyPair:
        """The machine certificate: what MACHINE_SSL_CERT holds, empty if it holds none."""
        entry = self.vecs.find(MACHINE_SSL, MACHINE_ALIAS)
        return KeyPair(certificates_pem=b"", key_pem=b"") if entry is None else entry.pair

    def paths(self) -> set[str]:
        """Return every path that is there: files, and folders that were made."""
        return {*self.files, *self.folders, *self.windows_folders}

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, to compare."""
        return tuple(int(part) for part in self.version.split("."))
