"""Who signs the new credential: a node's VMCA, a CA made for the occasion, or one in files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from stsfix.remediation.errors import IssuerError, VmcaError
from stsfix.remediation.pki import certificate_chains, certificates, issuing, vmca
from stsfix.remediation.pki.authority import CertificateRequest
from stsfix.remediation.ports import IssuedCredential
from stsfix.snapshot.polling import poll_until
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.pki.authority import Authority, Way
    from stsfix.remediation.ports_certificates import CertificateAuthority
    from stsfix.snapshot.ports import Clock

    KeySource = Callable[[], rsa.RSAPrivateKey]


class OwnCaIssuer:
    """Makes a root, signs one leaf with it and forgets the root's key."""

    def __init__(self, domain: str, new_key: KeySource = issuing.new_key) -> None:
        self._domain = domain
        self._new_key = new_key

    def issue(self, *, node: str, now: datetime, validity: timedelta) -> IssuedCredential:
        """Return a leaf and its root; both end at *now* + *validity*."""
        root_key = self._new_key()
        try:
            not_before, not_after = issuing.leaf_dates([], now=now, validity=validity)
            root = issuing.make_root(
                root_key,
                domain=self._domain,
                node=node,
                not_before=not_before,
                not_after=not_after,
            )
        except ValueError as error:
            raise IssuerError(str(error)) from error
        return _issue(root_key, (root,), self._new_key(), node=node, now=now, validity=validity)


@dataclass(frozen=True, slots=True, kw_only=True)
class VmcaIssuer:
    """Lets VMCA of *writer* sign a key made here.

    A node that was just started may not have its VMCA up yet: it is waited for up to *limit*.
    With *allow_key* VMCA's own key is read if certool would cut the validity (`vmca.obtain`).
    """

    authority: CertificateAuthority
    writer: NodePlan
    allow_key: bool
    clock: Clock
    limit: timedelta
    poll: timedelta
    new_key: KeySource = issuing.new_key

    def issue(self, *, node: str, now: datetime, validity: timedelta) -> IssuedCredential:
        """Return a leaf and VMCA's chain; the leaf ends with VMCA's root at latest.

        Raises:
            VmcaError: VMCA cannot be used, or did not sign.
            IssuerError: Nothing is left of the wanted validity.
        """
        request = self._request(self._running(), node=node, now=now, validity=validity)
        signed = vmca.obtain(
            self.authority,
            self.writer,
            request,
            allow_key=self.allow_key,
            now=self.clock.now(),
        )
        remarks = (_HOW[signed.way].format(node=self.writer.fqdn), *signed.remarks)
        issued = IssuedCredential(chain=signed.chain, key_pkcs8=request.key_pkcs8, remarks=remarks)
        problems = certificate_chains.check_credential(issued, self.clock.now())
        if problems:
            raise IssuerError("; ".join(problems))
        return issued

    def _running(self) -> Authority:
        seen: list[Authority] = []

        def look() -> Authority | None:
            seen[:] = [self.authority.read_root(self.writer)]
            return None if seen[0].serves is False else seen[0]

        found = poll_until(look, clock=self.clock, limit=self.limit, every=self.poll)
        problems = vmca.not_usable(found or seen[0], self.clock.now())
        if problems:
            raise VmcaError(self.writer.fqdn, "; ".join(problems))
        return found or seen[0]

    def _request(
        self, authority: Authority, *, node: str, now: datetime, validity: timedelta
    ) -> CertificateRequest:
        try:
            not_before, not_after = vmca.leaf_dates(authority, now=now, validity=validity)
        except ValueError as error:
            raise IssuerError(str(error)) from error
        return CertificateRequest(
            subject=(("CN", issuing.LEAF_NAME),),
            dns_names=(node,),
            not_before=not_before,
            not_after=not_after,
            key_pkcs8=Secret(issuing.pkcs8(self.new_key())),
        )


_HOW: dict[Way, str] = {
    "csr": "VMCA of {node} signed it; its key was never on the node",
    "key": "VMCA of {node} signed it; for that its key was on the node for a moment",
    "root-key": "signed with the key of VMCA of {node}, which was read (allow_vmca_key)",
}


class FilesIssuer:
    """Signs with a CA certificate and key in PEM files.

    *ca_certificate* holds the CA and everything above it up to the root, in any order.
    *ca_key* is PKCS#8 or PKCS#1, encrypted only if *passphrase* is given. The files are read
    anew at each `issue`.
    """

    def __init__(
        self,
        ca_certificate: Path,
        ca_key: Path,
        *,
        passphrase: Secret[str] | None = None,
        new_key: KeySource = issuing.new_key,
    ) -> None:
        self._ca_certificate = ca_certificate
        self._ca_key = ca_key
        self._passphrase = passphrase
        self._new_key = new_key

    def issue(self, *, node: str, now: datetime, validity: timedelta) -> IssuedCredential:
        """Return a leaf and the CA's chain; the leaf ends with the first of the CAs at latest."""
        key = self._load_key()
        authorities = self._load_authorities(key)
        chain = [c.public_bytes(Encoding.DER) for c in authorities]
        problems = certificate_chains.check_authorities(chain, now)
        if problems:
            raise IssuerError("; ".join(problems))
        return _issue(key, authorities, self._new_key(), node=node, now=now, validity=validity)

    def _load_key(self) -> rsa.RSAPrivateKey:
        password = self._passphrase.reveal().encode() if self._passphrase else None
        try:
            key = load_pem_private_key(_read(self._ca_key), password=password)
        except TypeError as error:
            reason = "is encrypted" if password is None else "is not encrypted"
            raise IssuerError(f"the key {self._ca_key} {reason}") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            reason = "no PEM key" if password is None else "no PEM key of this passphrase"
            raise IssuerError(f"{self._ca_key} holds {reason}") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise IssuerError(f"the key {self._ca_key} is not an RSA key")
        return key

    def _load_authorities(self, key: rsa.RSAPrivateKey) -> tuple[x509.Certificate, ...]:
        try:
            found = x509.load_pem_x509_certificates(_read(self._ca_certificate))
        except ValueError as error:
            raise IssuerError(f"{self._ca_certificate} holds no PEM certificates") from error
        parsed = [certificates.parse(c.public_bytes(Encoding.DER)) for c in found]
        usable = [c for c in parsed if isinstance(c, certificates.Certificate)]
        if len(usable) != len(parsed):
            raise IssuerError(f"{self._ca_certificate} holds a malformed certificate")
        chain = _link(usable, key.public_key())
        if not chain:
            raise IssuerError(f"no certificate in {self._ca_certificate} belongs to {self._ca_key}")
        return tuple(c.x509 for c in chain)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IssuerError(f"{path} cannot be read: {error.strerror}") from error


def _link(
    found: Sequence[certificates.Certificate], key: rsa.RSAPublicKey
) -> list[certificates.Certificate]:
    """Return the chain from *key*'s certificate up, in order, whatever the order of the file.

    Ends at a self-signed certificate or where no issuer is in the file; empty if no certificate
    has *key*. Of a cross-certified CA that is there twice the self-signed one is taken.
    """
    own = [c for c in found if c.x509.public_key() == key]
    own.sort(key=lambda c: not c.self_issued)
    return certificates.path_up(own[0], found) if own else []


def _issue(
    ca_key: rsa.RSAPrivateKey,
    authorities: Sequence[x509.Certificate],
    key: rsa.RSAPrivateKey,
    *,
    node: str,
    now: datetime,
    validity: timedelta,
) -> IssuedCredential:
    try:
        not_before, not_after = issuing.leaf_dates(authorities, now=now, validity=validity)
        leaf = issuing.make_leaf(
            key.public_key(),
            issuer=authorities[0],
            issuer_key=ca_key,
            subject=(("CN", issuing.LEAF_NAME),),
            dns_names=(node,),
            not_before=not_before,
            not_after=not_after,
        )
    except ValueError as error:
        raise IssuerError(str(error)) from error
    chain = tuple(c.public_bytes(Encoding.DER) for c in (leaf, *authorities))
    issued = IssuedCredential(chain=chain, key_pkcs8=Secret(issuing.pkcs8(key)))
    problems = certificate_chains.check_credential(issued, now)
    if problems:
        raise IssuerError("; ".join(problems))
    return issued
