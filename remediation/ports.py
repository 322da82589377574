"""What the repair needs from the world. The contracts live here; adapters do not repeat them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from stsfix.remediation.errors import NodeLoginError, TransportUnavailableError
from stsfix.snapshot.errors import (
    GuestLoginError,
    GuestUnavailableError,
    HostUnreachableError,
)
from stsfix.snapshot.ports import OUTPUT_BYTES

if TYPE_CHECKING:
    from datetime import datetime

    from stsfix.remediation.directory.sts_export import StsExport, StsMaterial
    from stsfix.remediation.inventory_certificates import DirectoryCertificates, PublishedKey
    from stsfix.remediation.model import (
        NodePlan,
        ReplicationStatus,
        RootDse,
        StsEntries,
        StsEntry,
        Topology,
        VerifiedToken,
    )
    from stsfix.remediation.nodes.service_expectation import LeftDown
    from stsfix.remediation.ports_certificates import Registrations
    from stsfix.snapshot.ports import GuestResult
    from stsfix.snapshot.secret import Secret

LOGIN_REFUSED: Final = (GuestLoginError, NodeLoginError)
"""A node refused its user's password, by whatever transport: nobody may send it again."""

UNAVAILABLE: Final = (GuestUnavailableError, TransportUnavailableError, HostUnreachableError)
"""A transport does not get through to a node; nothing was done there."""

READ_LIMIT: Final = timedelta(seconds=120)
"""How long a command that only reads may take; it is seconds even on a slow appliance [K]."""

Facts = Mapping[str, str]
"""What a step noted: short keys, short values, never a secret, never free text as state."""

Note = Callable[[str, str], None]
"""``note(key, value)``: durable on return. Called before waiting for what it names."""


class Observed(enum.Enum):
    """What a probe says of a step that is in doubt."""

    COMPLETE = "complete"
    REPEATABLE = "repeatable"
    UNCLEAR = "unclear"


class Step(Protocol):
    """One change that can be recognised in the world and taken back.

    The engine journals ``started`` before `do` and ``done`` after it. A step found at
    ``started`` is in doubt: the engine calls `probe` before anything else. *noted* is
    everything the step noted so far, in this process or in one that died.
    """

    @property
    def name(self) -> str:
        """Kebab-case; an interface: never renamed, never reused with another meaning."""

    def probe(self, noted: Facts) -> Observed:
        """Look at the world and change nothing."""

    def do(self, noted: Facts, note: Note) -> None:
        """Make the change; converges when part of it was made before (see *noted*).

        Raises:
            OperationError: It was not made, or not wholly; *noted* and the world tell.
        """

    def undo(self, noted: Facts, note: Note) -> None:
        """Take the change back. Safe to repeat, and when nothing was done.

        Raises:
            OperationError: It was not taken back wholly; repeating it goes on.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One thing that happened, for whoever shows it. *subject* is a node, host or step."""

    step: str
    subject: str
    text: str


ProgressHook = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCredential:
    """A new signing credential. *chain* is DER, leaf first, root last, at least two
    certificates; *key_pkcs8* is the leaf's RSA key as unencrypted PKCS#8 DER. *remarks* tell
    people how it was made.
    """

    chain: tuple[bytes, ...]
    key_pkcs8: Secret[bytes]
    remarks: tuple[str, ...] = ()


class Issuer(Protocol):
    """Makes the new signing credential."""

    def issue(self, *, node: str, now: datetime, validity: timedelta) -> IssuedCredential:
        """Return a credential that passed every check of `certificate_chains.check_credential`.

        Args:
            node: FQDN for the leaf's SAN.
            now: The clock that notBefore is backdated from.
            validity: Wanted lifetime of the leaf; never past the root's end.

        Raises:
            IssuerError: No such credential can be made; nothing was written anywhere.
            VmcaError: A node's VMCA does not make one; nothing was written into a directory.
        """


class Directory(Protocol):
    """One node's vmdir over LDAPS.

    Reads may raise DirectoryUnreachableError. Each login is one attempt: a refused bind raises
    DirectoryLoginError and is not tried again. Writes raise DirectoryFaultError with vmdird's
    result code when refused, and WriteInDoubtError when the answer was lost.
    """

    @property
    def node(self) -> str:
        """FQDN of the node whose directory this is."""

    @property
    def registrations(self) -> Registrations:
        """What it says of certificates in use; by the same login."""

    def read_root_dse(self) -> RootDse:
        """Read the rootDSE; needs no login."""

    def read_topology(self) -> Topology:
        """Read controllers, computers, servers and agreements of the whole domain.

        Raises:
            TenantNotFoundError: As `read_sts_entries`: whoever may not read the tenant sees an
                empty domain, too.
        """

    def read_sts_entries(self) -> StsEntries:
        """Read every TenantCredential and every chain of cn=TrustedCertificateChains.

        The tenant entry itself is read first: zero entries prove nothing before that
        (vmdird answers 0 and no entries to an unbound session).

        Raises:
            TenantNotFoundError: The bind works, and the tenant is not there.
        """

    def read_sts_material(self) -> tuple[StsMaterial, ...]:
        """Read every entry of `read_sts_entries` whole, private keys too, ordered by DN.

        Raises:
            TenantNotFoundError: As `read_sts_entries`.
        """

    def add_material(self, entry: StsMaterial) -> None:
        """Add *entry* as it was; makes the container of chains when it is missing."""

    def read_replication_status(self) -> ReplicationStatus:
        """Read cn=replicationstatus of this node."""

    def has_changes_after(self, usn: int, *, invocation_id: str) -> bool:
        """Tell whether this node, whose invocation id is *invocation_id*, made a change after *usn*
        that it sends to its partners. Changes of its own server entry and agreements are not sent
        (ldap-head/result.c L315-360, lightwave@1ff3beaa), though they count: each pull makes two.
        True also if there are too many changes to look through.
        """

    def read_certificates(self) -> DirectoryCertificates:
        """Read solution users, trusted roots, trusted chains, lookup-service registrations and
        identity sources. A part that is missing is empty; one that the node refuses to read is
        named in the answer's *unread*. Values are kept as they are, also malformed ones, up to
        `inventory_certificates.VALUE_LIMIT`.

        Raises:
            TenantNotFoundError: As `read_sts_entries`.
        """

    def add_trusted_root(self, root: bytes) -> bool:
        """Ensure *root* (DER) is in cn=Certificate-Authorities; False if it was already."""

    def add_chain(self, index: int, chain: Sequence[bytes]) -> None:
        """Add cn=TrustedCertChain-*index* with *chain* in this order; creates the lazily
        created container when it is missing.
        """

    def add_credential(self, index: int, credential: IssuedCredential) -> None:
        """Add cn=TenantCredential-*index* with key and chain in one ADD."""

    def delete_entry(self, entry: StsEntry) -> None:
        """Delete *entry* as a whole if it still has the same objectGUID; absent is success.

        Raises:
            EntryChangedError: The DN now names another entry; nothing was deleted.
        """

    def close(self) -> None:
        """Unbind; never raises."""


class ExportStore(Protocol):
    """Exports of STS entries, one a run, each sealed with the operator's passphrase."""

    def save(self, export: StsExport) -> str:
        """Seal *export* and make it durable; return the SHA-256 of what was written.

        An earlier one of the same run is replaced.

        Raises:
            RefusedError: It cannot be written, or there is no passphrase.
        """

    def holds(self, run: str, sha256: str) -> bool:
        """Tell whether the export of *run* is there, byte for byte as saved."""

    def load(self, run: str) -> StsExport:
        """Return the export of *run*.

        Raises:
            ExportError: It is missing or damaged, or the passphrase is another one.
        """


class Logins(Protocol):
    """Proofs of login on the domain's nodes. Every call is one attempt with one password.

    All may raise NodeUnreachableError (not up yet, connection lost) and NodeTlsError.
    """

    def read_published_leaf(self, node: str) -> bytes:
        """Return the DER of the STS signing leaf that *node* publishes (SAML metadata).

        Raises:
            ProofError: It answered something else.
        """

    def read_published_keys(self, node: str) -> tuple[PublishedKey, ...]:
        """Return the RSA keys of the JWKS that *node* publishes, in its order.

        Raises:
            ProofError: It answered something else.
        """

    def issue_token(self, node: str) -> VerifiedToken:
        """Get a bearer token from the STS of *node* and verify its signature here.

        Raises:
            SigningCertificateError: The STS says its signing certificate is not valid.
            SsoLoginError: The STS refused user or password.
            ProofError: The token is not what was asked for, or its signature does not verify.
        """

    def login_by_token(self, node: str, *, sts: str) -> VerifiedToken:
        """Log in to vCenter *node* with a token from the STS of node *sts*, and out again; return
        that token: an STS may have another signer a moment later.

        Raises:
            ProofError: vCenter refused the token.
        """

    def login(self, node: str) -> None:
        """Log in to vCenter *node* with user and password (SOAP), and out again.

        Raises:
            ProofError: Refused; by itself this does not mean a wrong password.
        """

    def open_vapi_session(self, node: str) -> None:
        """Create and delete a vAPI session on vCenter *node*.

        Raises:
            ProofError: Refused.
        """


class NodeShell(Protocol):
    """Scripts and small files on an appliance as its administrator, by whatever transport.

    What runs needs no network of its own choice: the transport is the node's in domain.toml.
    Nothing given here appears in an argument list on the node or here: a script goes there as the
    content of a 0600 file or a stream, so it may hold secrets (as `Secret`).

    Every method may raise one of `LOGIN_REFUSED` (one attempt, never repeated, also not by
    another transport), one of `UNAVAILABLE` (nothing was done), `HostKeyError` or `HostTlsError`
    (no password was sent), `NoShellError` (the node has no transport that runs scripts), and
    `WindowsNodeError` (it is no appliance: nothing was sent to it).
    """

    def describe(self, node: NodePlan) -> str:
        """Return the transport to *node* in words, such as ``SSH``; contacts nobody.

        With ``auto`` it is the one that was chosen, once anything was done.
        """

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """Run *script* with bash and wait for its end; no file is left behind.

        Returns:
            Exit code, and standard output with standard error, cut at *output_limit* bytes.

        Raises:
            TaskOverdueError: Still running after *limit*.
            AnswerLostError: It was started, and its end could not be seen.
        """

    def put(
        self, node: NodePlan, path: str, content: bytes | Secret[bytes], *, mode: int = 0o600
    ) -> None:
        """Make the absolute *path* a file of the user's own with exactly *content* and *mode*.

        For small files (up to a few MiB). Nothing of it can be read by others meanwhile if *mode*
        forbids it; the folder must be there. Safe to repeat.

        Raises:
            NodeFileError: It cannot be written there, as the node says.
            AnswerLostError: It may have been written.
        """

    def get(self, node: NodePlan, path: str, *, limit_bytes: int = OUTPUT_BYTES) -> bytes:
        """Return the whole content of the file *path*.

        Raises:
            NodeFileError: There is none, it cannot be read, or it is larger than *limit_bytes*.
            AnswerLostError: Reading it broke off.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReport:
    """Services of one node as listed; *pending* are those of *stopped* that are starting or
    stopping. Of a restart *started* did not run before it, *left* do not run after it and need not,
    *kept* may run since before it, as they were not stopped.
    """

    node: str
    running: tuple[str, ...]
    stopped: tuple[str, ...]
    started: tuple[str, ...] = ()
    left: tuple[LeftDown, ...] = ()
    pending: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def under_way(self) -> tuple[str, ...]:
        """What runs or is starting."""
        return (*self.running, *self.pending)


class ServiceControl(Protocol):
    """Services of the nodes, by whatever transport each node is configured with."""

    def is_by_hand(self, node: NodePlan) -> bool:
        """Tell whether *node* has no transport at all: a person restarts its services."""

    def read_services(self, node: NodePlan, *, limit: timedelta = READ_LIMIT) -> ServiceReport:
        """List services of *node*; *limit* is for a node that takes no orders."""

    def restart_all(
        self, node: NodePlan, *, limit: timedelta, ran: Collection[str] = ()
    ) -> ServiceReport:
        """Stop and start every service of *node* and wait for it; order it again if nothing shows.

        ``service-control`` may fail although the services come up by themselves minutes later
        (peers.md c13): the state is polled to *limit* before anything is called failed.
        *ran* are the services that ran, or were starting, before the first attempt, after which
        all may be stopped. Which have to run is `service_expectation`'s.

        Raises:
            ServiceRestartError: A service that has to run is still down at *limit*; or nothing
                shows that any was restarted.
            OperationError: As `NodeShell`; see there.
        """
