"""What VMCA is asked to sign for a machine or a solution user: subject, names, dates. Pure.

Subjects are those that certificate-manager lets certool make: of a machine CN=<PNID> with what
the old certificate says of country, place and organization (fixcerts.py 3.2 does the same), of a
solution user CN=<store>, DC=<domain>, OU=mID-<machine id> (HandleGenCISCert in
vmca/certool/Handler.cpp, Lightwave a04d9171). The STS finds a solution user by its subject
(findServicePrincipalByCertDn in VMwareDirectoryProvider.java), so that it has to be no other's:
the machine id sees to that.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.pki import certificates, issuing
from stsfix.remediation.pki.authority import CertificateRequest
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    from stsfix.remediation.model import Renewal
    from stsfix.remediation.pki.certificates import Certificate

VALIDITY: Final = timedelta(days=730)
"""What VMCA of 6.5 and later gives (fixcerts.py 3.2; seen on an 8.0.3). certool chooses its own."""

_DEFAULTS: Final = {
    "C": "US",
    "L": "Palo Alto",
    "ST": "California",
    "O": "VMware",
    "OU": "VMware Engineering",
}
"""certool.cfg as it is delivered."""

_TEXT_LIMIT: Final = 64
_SPECIAL: Final = frozenset(",#")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request and what of the old certificate is not in it, one sentence each."""

    request: CertificateRequest
    lost: tuple[str, ...] = ()


def renewal_request(
    renewal: Renewal,
    old: Certificate,
    *,
    domain: str,
    key: rsa.RSAPrivateKey,
    authorities: Sequence[x509.Certificate],
    now: datetime,
) -> Asked:
    """Return what VMCA is asked to sign in place of *old*.

    Names of *old* are kept and the PNID is among them. Wildcards are left out: VMCA refuses
    them (VMCAVerifySubjectAltNames in vmca/common/pkcs_openssl.c, Lightwave a04d9171).

    Args:
        renewal: The entry that is renewed.
        old: Its certificate.
        domain: The SSO domain.
        key: A new one.
        authorities: VMCA's chain; the certificate ends with the first of them at latest.
        now: Aware UTC.

    Raises:
        ValueError: No validity is left, or a name of the node cannot be written.
    """
    not_before, not_after = issuing.leaf_dates(authorities, now=now, validity=VALIDITY)
    names = dict.fromkeys(certificates.dns_names(old))
    addresses = dict.fromkeys(certificates.ip_addresses(old))
    (addresses if _is_address(renewal.pnid) else names).setdefault(renewal.pnid.lower(), None)
    wild = [name for name in names if "*" in name]
    request = CertificateRequest(
        subject=_subject(renewal, old, domain),
        dns_names=tuple(name for name in names if name not in wild),
        ip_addresses=tuple(addresses),
        not_before=not_before,
        not_after=not_after,
        key_pkcs8=Secret(issuing.pkcs8(key)),
    )
    lost = tuple(f"the name {name}, which VMCA does not sign" for name in wild)
    return Asked(request=request, lost=lost)


def with_one_name(asked: Asked, pnid: str, said: str) -> Asked | None:
    """Return *asked* with the PNID as its only DNS name, None if that is no other request.

    VMCA refuses several unless its option multiplesan is on (VMCAVerifySubjectAltNames, as
    above); whether it did so for that is not known: *said* are its words.
    """
    given = asked.request.dns_names
    kept = tuple(name for name in given if name == pnid.lower()) or given[:1]
    if len(given) < 2:  # noqa: PLR2004 - one name is what VMCA signs anyway
        return None
    dropped = [name for name in given if name not in kept]
    lost = f"the names {', '.join(dropped)}: VMCA did not sign all names ({said})"
    return Asked(request=replace(asked.request, dns_names=kept), lost=(*asked.lost, lost))


def _subject(renewal: Renewal, old: Certificate, domain: str) -> tuple[tuple[str, str], ...]:
    parts = {a.rfc4514_attribute_name: str(a.value) for a in old.x509.subject}
    kept = {key: _usable(parts.get(key), default) for key, default in _DEFAULTS.items()}
    if renewal.is_machine:
        return (("CN", renewal.pnid), *kept.items())
    kept["OU"] = f"mID-{renewal.machine_id}"
    labels = tuple(("DC", label) for label in domain.split("."))
    return (("CN", renewal.store), *labels, *kept.items())


def _usable(value: str | None, default: str) -> str:
    """Return *value* if certool can write it, else *default*."""
    if value is None or not value.strip() or len(value) > _TEXT_LIMIT:
        return default
    plain = value.isprintable() and value == value.strip() and _SPECIAL.isdisjoint(value)
    return value if plain else default


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def described(lost: Iterable[str]) -> str:
    """Return for people what a new certificate lacks; empty if nothing."""
    return "; ".join(f"without {what}" for what in lost)
