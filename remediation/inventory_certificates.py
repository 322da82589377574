"""What preflight saw of certificates besides the STS entries: frozen values, bytes as read."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Literal

VALUE_LIMIT: Final = 64 * 1024
"""Bytes of one certificate that are kept; real ones are below 4 KiB. A longer value is cut, and
cannot be parsed then."""

COUNT_LIMIT: Final = 20_000
"""Entries of one kind that are kept."""

TlsPort = Literal["https", "ldaps", "vami"]
"""The TLS ports of a node that are looked at: 443, 636 and 5480 unless configured."""

Part = Literal[
    "solution users",
    "trusted roots",
    "trusted chains",
    "lookup service registrations",
    "identity sources",
]
"""What a directory is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadPart:
    """Something that could not be read. *reason* is one sentence, without a full stop."""

    what: str
    reason: str


class ChainOwner(enum.StrEnum):
    """Whose trust a chain of the STS's object class is; told by its place in the tree.

    Source: DirectoryStoreMeta.java L3651-3735, Lightwave a04d9171; ``DefaultClientCertCAStore``
    below ClientCertificatePolicies: fixsts.sh (KB 76719) leaves it alone.
    """

    STS = "this SSO domain"
    SMART_CARD = "smart-card client CAs"
    EXTERNAL_IDP = "an external identity provider"
    UNKNOWN = "unknown"

    @property
    def is_untouchable(self) -> bool:
        """True unless the chain belongs to the STS itself."""
        return self is not ChainOwner.STS


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedChain:
    """One chain that something in the domain trusts. *chain* is DER in the order stored."""

    dn: str
    owner: ChainOwner
    chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedRoot:
    """An entry of cn=Certificate-Authorities, which every node copies to TRUSTED_ROOTS.

    *name* is its cn, *subject* the text of cACertificateDN. *certificates* is DER; what is no
    certificate is kept as it was. *crl_count* counts the lists in certificateRevocationList,
    *crl_bytes* their size as stored.
    """

    name: str
    subject: str
    certificates: tuple[bytes, ...]
    crl_count: int
    crl_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SolutionUser:
    """An account of cn=ServicePrincipals; *subject* is vmwSTSSubjectDN, *certificates* DER."""

    name: str
    subject: str
    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupEndpoint:
    """An endpoint in the lookup service. *trust* is DER; what is no base64 is kept as it was."""

    uri: str
    trust: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupRegistration:
    """A lookup service registration (vmwLKUPServiceRegistration) with its endpoints."""

    name: str
    kind: str
    product: str
    endpoints: tuple[LookupEndpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySource:
    """A vmwSTSIdentityStore. Its password is never asked for. *certificates* (DER) verify LDAPS.

    *domain_type* and *provider* are the product's words: ``SYSTEM_DOMAIN``,
    ``IDENTITY_STORE_TYPE_VMWARE_DIRECTORY`` and others.
    """

    name: str
    domain_type: str
    provider: str
    connections: tuple[str, ...]
    certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryCertificates:
    """Every certificate but the STS's that the directory of *node* holds, and whose it is.

    A part that is named in *unread* is empty for that reason; every other part is complete.
    """

    node: str
    solution_users: tuple[SolutionUser, ...] = ()
    roots: tuple[TrustedRoot, ...] = ()
    chains: tuple[TrustedChain, ...] = ()
    registrations: tuple[LookupRegistration, ...] = ()
    identity_sources: tuple[IdentitySource, ...] = ()
    unread: tuple[UnreadPart, ...] = ()

    def has_read(self, part: Part) -> bool:
        """Tell whether *part* was read, so that nothing there means that there is none."""
        return all(unread.what != part for unread in self.unread)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKey:
    """The key of a JWKS. *modulus* is lower-case hex without leading zeros; *leaf* is DER, None
    with builds before Lightwave 42f75b34 (2017-01).
    """

    modulus: str
    exponent: int
    leaf: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCertificate:
    """The leaf (DER) that a TLS port of a node shows; nothing verified it."""

    port: TlsPort
    leaf: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCertificates:
    """What one node shows to anybody. *published* is the leaf in its SAML metadata, DER.

    *published* and *keys* are of nodes with an STS only. *unread* names what did not answer.
    """

    shown: tuple[ShownCertificate, ...] = ()
    published: bytes | None = None
    keys: tuple[PublishedKey, ...] = ()
    unread: tuple[UnreadPart, ...] = ()

    def on(self, port: TlsPort) -> bytes | None:
        """Return the leaf that *port* shows, None if it could not be read."""
        return next((shown.leaf for shown in self.shown if shown.port == port), None)
