"""xmlsec1 (Debian) and our verifier agree on what a signature proves, both ways."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from signed_assertion import DS, ENVELOPED, EXC, SAML2, Recipe, sign, signer
from stsfix.lab import pki
from stsfix.remediation.errors import ProofError
from stsfix.remediation.logins.saml import verify_assertion
from stsfix.snapshot.secret import Secret

XMLSEC1 = shutil.which("xmlsec1")

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(XMLSEC1 is None, reason="xmlsec1 is not installed"),
]

TEMPLATE = (
    f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>'
    f'<ds:CanonicalizationMethod Algorithm="{EXC}"/>'
    '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
    '<ds:Reference URI="#_1"><ds:Transforms>'
    f'<ds:Transform Algorithm="{ENVELOPED}"/><ds:Transform Algorithm="{EXC}">'
    f'<ec:InclusiveNamespaces xmlns:ec="{EXC}" PrefixList="xs"/></ds:Transform>'
    '</ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
    "<ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>"
    "<ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>\n  "
)
ATTRIBUTE = (
    '<saml2:AttributeStatement xmlns:xs="http://www.w3.org/2001/XMLSchema">'
    '<saml2:Attribute Name="groups"><saml2:AttributeValue '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">'
    "vsphere.local\\Administrators &amp; ü<!-- comment --></saml2:AttributeValue>"
    "</saml2:Attribute></saml2:AttributeStatement>"
)


def xmlsec1(*arguments):
    """Run xmlsec1 on an assertion whose ID attribute it must be told of."""
    return subprocess.run(
        [XMLSEC1 or "", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.fixture
def files(tmp_path):
    """Key, leaf and root of the signer as PEM files."""
    pair = pki.key_pair(signer().key, signer().chain)
    (tmp_path / "key.pem").write_bytes(pair.key_pem)
    (tmp_path / "leaf.pem").write_bytes(pki.pem(signer().chain[0]))
    (tmp_path / "root.pem").write_bytes(pki.pem(signer().chain[1]))
    return tmp_path


def signed_by_xmlsec1(files):
    """Return an assertion that xmlsec1 signed from a template."""
    (files / "template.xml").write_text(Recipe(attribute=ATTRIBUTE).assertion(TEMPLATE))
    done = xmlsec1(
        "--sign",
        "--id-attr:ID",
        f"{SAML2}:Assertion",
        "--privkey-pem",
        f"{files}/key.pem,{files}/leaf.pem",
        "--output",
        f"{files}/signed.xml",
        f"{files}/template.xml",
    )
    assert done.returncode == 0, done.stderr
    return (files / "signed.xml").read_bytes()


def test_accepts_what_xmlsec1_signed(files):
    """An assertion signed by xmlsec1 verifies here, with its leaf and subject."""
    document = signed_by_xmlsec1(files)

    token = verify_assertion(Secret(document), node="vc1.lab.example")

    assert token.leaf_sha256 == signer().sha256
    assert token.subject == "Administrator@VSPHERE.LOCAL"


def test_refuses_what_xmlsec1_signed_once_changed(files):
    """One changed byte in an assertion signed by xmlsec1 is refused here."""
    document = signed_by_xmlsec1(files).replace(b"Administrators &amp;", b"Administratorz &amp;")

    with pytest.raises(ProofError, match="digest differs"):
        verify_assertion(Secret(document), node="vc1.lab.example")


@pytest.mark.parametrize(("old", "verdict"), [(b"", 0), (b"Administrator@", 1)])
def test_xmlsec1_judges_our_tokens_the_same(files, old, verdict):
    """What we accept xmlsec1 accepts, and one changed byte it refuses too."""
    document = sign()
    path = files / "ours.xml"
    path.write_bytes(document.replace(old, b"administrator@") if old else document)

    done = xmlsec1(
        "--verify",
        "--enabled-key-data",
        "x509",
        "--id-attr:ID",
        f"{SAML2}:Assertion",
        "--trusted-pem",
        f"{files}/root.pem",
        str(path),
    )

    assert done.returncode == verdict, done.stderr
