"""Issuing a new signing credential: own CA, or CA files."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sts_material import DOMAIN, NODE, NOW, days, key, root
from stsfix.lab import pki
from stsfix.remediation.errors import IssuerError
from stsfix.remediation.pki import certificate_chains, issuing
from stsfix.remediation.pki.issuer import FilesIssuer, OwnCaIssuer
from stsfix.snapshot.secret import Secret

YEAR = timedelta(days=365)


def _own() -> OwnCaIssuer:
    keys = iter([key("own-root"), key("own-leaf")])
    return OwnCaIssuer(DOMAIN, lambda: next(keys))


def _pem(private, *, password=None, form=serialization.PrivateFormat.PKCS8):
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return private.private_bytes(serialization.Encoding.PEM, form, encryption)


def _files(tmp_path, certificate_pem, key_pem, passphrase=None) -> FilesIssuer:
    (tmp_path / "ca.pem").write_bytes(certificate_pem)
    (tmp_path / "ca.key").write_bytes(key_pem)
    return FilesIssuer(
        tmp_path / "ca.pem",
        tmp_path / "ca.key",
        passphrase=Secret(passphrase) if passphrase else None,
        new_key=lambda: key("own-leaf"),
    )


def _middle() -> x509.Certificate:
    """Return a CA below the root, with the key named middle."""
    return issuing.make_root(
        key("middle"), domain=DOMAIN, node=NODE, not_before=days(-5), not_after=days(300)
    )


def test_own_ca_issues_the_profile():
    """Leaf and root have VMCA's extensions, backdated by a day, ending as asked."""
    issued = _own().issue(node=NODE, now=NOW, validity=YEAR)

    leaf, top = (x509.load_der_x509_certificate(der) for der in issued.chain)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    granted = ("digital_signature", "content_commitment", "key_encipherment")
    assert usage.value == pki.key_usage(*granted)
    assert not usage.critical
    assert list(names) == [x509.DNSName(NODE)]
    assert {type(e.value) for e in leaf.extensions} == {
        x509.KeyUsage,
        x509.SubjectAlternativeName,
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
    }
    assert leaf.not_valid_before_utc == NOW - timedelta(hours=24)
    assert leaf.not_valid_after_utc == top.not_valid_after_utc == NOW + YEAR
    assert top.extensions.get_extension_for_class(x509.KeyUsage).critical
    assert certificate_chains.check_credential(issued, NOW) == ()


def test_two_own_roots_never_share_a_name():
    """Two roots of one name and different keys would make path building ambiguous."""
    tops = [
        issuing.make_root(key(n), domain=DOMAIN, node=NODE, not_before=NOW, not_after=days(1))
        for n in ("own-root", "another")
    ]

    assert tops[0].subject != tops[1].subject


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command here")
def test_openssl_accepts_the_own_chain(tmp_path):
    """An implementation nobody here wrote verifies leaf and root, strictly."""
    issued = _own().issue(node=NODE, now=NOW, validity=YEAR)
    for name, der in zip(("leaf", "root"), issued.chain, strict=True):
        (tmp_path / name).write_bytes(pki.pem(x509.load_der_x509_certificate(der)))

    verified = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-attime", str(int(NOW.timestamp()))),
            *("-CAfile", str(tmp_path / "root"), str(tmp_path / "leaf")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize(
    ("node", "validity", "says"),
    [
        (NODE, timedelta(0), "no validity is left"),
        (NODE, timedelta(days=-1), "no validity is left"),
        (NODE, timedelta(days=4_000_000), "too long"),
        ("vcé.lab.example", YEAR, "A-label|ASCII|ascii"),
    ],
    ids=["zero", "negative", "past-9999", "no-ascii-name"],
)
def test_own_ca_refuses_what_makes_no_certificate(node, validity, says):
    """A request that cannot be met is an IssuerError with one sentence."""
    with pytest.raises(IssuerError, match=says):
        _own().issue(node=node, now=NOW, validity=validity)


@pytest.mark.parametrize(
    ("form", "password"),
    [
        (serialization.PrivateFormat.PKCS8, None),
        (serialization.PrivateFormat.TraditionalOpenSSL, None),
        (serialization.PrivateFormat.PKCS8, b"pass phrase"),
    ],
    ids=["pkcs8", "pkcs1", "encrypted"],
)
def test_files_issue_below_the_given_ca(tmp_path, form, password):
    """The leaf is signed by the CA of the files and never outlives it."""
    issuer = _files(
        tmp_path,
        pki.pem(root(end=100)),
        _pem(key("root"), form=form, password=password),
        password.decode() if password else None,
    )

    issued = issuer.issue(node=NODE, now=NOW, validity=YEAR)

    leaf = x509.load_der_x509_certificate(issued.chain[0])
    assert leaf.not_valid_after_utc == days(100)
    assert issued.chain[1] == pki.der(root(end=100))
    assert certificate_chains.check_credential(issued, NOW) == ()


def test_leaf_never_starts_before_its_ca(tmp_path):
    """Backdating stops at the CA's own start."""
    issuer = _files(tmp_path, pki.pem(root(start=-0.25)), _pem(key("root")))

    issued = issuer.issue(node=NODE, now=NOW, validity=YEAR)

    assert x509.load_der_x509_certificate(issued.chain[0]).not_valid_before_utc == days(-0.25)


@pytest.mark.parametrize("turn", [1, -1], ids=["as-issued", "turned"])
def test_order_in_the_file_does_not_matter(tmp_path, turn):
    """Intermediate and root are put in order by who issued whom; strangers are left out."""
    middle = _cross_signed()
    file = [pki.pem(c) for c in (middle, root("stranger"), root())][::turn]
    issuer = _files(tmp_path, b"".join(file), _pem(key("middle")))

    issued = issuer.issue(node=NODE, now=NOW, validity=YEAR)

    assert issued.chain[1:] == (pki.der(middle), pki.der(root()))


def _cross_signed() -> x509.Certificate:
    public = key("middle").public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(_middle().subject)
        .issuer_name(root().subject)
        .public_key(public)
        .serial_number(9)
        .not_valid_before(days(-5))
        .not_valid_after(days(300))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key("root"), hashes.SHA256())
    )


@pytest.mark.parametrize(
    ("certificate", "key_pem", "passphrase", "says"),
    [
        (pki.pem(root()), _pem(key("another")), None, "belongs to"),
        (pki.pem(root(end=-1)), _pem(key("root")), None, "expired at"),
        (pki.pem(root(start=1)), _pem(key("root")), None, "not valid before"),
        (b"nothing", _pem(key("root")), None, "no PEM certificates"),
        (b"", _pem(key("root")), None, "no PEM certificates"),
        (pki.pem(root()), b"nothing", None, "no PEM key"),
        (pki.pem(root()), _pem(key("root"), password=b"a"), None, "is encrypted"),
        (pki.pem(root()), _pem(key("root"), password=b"a"), "b", "of this passphrase"),
        (pki.pem(root()), _pem(key("root")), "b", "is not encrypted"),
        (
            pki.pem(root()),
            _pem(ec.generate_private_key(ec.SECP256R1())),
            None,
            "not an RSA key",
        ),
        (pki.pem(_cross_signed()), _pem(key("middle")), None, "not a self-signed root"),
    ],
    ids=[
        "other-key",
        "expired",
        "not-yet",
        "no-certificate",
        "empty",
        "no-key",
        "passphrase-missing",
        "passphrase-wrong",
        "passphrase-needless",
        "elliptic",
        "root-missing",
    ],
)
def test_unusable_files_are_refused(tmp_path, certificate, key_pem, passphrase, says):
    """What cannot make a usable credential is an IssuerError before anything is made."""
    issuer = _files(tmp_path, certificate, key_pem, passphrase)

    with pytest.raises(IssuerError, match=says):
        issuer.issue(node=NODE, now=NOW, validity=YEAR)


def test_leaf_as_ca_is_refused(tmp_path):
    """A certificate that is no CA does not sign."""
    leaf = pki.vmca_leaf(
        key("leaf"),
        issuer=root(),
        issuer_key=key("root"),
        common_name="x",
        not_before=days(-1),
        not_after=days(9),
    )
    issuer = _files(tmp_path, pki.pem(leaf) + pki.pem(root()), _pem(key("leaf")))

    with pytest.raises(IssuerError, match="CN=x is not a CA certificate"):
        issuer.issue(node=NODE, now=NOW, validity=YEAR)


def test_missing_file_is_refused(tmp_path):
    """A path that does not exist is named."""
    issuer = FilesIssuer(tmp_path / "no.pem", tmp_path / "no.key")

    with pytest.raises(IssuerError, match=r"no\.key cannot be read"):
        issuer.issue(node=NODE, now=NOW, validity=YEAR)


def test_result_that_fails_its_checks_is_not_given_out():
    """A key source that makes weak keys ends in an IssuerError."""
    issuer = OwnCaIssuer(DOMAIN, lambda: key("weak", 1024))

    with pytest.raises(IssuerError, match="only 1024 bits"):
        issuer.issue(node=NODE, now=NOW, validity=YEAR)


def test_each_credential_has_a_key_of_its_own():
    """Nothing is reused between two credentials of one issuer."""
    issuer = OwnCaIssuer(DOMAIN)

    one, two = (issuer.issue(node=NODE, now=NOW, validity=YEAR) for _ in range(2))

    assert one.key_pkcs8 != two.key_pkcs8
    assert not set(one.chain) & set(two.chain)
