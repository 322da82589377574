"""What nodes' own tools told, in the JSON document and in the page: stores, VMCA, extensions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from reports import domain, report, validator
from sts_material import NODE, days, key, root
from stsfix.lab import pki
from stsfix.plugin.documents.preflight import preflight_document
from stsfix.plugin.output import json_document
from stsfix.plugin.page.preflight import preflight_page
from stsfix.plugin.page.tools import tools_table
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes.extensions import Extension, thumbprint
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.authority import Authority, Unknown
from stsfix.remediation.pki.vecs import EntryKind, NodeStores, StoreEntry

ROOT = pki.der(root())
GONE = "ab" * 20


def leaf(end):
    """Return a machine certificate, DER."""
    made = pki.vmca_leaf(
        key("tools"),
        issuer=root(),
        issuer_key=key("root"),
        common_name=NODE,
        not_before=days(-800),
        not_after=days(end),
        names=[NODE],
    )
    return pki.der(made)


MACHINE, ENDED = leaf(300), leaf(-1)
STORES = NodeStores(
    stores=("MACHINE_SSL_CERT", "vpxd", "BACKUP_STORE"),
    entries=(
        StoreEntry(
            store="MACHINE_SSL_CERT",
            alias="__MACHINE_CERT",
            kind=EntryKind.PRIVATE_KEY,
            certificates=(MACHINE, ROOT),
        ),
        StoreEntry(
            store="vpxd", alias="vpxd", kind=EntryKind.PRIVATE_KEY, certificates=(ENDED, b"noise")
        ),
    ),
    unread=(UnreadPart(what="store SMS", reason="it was cut off"),),
)
VMCA = Authority(
    node=NODE,
    chain=(ROOT,),
    certool=True,
    serves=False,
    serves_root=Unknown(reason="it does not answer"),
    key_matches=True,
)
EXTENSIONS = (
    Extension(key="com.vmware.vim.eam", thumbprint=thumbprint(ENDED)),
    Extension(key="com.example.other", thumbprint=GONE),
    Extension(key="com.example.web", thumbprint=""),
)


def told(**changes):
    """Return a report of a domain whose first node's tools told everything, but for *changes*."""
    inventory = domain(1)
    (node,) = inventory.nodes
    known: dict[str, Any] = {
        "stores": STORES,
        "authority": VMCA,
        "extensions": EXTENSIONS,
    } | changes
    return report(replace(inventory, nodes=(replace(node, **known),)))


def first(made):
    """Return the first node of the document, which is by the schema, and all certificates."""
    found = json.loads(json_document(preflight_document(made)))
    assert list(validator().iter_errors(found)) == []
    return found["nodes"][0], found["certificates"]


def test_stores_vmca_and_extensions_are_in_the_document():
    """Entries name their certificates, which are all described; an empty store is there, too."""
    node, certificates = first(told())

    assert [(s["store"], [e["alias"] for e in s["entries"]]) for s in node["stores"]] == [
        ("MACHINE_SSL_CERT", ["__MACHINE_CERT"]),
        ("vpxd", ["vpxd"]),
        ("BACKUP_STORE", []),
    ]
    entries = [entry for store in node["stores"] for entry in store["entries"]]
    assert all(sha256 in certificates for entry in entries for sha256 in entry["certificates"])
    assert [entry["holds_key"] for entry in entries] == [True, True]
    assert (node["vmca"]["serves"], node["vmca"]["serves_root"]) == (False, None)
    assert all(sha256 in certificates for sha256 in node["vmca"]["chain"])
    assert [(e["sha1"], e["known"], e["stores"]) for e in node["extensions"]] == [
        (thumbprint(ENDED), "known", ["vpxd"]),
        (GONE, "unknown", []),
        (None, "none", []),
    ]


def test_what_was_not_told_has_its_reason():
    """Parts of what was read, and what was not read at all."""
    partly, _ = first(told())
    blind = Unread(reason="no command runs there")
    silent, _ = first(told(stores=blind, authority=blind, extensions=blind))

    assert {"what": "stores: store SMS", "reason": "it was cut off"} in partly["unread"]
    assert {"what": "vmca.serves_root", "reason": "it does not answer"} in partly["unread"]
    assert [silent[name] for name in ("stores", "vmca", "extensions")] == [None, None, None]
    assert {part["what"] for part in silent["unread"] if part["reason"] == blind.reason} >= {
        "stores",
        "vmca",
        "extensions",
    }


@pytest.mark.parametrize(
    "words",
    [
        "3 stores, 4 certificates, 1 expired, 1 broken",
        "does NOT answer; its key matches",
        "1 known by a certificate of this node, 1 known by NO certificate of this node",
        "stores: store SMS; vmca.serves_root",
    ],
)
def test_the_page_has_them_in_a_row(words):
    """Numbers and what is wrong; details are in the findings."""
    assert words in preflight_page(told())


def test_without_any_of_them_there_is_no_table():
    """A domain whose nodes run no command for us has nothing to show here."""
    blind = Unread(reason="no command runs there")

    assert tools_table(told(stores=blind, authority=blind, extensions=blind).inventory) is None
