"""Makes the certificates that a `CertificatePlan` asks for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from stsfix.lab import pki
from stsfix.lab.topology import DOMAIN
from stsfix.lab.trusted_roots import key_id
from stsfix.lab.vmdir.spec import IdentitySource, TrustedRoot
from stsfix.lab.x509_text import oneline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stsfix.lab.certificate_plan import CertificatePlan
    from stsfix.lab.trust import Authority

_LONG_AGO_DAYS = -733.0
_OLD_HOST = "old.lab.example"


def trusted_root(certificate: x509.Certificate, *, crl_pem: bytes = b"") -> TrustedRoot:
    """Return *certificate* as an entry of Certificate-Authorities."""
    return TrustedRoot(
        name=key_id(certificate),
        certificate_pem=pki.pem(certificate),
        subject=oneline(certificate.subject),
        crl_pem=crl_pem,
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def extra_roots(plan: CertificatePlan, authority: Authority, other: Authority) -> list[TrustedRoot]:
    """Return the trusted roots that *plan* adds. *other* is an authority of no node."""
    found = []
    if plan.root_expired:
        found.append(trusted_root(_root(other, _OLD_HOST, days=-1)))
    if plan.root_not_ca:
        found.append(trusted_root(_leaf(other, "not-a-ca.lab.example")))
    if plan.root_twice:
        organization = authority.certificate.subject.get_attributes_for_oid(
            NameOID.ORGANIZATION_NAME
        )
        found.append(trusted_root(_root(other, _text(organization[0].value), days=1000)))
    if plan.root_malformed:
        junk = b"-----BEGIN CERTIFICATE-----\n!\xff\n-----END CERTIFICATE-----\n"
        found.append(TrustedRoot(name="BAD", certificate_pem=junk, subject="/CN=bad"))
    return [*found, *_with_lists(plan.crls, other)]


def _with_lists(count: int, other: Authority) -> Iterator[TrustedRoot]:
    for number in range(count):
        host = f"gone{number}.lab.example"
        root = _root(other, host, days=1000)
        made = trusted_root(root, crl_pem=_revocation_list(root, other))
        # One key for all of them, so the key identifier does not tell them apart.
        name = hashlib.sha1(host.encode(), usedforsecurity=False).hexdigest().upper()
        yield TrustedRoot(
            name=name,
            certificate_pem=made.certificate_pem,
            subject=made.subject,
            crl_pem=made.crl_pem,
        )


def _root(authority: Authority, host: str, *, days: float) -> x509.Certificate:
    return pki.vmca_root(
        authority.key,
        domain=DOMAIN,
        host=host,
        not_before=pki.days_from_now(_LONG_AGO_DAYS),
        not_after=pki.days_from_now(days),
    )


def _leaf(authority: Authority, name: str, *, days: float = 365.0) -> x509.Certificate:
    return pki.vmca_leaf(
        authority.key,
        issuer=authority.certificate,
        issuer_key=authority.key,
        common_name=name,
        not_before=pki.days_from_now(_LONG_AGO_DAYS),
        not_after=pki.days_from_now(days),
        names=[name],
    )


def old_leaf(authority: Authority, name: str) -> bytes:
    """Return a certificate (DER) that *name* once had and that is still in its time."""
    return pki.der(_leaf(authority, name))


def _revocation_list(root: x509.Certificate, authority: Authority) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(pki.days_from_now(-1))
        .next_update(pki.days_from_now(30))
    )
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def client_cas(plan: CertificatePlan, other: Authority) -> tuple[bytes, ...]:
    """Return the smart-card CAs, DER."""
    return (pki.der(other.certificate),) if plan.smart_card else ()


def other_chains(plan: CertificatePlan, other: Authority) -> dict[str, tuple[bytes, ...]]:
    """Return chains (DER) below containers of the tenant that nobody knows, by its name."""
    if not plan.other_chain:
        return {}
    return {"Partners": (old_leaf(other, "partner.example.org"), pki.der(other.certificate))}


def providers(plan: CertificatePlan, other: Authority) -> dict[str, tuple[bytes, ...]]:
    """Return the chain of the external identity provider, DER by its name."""
    if not plan.external_idp:
        return {}
    return {"idp.example.org": (old_leaf(other, "idp.example.org"), pki.der(other.certificate))}


def identity_sources(plan: CertificatePlan, other: Authority) -> tuple[IdentitySource, ...]:
    """Return other people's directories."""
    if plan.source_days is None:
        return ()
    certificate = _leaf(other, "dc1.example.org", days=plan.source_days)
    return (
        IdentitySource(
            name="example.org",
            connections=("ldaps://dc1.example.org:636",),
            certificates=(pki.der(certificate),),
        ),
    )
