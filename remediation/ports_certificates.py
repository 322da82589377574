"""What the renewal of certificates needs from nodes and directory; see `ports`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from stsfix.remediation.inventory_certificates import SolutionUser, UnreadPart
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.extensions import Extension
    from stsfix.remediation.pki.authority import Authority, CertificateRequest, SignedCertificate
    from stsfix.remediation.pki.vecs import NodeStores
    from stsfix.remediation.pki.vecs_writing import NewEntry
    from stsfix.remediation.renewal.trust_anchors import Replacement, TrustAnchors
    from stsfix.snapshot.secret import Secret


class CertificateAuthority(Protocol):
    """The nodes' own authorities (VMCA), each on a node with a directory.

    Every method may raise what `NodeShell.run` does.
    """

    def read_root(self, node: NodePlan) -> Authority:
        """Look at VMCA of *node*; changes nothing, and what could not be read says why."""

    def sign(self, node: NodePlan, request: CertificateRequest) -> SignedCertificate:
        """Let VMCA of *node* sign *request*. The answer passed `authority.check_signed`.

        The key leaves this process only if certool takes no certificate request; then it is on
        the node in a 0600 file for a moment. Nothing of it is left there, also by an earlier
        attempt that was killed.

        Raises:
            VmcaError: VMCA refused, or what it signed is not what was asked for.
            ValueError: The request holds no RSA key, or a name that cannot be written.
        """

    def install_root(self, node: NodePlan, root: bytes, key_pkcs8: Secret[bytes]) -> None:
        """Let VMCA of *node* issue with the self-signed *root* (DER) and its key from now on.

        VMCA keeps its old files beside the new ones. The key is on the node in a 0600 file while
        the script runs, and nothing of it is left. Safe to repeat with the same root and key.

        Raises:
            VmcaError: It does not issue with *root*.
            ValueError: *root* or the key is none.
        """

    def read_root_key(self, node: NodePlan) -> Secret[bytes]:
        """Return the key of VMCA's root as PKCS#8 DER; only on the operator's word.

        Raises:
            VmcaError: There is none that can be read.
        """


class CertificateStores(Protocol):
    """The certificate stores (VECS) of the nodes."""

    def read_stores(self, node: NodePlan, only: Collection[str] = ()) -> NodeStores:
        """List every entry of every store of *node*, keys left out; of those in *only* if any
        are named: revocation lists alone may take minutes.

        Raises:
            OperationError: As `NodeShell.run`; a store that cannot be listed is no error, it is
                among the answer's *unread*.
        """

    def replace_entry(self, node: NodePlan, entry: NewEntry) -> None:
        """Replace an entry of a store; what was there goes into BACKUP_STORE as ``bkp_<alias>``.

        The new key is on the node in a 0600 file while the script runs, and nothing of it is
        left but the entry. One that is missing is created: an earlier attempt may have died
        after it had deleted the old one.

        Raises:
            VecsError: The entry is not the new one: the old one is there, or none.
            ValueError: Certificate or key is none.
        """

    def sweep(self, node: NodePlan) -> None:
        """Remove what scripts of this port that were killed left on *node*: folders with a key.

        Raises:
            VecsError: Something is still there.
        """

    def refresh_roots(self, node: NodePlan) -> None:
        """Let *node* copy the trusted roots of the directory to TRUSTED_ROOTS soon.

        Raises:
            VecsError: The node cannot; it does so by itself after a while.
        """


class Registrations(Protocol):
    """What one node's directory says of certificates in use: accounts, endpoints, trusted roots.

    Reads and writes raise what those of `ports.Directory` do. A write compares first: what is
    there already is success.
    """

    def read_solution_user(self, name: str) -> SolutionUser | None:
        """Read the account of the solution user *name*, None if there is none."""

    def replace_certificate(self, user: SolutionUser, certificate: bytes, subject: str) -> None:
        """Let the account have *certificate* (DER) and no other, and its *subject* (RFC 4514):
        the STS finds an account by that. Both or nothing, as dir-cli does.

        Raises:
            EntryChangedError: The account is no longer as in *user*; nothing was written.
        """

    def read_trust_anchors(self) -> tuple[TrustAnchors, ...]:
        """Read which certificates every endpoint of the lookup service names."""

    def replace_trust_anchors(self, replacement: Replacement) -> None:
        """Let an endpoint name other certificates.

        Raises:
            EntryChangedError: It names others than the replacement was made for.
        """

    def read_roots(self) -> frozenset[bytes]:
        """Read the trusted roots of cn=Certificate-Authorities, DER."""

    def remove_root(self, root: bytes) -> None:
        """Remove the entry of the trusted *root* (DER), if it is there and holds it alone.

        Raises:
            EntryChangedError: The entry holds other certificates, too; nothing was removed.
        """


class Extensions(Protocol):
    """The extensions that are registered with the vCenters."""

    def read_extensions(self, node: NodePlan) -> tuple[Extension, ...] | UnreadPart:
        """List the extensions of vCenter *node*, or say why they are not known."""

    def replace_thumbprint(self, node: NodePlan, old: str, new: str) -> int | UnreadPart:
        """Let the extensions that are known by the certificate with SHA-1 *old* be known by that
        with SHA-1 *new* (40 hex digits); return how many. vCenter notices when it is restarted.
        Safe to repeat.
        """
