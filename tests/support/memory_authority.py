"""A VMCA in memory that satisfies `ports.CertificateAuthority`; signs with the lab's own code."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509 import load_der_x509_certificate

from sts_material import key, root
from stsfix.lab import pki
from stsfix.remediation.errors import VmcaError
from stsfix.remediation.pki.authority import Authority, SignedCertificate
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.pki.authority import CertificateRequest, Way


@dataclass
class MemoryAuthority:
    """Signs for *lives* from *now*; *state* is what a look at it tells."""

    now: Callable[[], datetime]
    certificate: x509.Certificate = field(default_factory=root)
    key_name: str = "root"
    lives: timedelta = timedelta(days=3650)
    way: Way = "key"
    refusal: str = ""
    starts_after: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    requests: list[CertificateRequest] = field(default_factory=list)
    keys_read: int = 0
    signing_key: rsa.RSAPrivateKey | None = None

    def read_root(self, node: NodePlan) -> Authority:
        """Return a sound authority but for *state*; down for the first *starts_after* looks."""
        self.starts_after -= 1
        sound = Authority(
            node=node.fqdn,
            chain=(pki.der(self.certificate),),
            certool=True,
            serves=self.starts_after < 0,
            serves_root=True,
            key_matches=True,
        )
        return replace(sound, **self.state)

    def sign(self, node: NodePlan, request: CertificateRequest) -> SignedCertificate:
        """Sign as certool does: it chooses the dates, and never goes past the root."""
        self.requests.append(request)
        if self.refusal:
            raise VmcaError(node.fqdn, self.refusal)
        start = self.now() - timedelta(minutes=10)
        leaf = pki.vmca_leaf(
            request.private_key(),
            issuer=self.certificate,
            issuer_key=self.signing_key or key(self.key_name),
            common_name=request.common_name,
            not_before=start,
            not_after=min(start + self.lives, self.certificate.not_valid_after_utc),
            names=request.dns_names,
        )
        return SignedCertificate(chain=(pki.der(leaf), pki.der(self.certificate)), way=self.way)

    def install_root(self, node: NodePlan, root: bytes, key_pkcs8: Secret[bytes]) -> None:
        """Issue with *root* from now on; another key than its own is a mistake of the caller."""
        if self.refusal:
            raise VmcaError(node.fqdn, self.refusal)
        given = load_der_private_key(key_pkcs8.reveal(), None)
        certificate = load_der_x509_certificate(root)
        if given.public_key() != certificate.public_key():
            raise VmcaError(node.fqdn, "the key does not belong to the root")
        self.certificate, self.signing_key = certificate, cast("rsa.RSAPrivateKey", given)

    def read_root_key(self, node: NodePlan) -> Secret[bytes]:
        """Return the key; *keys_read* counts."""
        del node
        self.keys_read += 1
        return Secret(pki.pkcs8(self.signing_key or key(self.key_name)))
