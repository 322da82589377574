"""What is wrong in a node's stores, its VMCA or its extensions is found, and nothing else is.

Each case spoils one thing of a sound domain of one embedded node, on the node's own disk.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lab_keys import shared_keys
from preflight_lab import wired
from stsfix.lab import pki
from stsfix.lab.disk import NodeFile
from stsfix.lab.lab import Lab
from stsfix.lab.vecs import EntryKind, VecsEntry
from stsfix.remediation.checks_stores import RULES
from stsfix.remediation.discover import Discovery
from stsfix.remediation.preflight import assess

pytestmark = [pytest.mark.lab]

NODE = "vc1.lab.example"
ROOT, KEY = "/var/lib/vmware/vmca/root.cer", "/var/lib/vmware/vmca/privatekey.pem"
USUAL = {"COST-NO-TLS-CHANGE", "COST-SCHEDULED-TASKS", "STS-VALID", "SERVICES-STOPPED"}


class Bench:
    """One lab that is put back to its beginning for each case."""

    def __init__(self, lab, issuer):
        self.lab = lab
        self.saved = lab.checkpoint()
        self.issuer = issuer

    @property
    def disk(self):
        return self.lab.nodes[NODE].disk

    @property
    def root(self):
        return x509.load_pem_x509_certificate(self.disk.files[ROOT].content)

    @property
    def root_key(self):
        return load_pem_private_key(self.disk.files[KEY].content, None)

    def spoiled(self, how):
        """Return severity and id of everything unusual that a look finds after *how*."""
        self.lab.restore(self.saved)
        how(self)
        with wired(self.lab) as wiring:
            sts = replace(wiring.settings.sts, issuer=self.issuer)
            wiring.settings = replace(wiring.settings, sts=sts)
            found = assess(Discovery(wiring.sources).discover())
        return {f"{f.severity} {f.id}" for f in found if f.id not in USUAL}

    def leaf(self, days, name="spoiled"):
        """Return a certificate of the node's VMCA with its key, as PEM."""
        key = pki.new_key()
        made = pki.vmca_leaf(
            key,
            issuer=self.root,
            issuer_key=self.root_key,
            common_name=name,
            not_before=pki.days_from_now(-800),
            not_after=pki.days_from_now(days),
            names=[NODE],
        )
        return pki.key_pair(key, [made])

    def put(self, store, days, alias=""):
        """Let *store* hold a certificate that ends *days* from now, under its only alias."""
        vecs = self.disk.vecs
        vecs.create(store)
        [*known] = [e.alias for e in vecs.entries(store)]
        pair = self.leaf(days)
        entry = VecsEntry(
            alias=alias or (known[0] if known else store),
            kind=EntryKind.PRIVATE_KEY,
            certificates=pair.certificates_pem,
            key=pair.key_pem,
        )
        vecs.put(store, entry)

    def write(self, path, content):
        """Replace a file of the node."""
        self.disk.files[path] = NodeFile(content=content, mode=0o600)

    def stop(self, name):
        """Stop a service of the node."""
        board = self.lab.nodes[NODE].board
        board.stop(board.find(name))


@pytest.fixture(scope="module", params=["vmca", "own-ca"])
def bench(request):
    """One lab whose operator lets VMCA sign, and one who does not."""
    with Lab.build("embedded", "healthy", speed=2000, keys=shared_keys()) as lab:
        yield Bench(lab, request.param)


def other_root(bench):
    """Give VMCA's files another root and key than vmcad holds."""
    key = pki.new_key()
    root = pki.vmca_root(
        key,
        domain="vsphere.local",
        host=NODE,
        not_before=pki.days_from_now(-10),
        not_after=pki.days_from_now(3000),
    )
    bench.write(ROOT, pki.pem(root))
    bench.write(KEY, pki.key_pair(key, [root]).key_pem)


def other_key(bench):
    """Leave a replacement of the root half done."""
    pair = pki.key_pair(pki.new_key(), [])
    bench.write(KEY, pair.key_pem)


def short_root(bench):
    """Let VMCA have a root of the same key that ends in four years."""
    root = pki.vmca_root(
        bench.root_key,
        domain="vsphere.local",
        host=NODE,
        not_before=pki.days_from_now(-10),
        not_after=pki.days_from_now(1400),
    )
    bench.write(ROOT, pki.pem(root))
    bench.stop("vmcad")
    board = bench.lab.nodes[NODE].board
    assert board.start(board.find("vmcad"))


def lost_extension(bench):
    """Let an extension be known by a certificate that is gone."""
    known = bench.disk.extensions["com.vmware.vim.eam"]
    bench.disk.extensions["com.vmware.vim.eam"] = replace(known, thumbprint=":".join(["AB"] * 20))


SPOILED = {
    "nothing": (lambda _: None, set(), set()),
    "vmcad-down": (lambda b: b.stop("vmcad"), {"blocks VMCA-DOWN"}, {"warns VMCA-DOWN"}),
    "root-missing": (
        lambda b: b.disk.files.pop(ROOT),
        {"blocks VMCA-UNREAD"},
        {"informs VMCA-UNREAD"},
    ),
    "root-broken": (
        lambda b: b.write(ROOT, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        {"blocks VMCA-UNREAD"},
        {"informs VMCA-UNREAD"},
    ),
    "root-not-reloaded": (
        other_root,
        {"blocks VMCA-ROOT-DIFFERS", "informs VMCA-ROOT-UNLISTED"},
        {"warns VMCA-ROOT-DIFFERS", "informs VMCA-ROOT-UNLISTED"},
    ),
    "key-of-another": (other_key, {"blocks VMCA-KEY"}, {"warns VMCA-KEY"}),
    "root-short": (
        short_root,
        {"warns VMCA-ROOT-SHORT", "informs VMCA-ROOT-UNLISTED"},
        {"informs VMCA-ROOT-UNLISTED"},
    ),
    "machine-store": (
        lambda b: b.put("MACHINE_SSL_CERT", -1),
        {"blocks CERT-MACHINE-EXPIRED", "warns CERT-STORE-SHOWN", "warns EXTENSION-THUMBPRINT"},
        None,
    ),
    "solution-differs": (
        lambda b: b.put("vpxd", 300),
        {"warns CERT-SOLUTION-DIFFERS"},
        None,
    ),
    "solution-expired": (
        lambda b: b.put("vpxd", -1),
        {"warns CERT-SOLUTION-DIFFERS", "blocks CERT-SOLUTION-EXPIRED"},
        None,
    ),
    "data-encipherment": (
        lambda b: b.put("data-encipherment", -1),
        {"warns CERT-ENCIPHERMENT-EXPIRED"},
        None,
    ),
    "sms": (lambda b: b.put("SMS", -1), {"warns CERT-SMS-EXPIRED"}, None),
    "backup": (
        lambda b: b.put("BACKUP_STORE", -1, alias="bkp___MACHINE_CERT"),
        {"informs CERT-STORE-EXPIRED"},
        None,
    ),
    "extension-lost": (lost_extension, {"warns EXTENSION-THUMBPRINT"}, None),
    "vpostgres-down": (
        lambda b: b.stop("vmware-vpostgres"),
        {"informs CERT-NOT-CHECKED"},
        None,
    ),
}
"""What is spoiled, and what is found where VMCA is to sign, and where not (None: the same)."""


UNIT_ONLY = {
    "VMCA-NO-CERTOOL": "every node of the lab has one",
    "TRUST-STORE-LACKS": "vmafd of the lab copies roots at once",
}
"""Shown in tests/unit/test_checks_stores.py only."""


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_spoiled_is_found(bench, name):
    """Severities and ids, and no others."""
    how, with_vmca, without = SPOILED[name]
    expected = with_vmca if bench.issuer == "vmca" or without is None else without

    assert bench.spoiled(how) == expected


def test_every_rule_is_shown():
    """Nothing is looked for here that nobody ever saw found."""
    shown = {
        row.split(" ")[1] for _, one, other in SPOILED.values() for row in one | (other or set())
    }

    assert {rule.id for rule in RULES} - shown == set(UNIT_ONLY)
