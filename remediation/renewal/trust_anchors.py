"""Which certificates the lookup service names for a node, and what they become. Pure.

A registration's endpoint names the certificate of the TLS port behind its URI. Products compare it
(KB 320707, KB 2121701), so that it has to change with the certificate. certificate-manager and
fixcerts.py 3.2 write the new one into every endpoint whose URI holds the PNID, whatever was there;
here only values go that were this node's certificate.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from stsfix.remediation.pki.certificates import Certificate, dns_names, fingerprint, parse

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Encoding = Literal["base64", "der"]
"""vmwLKUPEndpointSslTrust holds base64 text, vmwLKUPSslTrustAnchor of older registrations DER
(fixcerts.py 3.2)."""

_HTTPS: Final = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchors:
    """The certificates that one endpoint names: *values* as stored, *certificates* DER in the
    same order; what is no base64 is kept as it was.
    """

    dn: str
    uri: str
    values: tuple[bytes, ...]
    certificates: tuple[bytes, ...]
    encoding: Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What an endpoint is to name: *values* as they are stored, in order and without doubles."""

    anchors: TrustAnchors
    values: tuple[bytes, ...]


def replacements(
    found: Sequence[TrustAnchors],
    fqdn: str,
    *,
    olds: frozenset[str],
    new: bytes,
    sharers: Collection[str] = (),
) -> tuple[Replacement, ...]:
    """Return the endpoints that name an old certificate of a node, with the new one in its place.

    Old is what has a fingerprint of *olds*, wherever it stands; behind the node's port 443 also
    any other certificate for the node: nothing there ever shows it again. An endpoint of another
    node that had the same certificate gets that one's new one, not this.

    Args:
        found: Every endpoint of the domain.
        fqdn: The node.
        olds: SHA-256 of certificates that the node showed, 64 lower-case hex digits.
        new: Its certificate now, DER.
        sharers: FQDNs of other nodes that showed the same one and have a new one, too.
    """
    made = []
    theirs = {name.lower() for name in sharers}
    for anchors in found:
        if _host(anchors.uri) in theirs:
            continue
        front = is_front_of(anchors.uri, fqdn)
        values = tuple(
            _encoded(new, anchors.encoding)
            if fingerprint(der) in olds or (front and der != new and _is_of(der, fqdn))
            else value
            for value, der in zip(anchors.values, anchors.certificates, strict=True)
        )
        unique = tuple(dict.fromkeys(values))
        if unique != anchors.values:
            made.append(Replacement(anchors=anchors, values=unique))
    return tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How far one directory's endpoints are those of the writer's.

    *is_behind*: one does not name what it was made to name yet. *missing* is how many of those the
    directory does not have at all, *stale* how many of its own name a certificate that is replaced:
    no replication mends that, as nobody wrote there.
    """

    is_behind: bool
    missing: int = 0
    stale: int = 0


def followed(
    held: Sequence[TrustAnchors],
    writers: Sequence[TrustAnchors],
    *,
    news: frozenset[str],
    olds: frozenset[str],
) -> Followed:
    """Compare a directory with the writer's, at the endpoints where that names what is new.

    In whatever else the two differ, they did before: nothing of it is waited for. A directory that
    has none of these endpoints is behind all the same: perhaps it was only half read.

    Args:
        held: Its endpoints.
        writers: Those of the writer's directory, after what is new was written there.
        news: SHA-256 of the certificates that are new, 64 lower-case hex digits.
        olds: SHA-256 of those that they replaced.
    """
    mine, theirs = _by_dn(held), _by_dn(writers)
    wanted = {place: named & news for place, named in theirs.items() if named & news}
    here = [place for place in wanted if place in mine]
    lags = any(wanted[place] - mine[place] or mine[place] & olds for place in here)
    return Followed(
        is_behind=lags or (bool(wanted) and not here),
        missing=len(wanted) - len(here),
        stale=sum(bool(named & olds) for place, named in mine.items() if place not in wanted),
    )


def _by_dn(found: Sequence[TrustAnchors]) -> dict[str, frozenset[str]]:
    """Return the fingerprints that each endpoint names, in whatever order."""
    return {each.dn.lower(): frozenset(map(fingerprint, each.certificates)) for each in found}


def _host(uri: str) -> str:
    """Return the host of *uri* in lower case, empty if it has none."""
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""


def is_front_of(uri: str, fqdn: str) -> bool:
    """Tell whether *uri* is behind port 443 of node *fqdn*."""
    try:
        parts = urlsplit(uri)
        return (
            parts.scheme == "https"
            and (parts.hostname or "") == fqdn.lower()
            and (parts.port or _HTTPS) == _HTTPS
        )
    except ValueError:
        return False


def _is_of(der: bytes, fqdn: str) -> bool:
    certificate = parse(der)
    return isinstance(certificate, Certificate) and fqdn.lower() in dns_names(certificate)


def _encoded(certificate: bytes, encoding: Encoding) -> bytes:
    return base64.b64encode(certificate) if encoding == "base64" else certificate
