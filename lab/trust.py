"""Keys, authorities and certificates of a lab, in the shapes `pki` knows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from stsfix.lab import pki

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric import rsa

    from stsfix.lab.seams import KeyPair

ROOT_DAYS = 3650.0
COMPANY_DAYS = 5000.0
STARTED_DAYS_AGO = 733.0
"""Roots are as old as an installation whose two-year STS certificate has just expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certification authority: a node's VMCA. *issuers* are above it, the root last; none if it
    is a root itself.
    """

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Its certificate and those above."""
        return (self.certificate, *self.issuers)

    @property
    def pair(self) -> KeyPair:
        """Chain and key as PEM."""
        return pki.key_pair(self.key, self.chain)


@dataclass(frozen=True, slots=True, kw_only=True)
class StsMaterial:
    """A signing credential. *chain* is DER, leaf first; *key* is unencrypted PKCS#8 DER."""

    chain: tuple[bytes, ...]
    key: bytes


def make_keys(count: int) -> list[rsa.RSAPrivateKey]:
    """Make *count* RSA keys, in parallel."""
    with ThreadPoolExecutor(2, thread_name_prefix="lab-keys") as pool:
        return list(pool.map(lambda _: pki.new_key(), range(count)))


class KeySource:
    """Hands out RSA keys, each once.

    Args:
        expected: How many will be needed; made in parallel if *given* is None.
        given: Ready keys, so that tests which build many labs make keys only once.
    """

    def __init__(self, expected: int, given: Sequence[rsa.RSAPrivateKey] | None = None) -> None:
        self._ready = make_keys(expected) if given is None else list(given)

    def next(self) -> rsa.RSAPrivateKey:
        """Return a key that was not returned before."""
        return self._ready.pop() if self._ready else pki.new_key()


def new_authority(
    keys: KeySource, *, domain: str, host: str, days: float | None = None
) -> Authority:
    """Return the VMCA of *host*; its root ends in *days*, or ten years after its start."""
    key = keys.next()
    root = pki.vmca_root(
        key,
        domain=domain,
        host=host,
        not_before=pki.days_from_now(-STARTED_DAYS_AGO),
        not_after=pki.days_from_now(ROOT_DAYS - STARTED_DAYS_AGO if days is None else days),
    )
    return Authority(key=key, certificate=root)


def new_company(keys: KeySource) -> Authority:
    """Return the authority that a company has besides its VMCAs."""
    key = keys.next()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Company Root CA")])
    root = pki.self_signed_root(
        key,
        subject=subject,
        not_before=pki.days_from_now(-COMPANY_DAYS),
        not_after=pki.days_from_now(COMPANY_DAYS),
    )
    return Authority(key=key, certificate=root)


def subordinate(vmca: Authority, company: Authority) -> Authority:
    """Return *vmca* with its key and dates, below *company*."""
    certificate = pki.authority(
        vmca.key,
        subject=vmca.certificate.subject,
        issuer=company.certificate.subject,
        issuer_key=company.key,
        not_before=vmca.certificate.not_valid_before_utc,
        not_after=vmca.certificate.not_valid_after_utc,
    )
    return Authority(key=vmca.key, certificate=certificate, issuers=company.chain)


def machine_certificate(
    keys: KeySource,
    authority: Authority,
    name: str,
    *,
    days: float = 365.0,
    names: Sequence[str] = (),
) -> KeyPair:
    """Return a TLS certificate for *name*, or for *names*, that ends in *days*."""
    key = keys.next()
    leaf = pki.vmca_leaf(
        key,
        issuer=authority.certificate,
        issuer_key=authority.key,
        common_name=name,
        not_before=pki.days_from_now(-STARTED_DAYS_AGO),
        not_after=pki.days_from_now(days),
        names=names or [name],
    )
    return pki.key_pair(key, [leaf, *authority.chain])


def sts_material(
    keys: KeySource,
    authority: Authority,
    *,
    host: str,
    days: float,
    bits: int = pki.BITS,
    starts_days: float = -STARTED_DAYS_AGO,
    may_sign: bool = True,
) -> StsMaterial:
    """Return an STS signing credential whose leaf begins in *starts_days* and ends in *days*, as
    the installer makes it.

    Source: CN=ssoserverSign, IdentityManager.java L7483 (vmdir.md 3.6).
    """
    key = keys.next() if bits == pki.BITS else pki.new_key(bits)
    leaf = pki.vmca_leaf(
        key,
        issuer=authority.certificate,
        issuer_key=authority.key,
        common_name="ssoserverSign",
        not_before=pki.days_from_now(starts_days),
        not_after=pki.days_from_now(min(days, ROOT_DAYS - STARTED_DAYS_AGO)),
        names=[host],
        may_sign=may_sign,
    )
    return StsMaterial(
        chain=(pki.der(leaf), *map(pki.der, authority.chain)),
        key=pki.pkcs8(key),
    )
