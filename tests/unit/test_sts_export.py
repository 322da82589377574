"""Sealing an export: it comes back whole with its passphrase, and not at all otherwise."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sts_material
from stsfix.remediation.directory.sts_export import StsExport, StsMaterial, seal, unseal
from stsfix.remediation.errors_run import ExportError
from stsfix.snapshot.secret import Secret

PASS = Secret("correct horse")
SALT, NONCE = bytes(range(16)), bytes(range(12))
KEY = sts_material.credential("old").key_pkcs8


def export(**changes):
    """Return an export of one node with a credential and a chain."""
    chain = sts_material.credential("old").chain
    entries = (
        StsMaterial(
            kind="credential",
            dn="cn=TenantCredential-1,cn=vsphere.local",
            object_classes=("top", "vmwSTSTenantCredential"),
            cn="TenantCredential-1",
            certificates=chain,
            key=KEY,
        ),
        StsMaterial(
            kind="chain",
            dn="cn=TrustedCertChain-1,cn=TrustedCertificateChains,cn=vsphere.local",
            object_classes=("top", "vmwSTSTenantTrustedCertificateChain"),
            cn="TrustedCertChain-1",
            certificates=chain,
        ),
    )
    given_ = {
        "run": "stsfix-1",
        "domain": "vsphere.local",
        "writer": "vc1.lab.example",
        "created": sts_material.NOW,
        "nodes": {"vc1.lab.example": entries},
    }
    return StsExport(**{**given_, **changes})


SEALED = seal(export(), PASS, salt=SALT, nonce=NONCE)
CHEAP = seal(export(), PASS, salt=SALT, nonce=NONCE, cost=2**10)
"""The same, opened in a millisecond: the judgement of what was opened needs no more."""


def test_it_comes_back_whole():
    """Bytes, order, names and keys are what they were."""
    assert unseal(SEALED, PASS, where="file") == export()
    assert unseal(CHEAP, PASS, where="file") == export()


def test_what_is_sealed_costs_who_guesses():
    """Each guess of the passphrase takes 32 MiB and a third of a second, unless told otherwise."""
    kdf = json.loads(SEALED)["kdf"]

    assert (kdf["n"], kdf["r"], kdf["p"]) == (2**15, 8, 3)


def test_nothing_of_a_key_is_readable():
    """The head tells run and domain; the rest is noise without the passphrase."""
    key = KEY.reveal()

    assert json.loads(SEALED)["run"] == "stsfix-1"
    assert base64.b64encode(key).decode()[40:80] not in SEALED
    assert "PrivateKey" not in SEALED


def test_another_passphrase_opens_nothing():
    """A wrong passphrase is an error of its own, without the passphrase in it."""
    with pytest.raises(ExportError, match="passphrase is wrong") as caught:
        unseal(SEALED, Secret("other words"), where="file")

    assert "other words" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("run", "stsfix-2"), ("domain", "other.local"), ("created", "2020-01-01T00:00:00+00:00")],
)
def test_a_changed_head_is_noticed(name, value):
    """What stands outside the seal is authenticated by it."""
    document = {**json.loads(CHEAP), name: value}

    with pytest.raises(ExportError):
        unseal(json.dumps(document), PASS, where="file")


def test_a_head_that_asks_for_all_memory_is_refused():
    """A forged cost of the key derivation is never paid."""
    document = json.loads(SEALED)
    document["kdf"]["n"] = 2**30

    with pytest.raises(ExportError, match="memory"):
        unseal(json.dumps(document), PASS, where="file")


@settings(max_examples=60)
@given(st.text() | st.binary().map(lambda b: b.decode("latin-1")))
def test_any_other_text_is_an_error_and_no_crash(text):
    """Whatever is in the file, it is told in one sentence."""
    with pytest.raises(ExportError):
        unseal(text, PASS, where="file")


@settings(max_examples=40)
@given(st.data())
def test_a_document_with_a_broken_part_is_an_error(data):
    """Any field of any type in the place of one of ours is refused."""
    document = json.loads(CHEAP)
    name = data.draw(st.sampled_from(sorted(document)))
    document[name] = data.draw(st.none() | st.integers() | st.text() | st.lists(st.integers()))

    with pytest.raises(ExportError):
        unseal(json.dumps(document), PASS, where="file")


@pytest.mark.parametrize("name", ["n", "r", "p"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0, -2, 2.0, True, "2", None, [2]])
def test_a_cost_that_is_no_number_is_damage(name, value):
    """Of two that are negative the product is not; Infinity is JSON to Python."""
    document = json.loads(CHEAP)
    document["kdf"] |= {"n": 2, "r": 1, "p": 1, name: value}

    with pytest.raises(ExportError, match="is damaged"):
        unseal(json.dumps(document), PASS, where="file")
