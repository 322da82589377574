"""What a chain of certificates, or a credential, must be for the STS to work with it.

Pure: time and bytes are arguments. The identity service checks almost nothing on write or load
(IdentityManager.java L1154, DirectoryConfigStore.java), so everything is checked here.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from stsfix.remediation.pki.certificates import (
    MIN_RSA_BITS,
    STRONG_HASHES,
    Certificate,
    Malformed,
    issued_by,
    key_matches,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stsfix.remediation.ports import IssuedCredential


def check_credential(issued: IssuedCredential, now: datetime) -> tuple[str, ...]:
    """Return everything that is wrong with *issued* at *now*, one sentence each; empty if nothing.

    Chain: see `check_chain`. The key must be PKCS#8 and belong to the leaf, and the leaf must
    not be a CA.
    """
    problems = list(check_chain(issued.chain, now))
    if issued.chain:
        if not key_matches(issued.key_pkcs8.reveal(), issued.chain[0]):
            problems.append("the key is not an unencrypted PKCS#8 RSA key of the leaf")
        leaf = parse(issued.chain[0])
        if isinstance(leaf, Certificate) and leaf.authority:
            problems.append(f"the leaf {leaf.subject} is a CA certificate")
    return tuple(problems)


def check_chain(chain: Sequence[bytes], now: datetime) -> tuple[str, ...]:
    """Return everything that is wrong with *chain* at *now*, one sentence each.

    *chain* is DER, and should be leaf first, root last and self-signed, each link verifying, at
    least two distinct certificates, every issuer a CA, RSA of 2048 bits or more, SHA-256 or
    better, all valid at *now*.
    """
    found = _parsed(chain)
    if isinstance(found, tuple):
        return found
    problems = _count_problems(found)
    for position, certificate in enumerate(found):
        problems += _own_problems(certificate, now, root=position == len(found) - 1)
        if position:
            problems += _issuer_problems(certificate, below=position - 1)
    return (*problems, *_link_problems(found))


def check_links(chain: Sequence[bytes]) -> tuple[str, ...]:
    """Return why *chain* does not hold together, whatever its dates and keys: see `check_chain`."""
    found = _parsed(chain)
    if isinstance(found, tuple):
        return found
    problems = []
    for below, certificate in enumerate(found[1:]):
        problems += _issuer_problems(certificate, below=below)
    return (*_count_problems(found), *problems, *_link_problems(found))


def check_authorities(chain: Sequence[bytes], now: datetime) -> tuple[str, ...]:
    """Return everything that forbids *chain* (DER, issuing CA first, root last) to sign a leaf."""
    found = _parsed(chain)
    if isinstance(found, tuple):
        return found
    problems = []
    for position, certificate in enumerate(found):
        problems += _own_problems(certificate, now, root=position == len(found) - 1)
        problems += _issuer_problems(certificate, below=position)
    return (*problems, *_link_problems(found))


def _parsed(chain: Sequence[bytes]) -> list[Certificate] | tuple[str, ...]:
    """Return the certificates of *chain*, or one sentence for each that is malformed."""
    parsed = [parse(der) for der in chain]
    bad = [c for c in parsed if isinstance(c, Malformed)]
    if bad:
        return tuple(f"certificate {c.sha256[:16]} is malformed: {c.reason}" for c in bad)
    return [c for c in parsed if isinstance(c, Certificate)]


def _count_problems(found: Sequence[Certificate]) -> list[str]:
    distinct = len({c.sha256 for c in found})
    if distinct < 2:  # noqa: PLR2004 - a leaf and a root (IdentityManager.java L1154)
        return [f"the chain has {distinct} distinct certificates, not at least 2"]
    if distinct != len(found):
        return ["the chain holds a certificate twice"]
    return []


def _own_problems(certificate: Certificate, now: datetime, *, root: bool) -> list[str]:
    name, problems = certificate.subject, []
    if certificate.rsa_bits is None:
        problems.append(f"{name} has no RSA key")
    elif certificate.rsa_bits < MIN_RSA_BITS:
        problems.append(f"{name} has an RSA key of only {certificate.rsa_bits} bits")
    # Nobody verifies a root's signature over itself, so its hash does not matter.
    if not root and certificate.signature_hash not in STRONG_HASHES:
        problems.append(f"{name} is signed with {certificate.signature_hash or 'no known hash'}")
    if now < certificate.not_before:
        problems.append(f"{name} is not valid before {certificate.not_before:%Y-%m-%d %H:%M} UTC")
    if now > certificate.not_after:
        problems.append(f"{name} expired at {certificate.not_after:%Y-%m-%d %H:%M} UTC")
    return problems


def _issuer_problems(certificate: Certificate, *, below: int) -> list[str]:
    """Problems of a certificate that signs others; *below* CA certificates are under it."""
    name, problems = certificate.subject, []
    # An X.509 version 1 root has no extensions at all and is accepted as a CA by OpenSSL.
    if not certificate.authority and certificate.version > 0:
        problems.append(f"{name} is not a CA certificate")
    if certificate.signs_certificates is False:
        problems.append(f"{name} must not sign certificates (key usage)")
    if certificate.path_length is not None and certificate.path_length < below:
        problems.append(
            f"{name} allows {certificate.path_length} CA certificates below, not {below}"
        )
    return problems


def _link_problems(found: Sequence[Certificate]) -> list[str]:
    problems = [
        f"{child.subject} is not issued by {parent.subject}"
        for child, parent in itertools.pairwise(found)
        if not issued_by(child, parent)
    ]
    if found and not issued_by(found[-1], found[-1]):
        problems.append(f"the last certificate {found[-1].subject} is not a self-signed root")
    return problems
