"""What vmdir's entries and status lines say, as values of the model; pure and tolerant."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Final, Literal

from cryptography import x509

from stsfix.remediation.directory import dn
from stsfix.remediation.directory.sts_export import StsMaterial
from stsfix.remediation.model import DirServer, ReplicationStatus, RootDse, StsEntry, Topology
from stsfix.remediation.pki import certificates
from stsfix.snapshot.numbers import whole
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stsfix.remediation.directory.ldap_connection import Entry

STS_ATTRIBUTES: Final = (dn.CN, dn.CERTIFICATE, dn.OBJECT_GUID, dn.USN_CHANGED)
_UNKNOWN: Final = "unknown"
_METADATA_FIELDS: Final = 6
_NOT_SENT: Final = frozenset({b"vmwdirserver", b"vmwreplicationagreement"})
"""Classes of entries whose changes are a node's own affair (ldap-head/result.c L324-360)."""


def root_dse(entry: Entry) -> RootDse:
    """Return what the rootDSE says; absent attributes are empty."""
    return RootDse(
        domain_dn=entry.text(dn.ROOT_DOMAIN),
        admin_dn=entry.text(dn.ADMIN_DN),
        server_dn=entry.text(dn.SERVER_NAME),
        site=entry.text(dn.SITE_NAME),
        version=entry.text(dn.PSC_VERSION),
        functional_level=number(entry.text(dn.FUNCTIONAL_LEVEL)),
    )


class KeyJudge:
    """Tells whether a key belongs to a leaf, and remembers the answer, never the key.

    Polls read the same entries often, and the nodes of a domain hold the same ones: each pair
    is judged once. Safe to share.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[bytes, bool] = {}

    def __call__(self, key_pkcs8: bytes, leaf: bytes) -> bool:
        """See `certificates.key_matches`."""
        digest = hashlib.sha256(hashlib.sha256(key_pkcs8).digest() + leaf).digest()
        with self._lock:
            if digest not in self._known:
                self._known[digest] = certificates.key_matches(key_pkcs8, leaf)
            return self._known[digest]


def sts_entry(
    kind: Literal["credential", "chain"],
    entry: Entry,
    key_matches: Callable[[bytes, bytes], bool] = certificates.key_matches,
) -> StsEntry:
    """Return a credential or chain; whether the key matches is judged here, the key stays."""
    chain = entry.values(dn.CERTIFICATE)
    matches = None
    if kind == "credential":
        keys = entry.values(dn.PRIVATE_KEY)
        matches = bool(chain) and len(keys) == 1 and key_matches(keys[0], chain[0])
    return StsEntry(
        kind=kind,
        dn=entry.dn,
        index=dn.index_of(entry.dn),
        chain=chain,
        object_guid=entry.text(dn.OBJECT_GUID),
        usn=number(entry.text(dn.USN_CHANGED)) or 0,
        key_matches=matches,
    )


def sts_entries(
    kind: Literal["credential", "chain"],
    entries: Iterable[Entry],
    key_matches: Callable[[bytes, bytes], bool] = certificates.key_matches,
) -> tuple[StsEntry, ...]:
    """Return them by number, then by DN: the order of entries in a result is not stable
    (measured, section 4).
    """
    found = [sts_entry(kind, entry, key_matches) for entry in entries]
    return tuple(sorted(found, key=lambda e: (e.index is None, e.index or 0, e.dn.lower())))


def short_texts(entry: Entry, attribute: str) -> tuple[str, ...]:
    """Return the values of *attribute* as texts of a few characters, sorted."""
    values = (v[:20].decode("ascii", errors="replace") for v in entry.values(attribute))
    return tuple(sorted(values))[:20]


def sts_material(kind: Literal["credential", "chain"], entry: Entry) -> StsMaterial:
    """Return a credential or chain whole, the key as a secret."""
    keys = entry.values(dn.PRIVATE_KEY) if kind == "credential" else ()
    return StsMaterial(
        kind=kind,
        dn=entry.dn,
        object_classes=tuple(v.decode(errors="replace") for v in entry.values(dn.OBJECT_CLASS)),
        cn=entry.text(dn.CN),
        certificates=entry.values(dn.CERTIFICATE),
        key=Secret(keys[0]) if keys else None,
    )


def topology(
    domain: str,
    *,
    controllers: Iterable[Entry],
    computers: Iterable[Entry],
    servers: Iterable[Entry],
    agreements: Iterable[Entry],
) -> Topology:
    """Return the domain's nodes; partners are the hosts of each server's agreements."""
    partners: dict[tuple[str, str], list[str]] = {}
    for agreement in agreements:
        place = dn.server_place(agreement.dn)
        host = dn.host_of(agreement.text(dn.LABELED_URI))
        if place and host:
            partners.setdefault(_lower(place), []).append(host)
    found = []
    for server in servers:
        place = dn.server_place(server.dn)
        if place:
            found.append(
                DirServer(
                    name=place[0].lower(),
                    site=place[1],
                    invocation_id=server.text(dn.INVOCATION_ID),
                    partners=tuple(sorted(partners.get(_lower(place), []))),
                )
            )
    return Topology(
        domain=domain,
        controllers=_names(controllers),
        computers=_names(computers),
        servers=tuple(sorted(found, key=lambda s: (s.name, s.site))),
    )


def is_news(entry: Entry, usn: int, invocation_id: str) -> bool:
    """Tell whether the node *invocation_id* changed something of *entry* after *usn* that partners
    are sent. An attribute's metadata are its name, the USN here, a version, the invocation id of
    the node that made the change, a time, and the USN there (measured, section 5). Metadata that
    are missing or look otherwise count as news.
    """
    classes = {name.lower() for name in entry.values(dn.OBJECT_CLASS)}
    if classes & _NOT_SENT:
        return False
    metadata = [value.decode(errors="replace").split(":") for value in entry.values(dn.META_DATA)]
    return not metadata or any(_is_later(parts, usn, invocation_id) for parts in metadata)


def _is_later(parts: Sequence[str], usn: int, invocation_id: str) -> bool:
    if len(parts) < _METADATA_FIELDS:
        return True
    made = number(parts[-1])
    return parts[3] == invocation_id and (made is None or made > usn)


def replication_status(lines: Sequence[str]) -> ReplicationStatus:
    """Return what the lines of cn=replicationstatus say, in any order.

    Unknown lines are skipped; what is missing is empty, 0 or None.

    Source: vmdir/client/replication.c L717-1016, and a running vmdird (measured, sections 3, 8).
    """
    said: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            said.setdefault(name.strip().lower(), value.strip())
    return ReplicationStatus(
        server=said.get("server name", "").lower(),
        usn=number(said.get("usn", "")) or 0,
        invocation_id=said.get("invocationid", ""),
        up_to_date=vector(said.get("utdvector", "")),
        processed=vector(said.get("raprocessedusn vector", "").lower(), "|"),
        max_originating=number(said.get("maxoriginatingusn", "")),
        cycles=number(said.get("replication cycle count", "")),
    )


def vector(text: str, between: str = ":") -> dict[str, int] | None:
    """Return ``<invocation id>:<usn>,...`` as a mapping; None for ``Unknown`` or nothing usable.

    A trailing comma and broken parts are skipped.
    """
    if text.strip().lower() == _UNKNOWN:
        return None
    found = {}
    for part in text.split(","):
        invocation_id, colon, usn = part.strip().rpartition(between)
        counted = number(usn)
        if colon and invocation_id and counted is not None:
            found[invocation_id] = counted
    return found or None


def holds_certificate(value: bytes, wanted: bytes) -> bool:
    """Tell whether a cACertificate *value* (PEM text, or DER) is the certificate *wanted* (DER)."""
    if value == wanted:
        return True
    try:
        found = x509.load_pem_x509_certificates(value)
    except ValueError:
        return False
    ours = x509.load_der_x509_certificate(wanted)
    return any(c == ours for c in found)


def one_line(name: x509.Name) -> str:
    """Return a name as OpenSSL's X509_NAME_oneline does: ``/CN=CA/DC=vsphere``.

    Unverified on a real vmdir: only that cACertificateDN is a one-line subject was read
    (vmca/common/ldap.c, Lightwave a04d9171).
    """
    return "".join(f"/{a.rfc4514_attribute_name}={a.value!s}" for rdn in name.rdns for a in rdn)


def _names(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Names of accounts: the value of the first RDN in lower case."""
    found = {dn.split(entry.dn)[0][1].lower() for entry in entries if dn.split(entry.dn)}
    return tuple(sorted(found))


def _lower(place: tuple[str, str]) -> tuple[str, str]:
    return place[0].lower(), place[1].lower()


def number(text: str) -> int | None:
    """Return a USN or a like number; None if *text* is none."""
    return whole(text.strip())
