"""Certificates in vmdir besides the STS entries: which entries, and what they say. Tolerant.

Layout and encodings: vmdir.md 2 (Lightwave a04d9171). Where the lookup service keeps its entries
below a site is not known from source; they are found by their class, wherever they are.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from stsfix.remediation.directory import dn
from stsfix.remediation.errors import DirectoryFaultError
from stsfix.remediation.inventory_certificates import (
    COUNT_LIMIT,
    VALUE_LIMIT,
    ChainOwner,
    DirectoryCertificates,
    IdentitySource,
    LookupEndpoint,
    LookupRegistration,
    Part,
    SolutionUser,
    TrustedChain,
    TrustedRoot,
    UnreadPart,
)
from stsfix.remediation.renewal.trust_anchors import TrustAnchors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stsfix.remediation.directory.ldap_connection import Entry

T = TypeVar("T")

_CRL_MARK: Final = b"-----BEGIN X509 CRL-----"
_PEM_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_PEM_END: Final = b"-----END CERTIFICATE-----"
_PEM_LIMIT: Final = 4 * VALUE_LIMIT
_TEXT_LIMIT: Final = 1000
_OWNERS: Final = {
    "trustedcertificatechains": ChainOwner.STS,
    "clientcertificatepolicies": ChainOwner.SMART_CARD,
    "externalidpconfigs": ChainOwner.EXTERNAL_IDP,
}


class Search(Protocol):
    """Asks one directory."""

    def __call__(
        self, base: str, of_class: str, attributes: Sequence[str], *, deep: bool
    ) -> Sequence[Entry]:
        """Return the entries of a class right below *base*, or anywhere below it if *deep*."""


def read_certificates(node: str, domain: str, search: Search) -> DirectoryCertificates:
    """Return everything that *search* finds; a refused part is among the unread ones.

    Raises:
        OperationError: What *search* raises, except a DirectoryFaultError.
    """
    unread: list[UnreadPart] = []

    def read(what: Part, ask: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
        try:
            return ask()[:COUNT_LIMIT]
        except DirectoryFaultError as error:
            unread.append(UnreadPart(what=what, reason=str(error)))
            return ()

    return DirectoryCertificates(
        node=node,
        solution_users=read("solution users", lambda: _solution_users(domain, search)),
        roots=read("trusted roots", lambda: _roots(domain, search)),
        chains=read("trusted chains", lambda: _chains(domain, search)),
        registrations=read("lookup service registrations", lambda: _registrations(domain, search)),
        identity_sources=read("identity sources", lambda: _identity_sources(domain, search)),
        unread=tuple(unread),
    )


def _solution_users(domain: str, search: Search) -> tuple[SolutionUser, ...]:
    found = search(
        dn.service_principals(domain),
        dn.SERVICE_PRINCIPAL_CLASS,
        (dn.CN, dn.CERTIFICATE, dn.SUBJECT_DN),
        deep=False,
    )
    return tuple(
        SolutionUser(
            name=_name(entry),
            subject=_text(entry, dn.SUBJECT_DN),
            certificates=_values(entry, dn.CERTIFICATE),
        )
        for entry in _sorted(found)
    )


def _roots(domain: str, search: Search) -> tuple[TrustedRoot, ...]:
    found = search(
        dn.authorities(domain),
        dn.AUTHORITY_CLASSES[0],
        (dn.CN, dn.CA_CERTIFICATE, dn.CA_CERTIFICATE_DN, dn.REVOCATION_LIST),
        deep=False,
    )
    return tuple(_root(entry) for entry in _sorted(found))


def _root(entry: Entry) -> TrustedRoot:
    lists = [value for value in entry.values(dn.REVOCATION_LIST) if value]
    values = [value[:_PEM_LIMIT] for value in entry.values(dn.CA_CERTIFICATE)]
    return TrustedRoot(
        name=_name(entry),
        subject=_text(entry, dn.CA_CERTIFICATE_DN),
        certificates=tuple(der for value in values for der in from_pem(value)),
        # A value may hold several lists, or one in DER.
        crl_count=sum(max(1, value.count(_CRL_MARK)) for value in lists),
        crl_bytes=sum(len(value) for value in lists),
    )


def from_pem(value: bytes) -> tuple[bytes, ...]:
    """Return what the PEM blocks of *value* stand for (DER); *value* itself, cut, without any.

    Text around the blocks is skipped, as OpenSSL does. What is inside is not looked at.
    """
    found, at = [], value.find(_PEM_BEGIN)
    while at >= 0:
        start = at + len(_PEM_BEGIN)
        end = value.find(_PEM_END, start)
        if end < 0:
            break
        found.append(from_base64(value[start:end])[:VALUE_LIMIT])
        at = value.find(_PEM_BEGIN, end)
    return tuple(found) or (value[:VALUE_LIMIT],)


def _chains(domain: str, search: Search) -> tuple[TrustedChain, ...]:
    tenant = dn.tenant(domain)
    found = search(tenant, dn.CHAIN_CLASS, (dn.CN, dn.CERTIFICATE), deep=True)
    return tuple(
        TrustedChain(
            dn=entry.dn, owner=owner_of(entry.dn, tenant), chain=_values(entry, dn.CERTIFICATE)
        )
        for entry in _sorted(found)
    )


def owner_of(entry_dn: str, tenant_dn: str) -> ChainOwner:
    """Return whose a chain is: the container right below the tenant tells."""
    rdns = dn.split(entry_dn)
    depth = len(rdns) - len(dn.split(tenant_dn))
    if depth < 1:
        return ChainOwner.UNKNOWN
    return _OWNERS.get(rdns[depth - 1][1].strip().lower(), ChainOwner.UNKNOWN)


def _registrations(domain: str, search: Search) -> tuple[LookupRegistration, ...]:
    sites = dn.sites(domain)
    services = search(
        sites, dn.REGISTRATION_CLASS, (dn.CN, dn.LOOKUP_TYPE, dn.LOOKUP_PRODUCT), deep=True
    )
    endpoints: dict[str, list[LookupEndpoint]] = {}
    wanted = (dn.CN, dn.LOOKUP_URI, dn.LOOKUP_TRUST)
    for entry in search(sites, dn.ENDPOINT_CLASS, wanted, deep=True):
        trust = tuple(from_base64(value) for value in _values(entry, dn.LOOKUP_TRUST))
        endpoint = LookupEndpoint(uri=_text(entry, dn.LOOKUP_URI), trust=trust)
        endpoints.setdefault(_parent(entry.dn), []).append(endpoint)
    return tuple(
        LookupRegistration(
            name=_name(entry),
            kind=_text(entry, dn.LOOKUP_TYPE),
            product=_text(entry, dn.LOOKUP_PRODUCT),
            endpoints=tuple(sorted(endpoints.get(_folded(entry.dn), []), key=lambda e: e.uri)),
        )
        for entry in _sorted(services)
    )


def trust_anchors(domain: str, search: Search) -> tuple[TrustAnchors, ...]:
    """Return what every endpoint of the lookup service names, those of old registrations too."""
    return (
        *_anchors(domain, search, dn.ENDPOINT_CLASS, dn.LOOKUP_TRUST),
        *_anchors(domain, search, dn.OLD_ENDPOINT_CLASS, dn.OLD_LOOKUP_TRUST),
    )


def _anchors(
    domain: str, search: Search, of_class: str, attribute: str
) -> tuple[TrustAnchors, ...]:
    wanted = (dn.CN, dn.LOOKUP_URI, attribute)
    encoded = attribute == dn.LOOKUP_TRUST
    return tuple(
        TrustAnchors(
            dn=entry.dn,
            uri=_text(entry, dn.LOOKUP_URI),
            values=values,
            certificates=tuple(from_base64(v) if encoded else v for v in values),
            encoding="base64" if encoded else "der",
        )
        for entry in _sorted(search(dn.sites(domain), of_class, wanted, deep=True))
        if (values := entry.values(attribute))
    )


def from_base64(value: bytes) -> bytes:
    """Return the bytes that base64 text stands for, white space ignored; else *value* itself."""
    try:
        return base64.b64decode(b"".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return value


def _identity_sources(domain: str, search: Search) -> tuple[IdentitySource, ...]:
    found = search(
        dn.identity_providers(domain),
        dn.IDENTITY_STORE_CLASS,
        # Named one by one: a read of everything would fetch the source's password.
        (
            dn.CN,
            dn.STORE_NAME,
            dn.STORE_TYPE,
            dn.PROVIDER_TYPE,
            dn.CONNECTION_STRINGS,
            dn.CERTIFICATE,
        ),
        deep=False,
    )
    return tuple(
        IdentitySource(
            name=_text(entry, dn.STORE_NAME) or _name(entry),
            domain_type=_text(entry, dn.STORE_TYPE),
            provider=_text(entry, dn.PROVIDER_TYPE),
            connections=tuple(
                value[:_TEXT_LIMIT].decode(errors="replace")
                for value in entry.values(dn.CONNECTION_STRINGS)
            ),
            certificates=_values(entry, dn.CERTIFICATE),
        )
        for entry in _sorted(found)
    )


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    """The order of entries in a result is not stable (vmdird measured, 4)."""
    return sorted(entries, key=lambda entry: entry.dn.lower())


def _values(entry: Entry, attribute: str) -> tuple[bytes, ...]:
    return tuple(value[:VALUE_LIMIT] for value in entry.values(attribute))


def _text(entry: Entry, attribute: str) -> str:
    values = entry.values(attribute)
    return values[0][:_TEXT_LIMIT].decode(errors="replace") if values else ""


def _name(entry: Entry) -> str:
    rdns = dn.split(entry.dn)
    return rdns[0][1][:_TEXT_LIMIT] if rdns else ""


def _folded(name: str) -> str:
    return repr([(attribute, value.strip().lower()) for attribute, value in dn.split(name)])


def _parent(name: str) -> str:
    return repr([(attribute, value.strip().lower()) for attribute, value in dn.split(name)[1:]])
