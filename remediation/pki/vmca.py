"""Get a certificate from a node's VMCA: is it usable, what it gave, and what to do if it is short.

Works over the port `CertificateAuthority` only; the STS's signing leaf and every renewed
certificate are made here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from stsfix.remediation.errors import IssuerError, VmcaError
from stsfix.remediation.pki import certificate_chains, certificates, issuing
from stsfix.remediation.pki.authority import SignedCertificate, check_signed, is_clipped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography import x509

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.pki.authority import Authority, CertificateRequest
    from stsfix.remediation.ports_certificates import CertificateAuthority
    from stsfix.snapshot.secret import Secret

SHORT: Final = timedelta(days=5 * 365)
"""An STS certificate that lives shorter is worth a warning: nobody remembers it then."""


def issuing_chain(authority: Authority) -> tuple[certificates.Certificate, ...]:
    """Return VMCA's own certificate and its issuers up to the root; empty if unreadable."""
    parsed = [certificates.parse(der) for der in authority.chain]
    usable = [c for c in parsed if isinstance(c, certificates.Certificate)]
    if not usable or usable[0].der != authority.chain[0]:
        return ()
    return tuple(certificates.path_up(usable[0], usable))


def not_usable(authority: Authority, now: datetime) -> tuple[str, ...]:
    """Return everything that forbids VMCA to sign at *now*, one clause each; empty if nothing.

    What is unknown forbids nothing: what it signs is checked again.
    """
    problems: list[str] = []
    if authority.certool is False:
        problems.append("certool is not there")
    if authority.serves is False:
        problems.append("VMCA does not answer certool")
    if authority.serves_root is False:
        problems.append("VMCA issues with another root than its file holds")
    if authority.key_matches is False:
        problems.append("the key of the root does not belong to the root")
    chain = issuing_chain(authority)
    if not chain:
        problems.append(f"its root could not be read: {authority.unread or 'malformed'}")
    return (*problems, *certificate_chains.check_authorities([c.der for c in chain], now))


def leaf_dates(
    authority: Authority, *, now: datetime, validity: timedelta
) -> tuple[datetime, datetime]:
    """Return notBefore and notAfter to ask for: backdated, and never past VMCA's root.

    Raises:
        ValueError: Nothing is left of *validity*.
    """
    above: list[x509.Certificate] = [c.x509 for c in issuing_chain(authority)]
    return issuing.leaf_dates(above, now=now, validity=validity)


def require_usable(authority: Authority, *, now: datetime, validity: timedelta) -> None:
    """Return if VMCA could sign a leaf of *validity* at *now*, maybe a shorter one.

    Raises:
        VmcaError: It cannot be used.
        IssuerError: Nothing is left of its own validity.
    """
    problems = not_usable(authority, now)
    if problems:
        raise VmcaError(authority.node, "; ".join(problems))
    try:
        leaf_dates(authority, now=now, validity=validity)
    except ValueError as error:
        raise IssuerError(str(error)) from error


def obtain(
    port: CertificateAuthority,
    node: NodePlan,
    request: CertificateRequest,
    *,
    allow_key: bool,
    now: datetime,
) -> SignedCertificate:
    """Return a certificate from VMCA of *node*; its remarks tell how long it lives and why.

    If certool cuts it shorter than asked, VMCA's key is read and the certificate made here, but
    only with *allow_key*; without it the shorter one is taken.

    Raises:
        VmcaError: There is none that can be used.
        ValueError: As `CertificateAuthority.sign`.
    """
    signed = port.sign(node, request)
    if not is_clipped(signed.leaf, request):
        return signed
    cut = f"certool gave it to {_end(signed.leaf)}, asked was {request.not_after:%Y-%m-%d}"
    if not allow_key:
        advice = "allow_vmca_key = true under [sts] lets stsfix sign it with VMCA's key"
        remarks = (*signed.remarks, f"{cut}; {advice}")
        return SignedCertificate(chain=signed.chain, way=signed.way, remarks=remarks)
    chain = _signed_here(port.read_root_key(node), node, request, signed.chain[1:])
    problems = check_signed(chain, request, now)
    if problems:
        raise VmcaError(node.fqdn, f"what its key signed is not usable: {'; '.join(problems)}")
    remarks = (*signed.remarks, f"{cut}; so it was signed here with VMCA's key")
    return SignedCertificate(chain=chain, way="root-key", remarks=remarks)


def _signed_here(
    key_pkcs8: Secret[bytes],
    node: NodePlan,
    request: CertificateRequest,
    above: Sequence[bytes],
) -> tuple[bytes, ...]:
    issuer = certificates.parse(above[0])
    key = load_der_private_key(key_pkcs8.reveal(), password=None)
    if not isinstance(issuer, certificates.Certificate) or not isinstance(key, rsa.RSAPrivateKey):
        raise VmcaError(node.fqdn, "its key is no RSA key")
    if key.public_key() != issuer.x509.public_key():
        raise VmcaError(node.fqdn, "the key of the root does not belong to the root")
    leaf = issuing.make_leaf(
        request.private_key().public_key(),
        issuer=issuer.x509,
        issuer_key=key,
        subject=request.subject,
        dns_names=request.dns_names,
        ip_addresses=request.ip_addresses,
        not_before=request.not_before,
        not_after=request.not_after,
    )
    return (leaf.public_bytes(Encoding.DER), *above)


def _end(der: bytes) -> str:
    found = certificates.parse(der)
    return f"{found.not_after:%Y-%m-%d}" if isinstance(found, certificates.Certificate) else "?"
