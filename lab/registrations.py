"""The lookup service: registrations of a domain's services, and what they say is to be trusted."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stsfix.lab.vmdir.spec import Endpoint, Registration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stsfix.lab.vmdir.store import DirectoryStore, Entry

_CLASS = b"vmwlkupendpointregistration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """An endpoint of a registration. *trusted* are certificates (DER)."""

    dn: str
    host: str
    uri: str
    trusted: tuple[bytes, ...]


def anchors(store: DirectoryStore) -> list[Anchor]:
    """Return all endpoints."""
    with store.lock:
        found = [e for e in store.below("") if not e.last_dn and e.has_class(_CLASS)]
    return [_anchor(entry) for entry in found]


def _anchor(entry: Entry) -> Anchor:
    uri = entry.attributes["vmwLKUPURI"][0].decode("utf-8", "replace")
    return Anchor(
        dn=entry.dn,
        host=(urlsplit(uri).hostname or "").lower(),
        uri=uri,
        trusted=tuple(_decoded(entry)),
    )


def _decoded(entry: Entry) -> Iterator[bytes]:
    for value in entry.attributes.get("vmwLKUPEndpointSslTrust", []):
        try:
            yield base64.b64decode(value)
        except binascii.Error:
            continue


def sts_registration(domain: str, fqdn: str, node_id: str, leaf: bytes) -> Registration:
    """Return what a controller registers for its STS."""
    return Registration(
        service_id=f"{domain}:{node_id}",
        type="cs.identity",
        product="com.vmware.cis",
        owner=f"machine-{node_id}@{domain}",
        node_id=node_id,
        endpoints=(
            Endpoint(
                type="com.vmware.cis.cs.identity.sso",
                protocol="wsTrust",
                uri=f"https://{fqdn}/sts/STSService/{domain}",
                ssl_trust=(leaf,),
            ),
        ),
    )


def vcenter_registration(domain: str, fqdn: str, node_id: str, leaf: bytes) -> Registration:
    """Return what a vCenter registers for vpxd."""
    return Registration(
        service_id=f"{domain}:{node_id}-vcenterserver",
        type="vcenterserver",
        product="com.vmware.cis",
        owner=f"vpxd-{node_id}@{domain}",
        node_id=node_id,
        endpoints=(
            Endpoint(
                type="com.vmware.vim",
                protocol="vmomi",
                uri=f"https://{fqdn}:443/sdk",
                ssl_trust=(leaf,),
            ),
        ),
    )
