"""Inventories that no reader would make: any text, any bytes as certificates, any date."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import strategies as st

from reports import finding, host_of, vm_of
from sts_material import leaf, root
from stsfix.lab import pki
from stsfix.remediation.inventory import Inventory, Location, NodeInventory, Problem
from stsfix.remediation.inventory_certificates import (
    ChainOwner,
    DirectoryCertificates,
    IdentitySource,
    LookupEndpoint,
    LookupRegistration,
    NodeCertificates,
    PublishedKey,
    ShownCertificate,
    SolutionUser,
    TrustedChain,
    TrustedRoot,
    UnreadPart,
)
from stsfix.remediation.model import (
    DirServer,
    ReplicationStatus,
    Role,
    RootDse,
    Severity,
    StsEntries,
    StsEntry,
    Topology,
)
from stsfix.remediation.nodes import node_facts
from stsfix.remediation.nodes.extensions import Extension
from stsfix.remediation.pki.authority import Authority, Unknown
from stsfix.remediation.pki.vecs import EntryKind, NodeStores, StoreEntry
from stsfix.snapshot.model import SnapshotRef

ANY_TEXT = st.text(max_size=30)
"""Every code point there is, lone surrogates and controls included."""

_MOMENTS = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 - the strategy adds the zone itself
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001 - same
    timezones=st.just(UTC),
)
_CHAINS = st.lists(
    st.one_of(st.binary(max_size=40), st.sampled_from([pki.der(root()), pki.der(leaf())])),
    max_size=3,
).map(tuple)
_ENTRIES = st.builds(
    StsEntry,
    kind=st.sampled_from(["credential", "chain"]),
    dn=st.text(st.characters(codec="utf-8"), max_size=30).map(lambda text: f"cn=x{text}"),
    index=st.none() | st.integers(),
    chain=_CHAINS,
    object_guid=ANY_TEXT,
    usn=st.integers(),
    key_matches=st.none() | st.booleans(),
)
_VMS = st.builds(
    lambda name, host, taken, text: replace(
        vm_of(name, host),
        snapshots=(
            SnapshotRef(
                vm=vm_of(name, host).vm,
                moref=text,
                name=text,
                description=text,
                created=taken,
                taken_off=False,
            ),
        ),
        question=text,
    ),
    ANY_TEXT,
    ANY_TEXT,
    _MOMENTS,
    ANY_TEXT,
)
_DER = st.binary(max_size=40) | st.sampled_from([pki.der(root()), pki.der(leaf())])
_SHOWN = st.builds(
    NodeCertificates,
    shown=st.lists(
        st.builds(ShownCertificate, port=st.sampled_from(["https", "ldaps", "vami"]), leaf=_DER),
        max_size=3,
    ).map(tuple),
    published=st.none() | _DER,
    keys=st.lists(
        st.builds(PublishedKey, modulus=ANY_TEXT, exponent=st.integers(), leaf=st.none() | _DER),
        max_size=2,
    ).map(tuple),
    unread=st.lists(st.builds(UnreadPart, what=ANY_TEXT, reason=ANY_TEXT), max_size=2).map(tuple),
)
_HELD = st.builds(
    DirectoryCertificates,
    node=ANY_TEXT,
    solution_users=st.lists(
        st.builds(SolutionUser, name=ANY_TEXT, subject=ANY_TEXT, certificates=_CHAINS), max_size=2
    ).map(tuple),
    roots=st.lists(
        st.builds(
            TrustedRoot,
            name=ANY_TEXT,
            subject=ANY_TEXT,
            certificates=_CHAINS,
            crl_count=st.integers(),
            crl_bytes=st.integers(),
        ),
        max_size=2,
    ).map(tuple),
    chains=st.lists(
        st.builds(TrustedChain, dn=ANY_TEXT, owner=st.sampled_from(ChainOwner), chain=_CHAINS),
        max_size=2,
    ).map(tuple),
    registrations=st.lists(
        st.builds(
            LookupRegistration,
            name=ANY_TEXT,
            kind=ANY_TEXT,
            product=ANY_TEXT,
            endpoints=st.lists(
                st.builds(LookupEndpoint, uri=ANY_TEXT, trust=_CHAINS), max_size=2
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    identity_sources=st.lists(
        st.builds(
            IdentitySource,
            name=ANY_TEXT,
            domain_type=ANY_TEXT,
            provider=ANY_TEXT,
            connections=st.lists(ANY_TEXT, max_size=2).map(tuple),
            certificates=_CHAINS,
        ),
        max_size=2,
    ).map(tuple),
)
_GUESTS = st.text(max_size=300).map(node_facts.parse)
_UNREAD = st.builds(node_facts.Unread, reason=ANY_TEXT)
_STORES = st.builds(
    NodeStores,
    stores=st.lists(ANY_TEXT, max_size=3).map(tuple),
    entries=st.lists(
        st.builds(
            StoreEntry,
            store=st.sampled_from(["MACHINE_SSL_CERT", "TRUSTED_ROOTS", "vpxd", "SMS"]) | ANY_TEXT,
            alias=st.just("__MACHINE_CERT") | ANY_TEXT,
            kind=st.sampled_from(EntryKind),
            certificates=_CHAINS,
            lists=st.lists(st.binary(max_size=20), max_size=2).map(tuple),
        ),
        max_size=4,
    ).map(tuple),
    unread=st.lists(st.builds(UnreadPart, what=ANY_TEXT, reason=ANY_TEXT), max_size=2).map(tuple),
)
_FACT = st.booleans() | st.builds(Unknown, reason=ANY_TEXT)
_TOOLS = st.fixed_dictionaries(
    {
        "stores": _UNREAD | _STORES,
        "authority": _UNREAD
        | st.builds(
            Authority,
            node=ANY_TEXT,
            chain=_CHAINS,
            unread=ANY_TEXT,
            certool=_FACT,
            serves=_FACT,
            serves_root=_FACT,
            key_matches=_FACT,
        ),
        "extensions": _UNREAD
        | st.lists(
            st.builds(Extension, key=ANY_TEXT, thumbprint=st.sampled_from(["", "ab" * 20])),
            max_size=2,
        ).map(tuple),
    }
)
_NODES = st.builds(
    lambda fqdn, role, sts, vm, dse, replication, shown, facts, tools: NodeInventory(
        fqdn=fqdn,
        role=role,
        root_dse=dse,
        sts=sts,
        vm=vm,
        replication=replication,
        location=Location(live=(vm.summary,) if vm else ()),
        certificates=shown,
        facts=facts,
        **tools,
    ),
    ANY_TEXT,
    st.sampled_from(Role),
    st.none()
    | st.builds(
        StsEntries,
        node=ANY_TEXT,
        credentials=st.lists(_ENTRIES, max_size=3).map(tuple),
        chains=st.lists(_ENTRIES, max_size=3).map(tuple),
    ),
    st.none() | _VMS,
    st.none()
    | st.builds(
        RootDse,
        domain_dn=ANY_TEXT,
        admin_dn=ANY_TEXT,
        server_dn=ANY_TEXT,
        site=ANY_TEXT,
        version=ANY_TEXT,
        functional_level=st.none() | st.integers(),
    ),
    st.none()
    | st.builds(
        ReplicationStatus,
        server=ANY_TEXT,
        usn=st.integers(),
        invocation_id=ANY_TEXT,
        up_to_date=st.none() | st.dictionaries(ANY_TEXT, st.integers(), max_size=3),
    ),
    _SHOWN,
    _GUESTS,
    _TOOLS,
)
_TOPOLOGIES = st.builds(
    Topology,
    domain=ANY_TEXT,
    controllers=st.lists(ANY_TEXT, max_size=3).map(tuple),
    computers=st.lists(ANY_TEXT, max_size=3).map(tuple),
    servers=st.lists(
        st.builds(
            DirServer,
            name=ANY_TEXT,
            site=ANY_TEXT,
            invocation_id=ANY_TEXT,
            partners=st.lists(ANY_TEXT, max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)
INVENTORIES = st.builds(
    Inventory,
    domain=ANY_TEXT,
    taken=_MOMENTS,
    nodes=st.lists(_NODES, max_size=3).map(tuple),
    hosts=st.lists(
        st.builds(
            lambda name, skew, vms: replace(host_of(name, vms), clock_skew=skew),
            ANY_TEXT,
            st.none() | st.timedeltas(),
            st.lists(_VMS, max_size=3),
        ),
        max_size=3,
    ).map(tuple),
    topology=st.none() | _TOPOLOGIES,
    stalled=st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=2).map(tuple),
    at_rest=st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=2).map(tuple),
    certificates=st.none() | _HELD,
    issuer=st.sampled_from(["vmca", "own-ca", "files"]),
    problems=st.lists(
        st.builds(Problem, subject=ANY_TEXT, error=ANY_TEXT, text=ANY_TEXT), max_size=3
    ).map(tuple),
)
"""Inventories that no reader would make: any text, any bytes as certificates, any date."""

FINDINGS = st.lists(
    st.builds(
        finding,
        st.sampled_from(["HOST-CLOCK", "STS-EXPIRED", "SNAP-NO-SPACE"]),
        st.sampled_from(Severity),
        ANY_TEXT,
        evidence=ANY_TEXT,
        advice=ANY_TEXT,
    ),
    max_size=5,
)
