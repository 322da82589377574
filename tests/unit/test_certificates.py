"""Parsing, classes of expiry and checks of certificates, chains and keys."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from sts_material import NOW, credential, days, key, leaf, root
from stsfix.lab import pki
from stsfix.remediation.pki import certificate_chains, certificates
from stsfix.remediation.pki.certificates import Certificate, Expiry, Malformed
from stsfix.remediation.ports import IssuedCredential
from stsfix.snapshot.secret import Secret

LEAF, ROOT = pki.der(leaf()), pki.der(root())


def _signed(  # every way in which a certificate can be wrong
    subject_key,
    *,
    subject="S",
    issuer="I",
    by="root",
    algorithm=None,
    ca=None,
    path_length=None,
    usage=None,
    issuer_name=None,
):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    above = issuer_name or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(above)
        .public_key(subject_key.public_key())
        .serial_number(7)
        .not_valid_before(days(-10))
        .not_valid_after(days(100))
    )
    if ca is not None:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=ca, path_length=path_length), critical=True
        )
    if usage is not None:
        builder = builder.add_extension(pki.key_usage(*usage), critical=True)
    return builder.sign(key(by), algorithm or hashes.SHA256())


def test_parse_reads_what_a_vmca_leaf_says():
    """Names, dates, key size and the fingerprint come out of the DER."""
    found = certificates.parse(LEAF)

    assert isinstance(found, Certificate)
    assert found.subject == "CN=ssoserverSign"
    assert (found.not_before, found.not_after) == (days(-1), days(700))
    assert (found.rsa_bits, found.signature_hash, found.authority) == (2048, "sha256", None)
    assert found.sha256 == pki.sha256(leaf())
    assert not found.self_issued


def test_parse_reads_what_a_vmca_root_says():
    """A root is a self-issued CA that may sign certificates."""
    found = certificates.parse(ROOT)

    assert isinstance(found, Certificate)
    assert (found.authority, found.signs_certificates, found.self_issued) == (True, True, True)
    ski = root().extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert found.key_id == ski.digest.hex().upper()


@given(st.binary(max_size=400))
def test_parse_never_fails_on_garbage(garbage):
    """Any bytes give a value, and a key is never said to match them."""
    found = certificates.parse(garbage)

    assert isinstance(found, Malformed)
    assert not certificates.key_matches(garbage, garbage)
    assert certificate_chains.check_chain([garbage, garbage], NOW)


# cryptography warns of a serial number that is not positive and of names that are too long; here
# warnings are errors.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")
@settings(max_examples=300)
@given(st.integers(0, len(LEAF) - 1), st.integers(0, 255), st.integers(0, 30))
def test_damaged_certificate_never_passes(position, value, cut):
    """A leaf with one byte changed or its end cut is malformed or breaks the chain."""
    damaged = LEAF[:position] + bytes([value]) + LEAF[position + 1 :]
    damaged = damaged[: len(damaged) - cut]
    if damaged == LEAF:
        return

    problems = certificate_chains.check_chain([damaged, ROOT], NOW)

    assert problems


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (days(-1) - timedelta(seconds=1), Expiry.NOT_YET_VALID),
        (days(-1), Expiry.VALID),
        (days(670), Expiry.VALID),
        (days(670) + timedelta(seconds=1), Expiry.EXPIRING),
        (days(700), Expiry.EXPIRING),
        (days(700) + timedelta(seconds=1), Expiry.EXPIRED),
    ],
    ids=["before", "first", "last-calm", "soon", "last", "after"],
)
def test_class_of_expiry(moment, expected):
    """Both ends of the validity are valid, as for the STS; the last 30 days are a warning."""
    found = certificates.parse(LEAF)

    assert isinstance(found, Certificate)
    assert certificates.classify(found, moment, timedelta(days=30)) is expected


def test_sound_credential_has_no_problems():
    """Leaf, root and key as VMCA makes them pass every check."""
    assert certificate_chains.check_credential(credential(), NOW) == ()


@pytest.mark.parametrize(
    ("chain", "says"),
    [
        ([], "0 distinct certificates"),
        ([LEAF], "1 distinct certificates"),
        ([LEAF, LEAF], "1 distinct certificates"),
        ([LEAF, ROOT, ROOT], "twice"),
        ([ROOT, LEAF], "not a CA certificate"),
        ([LEAF, pki.der(root("other"))], "is not issued by"),
        ([pki.der(leaf(end=-0.5)), ROOT], "expired at"),
        ([pki.der(leaf(start=1)), ROOT], "not valid before"),
        ([LEAF, pki.der(root(end=-1))], "expired at"),
        ([pki.der(leaf("short", bits=1024)), ROOT], "only 1024 bits"),
        ([LEAF, b"\x30\x00"], "malformed"),
    ],
    ids=[
        "empty",
        "leaf-only",
        "leaf-twice",
        "root-twice",
        "wrong-order",
        "foreign-root",
        "expired",
        "not-yet",
        "expired-root",
        "short-key",
        "malformed",
    ],
)
def test_wrong_chain_is_named(chain, says):
    """Each way in which a chain can be wrong is said in a sentence."""
    assert any(says in problem for problem in certificate_chains.check_chain(chain, NOW))


def test_chain_that_ends_below_the_root_is_named():
    """The last certificate must be self-signed."""
    middle = _signed(key("middle"), issuer_name=root().subject, ca=True)
    below = _signed(key("leaf"), by="middle", issuer="S")

    problems = certificate_chains.check_chain([pki.der(below), pki.der(middle)], NOW)

    assert problems == ("the last certificate CN=S is not a self-signed root",)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ca": False}, "not a CA certificate"),
        ({}, "not a CA certificate"),
        ({"ca": True, "usage": ["digital_signature"]}, "must not sign certificates"),
        ({"ca": True}, None),
        ({"ca": True, "path_length": 0}, None),
    ],
    ids=["ca-false", "no-constraints", "usage", "sound", "path-length-0"],
)
def test_intermediate_must_be_a_ca(options, says):
    """A certificate between leaf and root must be allowed to sign certificates."""
    middle = _signed(key("middle"), issuer_name=root().subject, **options)
    below = _signed(key("leaf"), by="middle", issuer="S", subject="L")

    problems = certificate_chains.check_chain([pki.der(below), pki.der(middle), ROOT], NOW)

    assert len(problems) == (0 if says is None else 1)
    assert all(says in problem for problem in problems)


def test_path_length_of_a_root_counts_authorities_below():
    """A root that allows no CA below it cannot stand above an intermediate."""
    top = _signed(key("top"), subject="T", issuer="T", by="top", ca=True, path_length=0)
    middle = _signed(key("middle"), issuer="T", by="top", ca=True)
    below = _signed(key("leaf"), by="middle", issuer="S", subject="L")

    problems = certificate_chains.check_chain([pki.der(c) for c in (below, middle, top)], NOW)

    assert problems == ("CN=T allows 0 CA certificates below, not 1",)


def test_key_that_is_not_rsa_is_named():
    """A key that is not RSA is refused, and no key matches it."""
    curve = ec.generate_private_key(ec.SECP256R1())
    on_curve = pki.der(_signed(curve, issuer_name=root().subject, subject="E"))

    problems = certificate_chains.check_chain([on_curve, ROOT], NOW)

    assert problems == ("CN=E has no RSA key",)
    assert not certificates.key_matches(pki.pkcs8(key("leaf")), on_curve)


def test_weak_hash_is_named_except_on_a_root():
    """A leaf signed with less than SHA-256 is refused; a root's own signature does not matter."""
    weak = hashes.SHA224()
    top = _signed(key("top"), subject="T", issuer="T", by="top", ca=True, algorithm=weak)
    below = _signed(key("leaf"), by="top", issuer="T", subject="L", algorithm=weak)

    problems = certificate_chains.check_chain([pki.der(below), pki.der(top)], NOW)

    assert problems == ("CN=L is signed with sha224",)


def test_empty_credential_is_named():
    """No chain at all is a problem, not a crash."""
    issued = IssuedCredential(chain=(), key_pkcs8=Secret(b""))

    assert certificate_chains.check_credential(issued, NOW)


def test_malformed_authority_is_named():
    """Bytes that are no certificate are no CA."""
    assert certificate_chains.check_authorities([b"x"], NOW)
    assert certificate_chains.check_authorities([ROOT], NOW) == ()


def test_key_that_is_not_the_leafs_is_named():
    """A key of another leaf does not pass."""
    mixed = IssuedCredential(chain=credential().chain, key_pkcs8=Secret(pki.pkcs8(key("another"))))

    problems = certificate_chains.check_credential(mixed, NOW)

    assert problems == ("the key is not an unencrypted PKCS#8 RSA key of the leaf",)


@pytest.mark.parametrize(
    ("form", "password"),
    [
        (serialization.PrivateFormat.TraditionalOpenSSL, None),
        (serialization.PrivateFormat.PKCS8, b"secret"),
    ],
    ids=["pkcs1", "encrypted"],
)
def test_key_in_a_form_java_does_not_read_does_not_match(form, password):
    """Only unencrypted PKCS#8 is what the identity service reads (ServerUtils.java L756)."""
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    der = key("leaf").private_bytes(serialization.Encoding.DER, form, encryption)

    assert not certificates.key_matches(der, LEAF)
    assert certificates.key_matches(pki.pkcs8(key("leaf")), LEAF)


def test_leaf_that_is_a_ca_is_named():
    """A root is no signing leaf, even with its own key."""
    issued = IssuedCredential(chain=(ROOT, LEAF), key_pkcs8=Secret(pki.pkcs8(key("root"))))

    problems = certificate_chains.check_credential(issued, NOW)

    assert any("is a CA certificate" in problem for problem in problems)
