"""Lists of certificate stores are understood whole or not at all."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from sts_material import key, leaf, root
from stsfix.lab import pki
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes.sections import end_of, mark
from stsfix.remediation.pki import vecs, vecs_writing
from stsfix.remediation.pki.vecs import EntryKind, NodeStores
from stsfix.remediation.pki.vecs_writing import NewEntry, Tools
from stsfix.snapshot.secret import Secret

N = "0123abcd"
CRL = "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n"


def pem(certificate=None):
    """Return a certificate as vecs-cli prints it."""
    return (certificate or leaf()).public_bytes(Encoding.PEM).decode()


def listing(*entries, count=None):
    """Return what vecs-cli prints for one store (cli.c L216-285)."""
    text = f"Number of entries in store :\t{len(entries) if count is None else count}\n"
    for alias, kind, body in entries:
        text += f"Alias :\t{alias}\nEntry type :\t{kind}\nCertificate :\t{body}\n\n"
    return text


def answer(*stores, code="0", names=None):
    """Return the output of `vecs.script` for *stores*, called s0, s1 and so on."""
    names = names or [f"s{number}" for number in range(len(stores))]
    text = f"{mark(N, 'stores')}\n" + "\n".join(names) + f"\n{mark(N, 'code')}\n0\n"
    for name, store in zip(names, stores, strict=True):
        text += f"{mark(N, f'store-{name}')}\n{store}\n{mark(N, f'code-{name}')}\n{code}\n"
    return text + f"{end_of(N)}\n"


def parse(*stores, **how) -> NodeStores:
    """Return what the lists of *stores* say."""
    return vecs.parse(answer(*stores, **how), N)


def test_entries_of_every_kind_are_read():
    """Alias, kind, certificates with their chain, and revocation lists."""
    seen = parse(
        listing(
            ("__MACHINE_CERT", "Private Key", pem() + pem(root())),
            ("a b", "Trusted Cert", pem(root())),
        ),
        listing(("crl", "Certification Revocation List", CRL)),
        listing(("pw", "Secret Key", ""), ("new", "Quantum Key", pem())),
    )

    assert [(e.alias, e.kind, len(e.certificates), len(e.lists)) for e in seen.entries] == [
        ("__MACHINE_CERT", EntryKind.PRIVATE_KEY, 2, 0),
        ("a b", EntryKind.TRUSTED, 1, 0),
        ("crl", EntryKind.REVOCATION_LIST, 0, 1),
        ("pw", EntryKind.SECRET_KEY, 0, 0),
        ("new", EntryKind.UNKNOWN, 1, 0),
    ]
    assert seen.unread == ()
    assert seen.entry("s0", "a b") is seen.entries[1]
    assert seen.entry("s0", "none") is None


def test_empty_store_is_read():
    """A store without entries is known to be empty."""
    assert parse(listing()).stores == ("s0",)


def test_what_is_no_certificate_is_kept():
    """Bytes that are no PEM are not hidden."""
    seen = parse(listing(("x", "Trusted Cert", "rubbish")))

    assert seen.entries[0].certificates == (b"rubbish",)


@pytest.mark.parametrize(
    "store",
    [
        listing(("a", "Trusted Cert", pem()), count=2),
        listing(("a\nAlias :\tb\nEntry type :\tPrivate Key\nCertificate :\tx", "Trusted Cert", "")),
        listing(("a\nEntry type :\tPrivate Key\nCertificate :\t" + pem(), "Trusted Cert", pem())),
        "Number of entries in store :\t1\n" + listing(("a", "Trusted Cert", pem())),
        listing(("a", "Trusted Cert", pem())).replace("Entry type", "Entry kind"),
        listing(("a", "Trusted Cert", pem())).replace("Number of", "No of"),
        "",
    ],
    ids=["fewer", "alias-is-entry", "alias-is-type", "counts", "no-type", "no-count", "nothing"],
)
def test_list_that_is_not_whole_is_unread(store):
    """No entry of such a store is believed; the store beside it is."""
    seen = parse(store, listing(("ok", "Trusted Cert", pem())))

    assert [e.alias for e in seen.entries] == ["ok"]
    assert [part.what for part in seen.unread] == ["store s0"]


def test_failed_command_tells_what_it_said():
    """vecs-cli's own words are the reason."""
    seen = parse("vecs-cli failed. Error 4312: not found", code="216")

    assert seen.unread == (
        UnreadPart(
            what="store s0", reason="the node said 'vecs-cli failed. Error 4312: not found'"
        ),
    )


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=3))
def test_truncated_output_cannot_mislead(cut, stores):
    """However much is cut off, what is told is there, whole, and what is not told is unread."""
    whole = answer(
        *(
            listing((f"a{n}", "Private Key", pem()), ("b", "Trusted Cert", pem(root())))
            for n in range(stores)
        )
    )
    everything = vecs.parse(whole, N)

    seen = vecs.parse(whole[: cut % (len(whole) + 1)], N)

    assert set(seen.entries) <= set(everything.entries)
    assert len(seen.entries) == 2 * len(seen.stores)
    unread = {part.what.removeprefix("store ") for part in seen.unread}
    if seen.stores:
        assert set(seen.stores) | unread == set(everything.stores)
    else:
        assert unread


@given(st.text(), st.text())
def test_hostile_alias_cannot_add_an_entry(alias, before):
    """Whatever stands in an alias or before the list, no entry and no certificate appears."""
    seen = parse(before + "\n" + listing((alias, "Trusted Cert", pem())))

    assert len(seen.entries) <= 1
    for entry in seen.entries:
        assert entry.certificates == (leaf().public_bytes(Encoding.DER),)
        assert entry.kind is EntryKind.TRUSTED


@given(st.text())
def test_any_text_is_some_answer(text):
    """Nothing raises, and nothing is made up."""
    seen = vecs.parse(text, N)

    assert seen.entries == ()
    assert [part.what for part in seen.unread] == ["its certificate stores"]


@pytest.mark.parametrize(
    ("text", "code"),
    [("No stores found", "0"), ("vpxd", "216"), ("", "0"), ("a;rm -rf /", "0"), ("$(x)", "0")],
    ids=["none", "failed", "empty", "command", "substitution"],
)
def test_odd_list_of_stores_is_unread(text, code):
    """What is no list of stores is not taken for one."""
    output = f"{mark(N, 'stores')}\n{text}\n{mark(N, 'code')}\n{code}\n{end_of(N)}\n"

    assert [part.what for part in vecs.parse(output, N).unread] == ["its certificate stores"]


def test_no_script_holds_a_key_in_a_here_document():
    """Bash would write it into a file in $TMPDIR, too (`test_what_is_put_is_in_no_other_file`)."""
    secret = Secret(pki.pkcs8(key("vecs")))
    chain = (pki.der(leaf()), pki.der(root()))
    entry = NewEntry(store="S", alias="a", chain=chain, key_pkcs8=secret)

    for script in (
        vecs_writing.replace_script(entry, N, Tools()).reveal(),
        vecs_writing.root_script(pki.der(root()), secret, N, Tools()).reveal(),
    ):
        assert "PRIVATE KEY" in script
        assert "<<" not in script
