"""What the lab's certool and vecs-cli make and print, held against OpenSSL."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography import x509

from lab_keys import shared_keys
from stsfix.lab import pki
from stsfix.lab.x509_text import dump
from vmca_node import VmcaNode

OPENSSL = shutil.which("openssl")
TOOL = "/usr/lib/vmware-vmca/bin/certool"
PLACE = "--store machine --alias m"

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed"),
]


def openssl(*words, stdin=b""):
    """Run openssl and return exit code and output."""
    assert OPENSSL is not None
    done = subprocess.run(
        [OPENSSL, *words],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout.decode()


def signed(**settings):
    """Return a node and the PEM of a certificate that its certool made."""
    node = VmcaNode(**settings)
    node.tools.files.write("/tmp/k", pki.key_pem(shared_keys()[1]))
    code, output = node.sh(
        f"{TOOL} --gencert --privkey=/tmp/k --cert=/tmp/c --config=/dev/null --Name=machine"
        " --Hostname=vc1.lab.example,vc1 --IPAddress=192.0.2.1 --Country=US --Organization=VMware"
    )
    assert code == 0, output
    return node, node.file("/tmp/c")


def test_openssl_verifies_what_certool_signed(tmp_path):
    """Against the root of the node's VMCA."""
    node, leaf = signed()
    (tmp_path / "root.pem").write_bytes(pki.pem(node.root))
    (tmp_path / "leaf.pem").write_bytes(leaf)

    code, output = openssl(
        *("verify", "-x509_strict", "-purpose", "any", "-CAfile"),
        *(str(tmp_path / "root.pem"), str(tmp_path / "leaf.pem")),
    )

    assert (code, output) == (0, f"{tmp_path}/leaf.pem: OK\n")


def test_openssl_says_that_a_certificate_of_an_expired_root_is_over(tmp_path):
    """It is well-formed and rightly signed all the same."""
    node, leaf = signed(root_days=-5)
    (tmp_path / "root.pem").write_bytes(pki.pem(node.root))
    (tmp_path / "leaf.pem").write_bytes(leaf)
    words = ("verify", "-CAfile", str(tmp_path / "root.pem"))

    code, output = openssl(*words, str(tmp_path / "leaf.pem"))
    ignoring, _ = openssl(*words, "-no_check_time", str(tmp_path / "leaf.pem"))

    assert code != 0
    assert "certificate has expired" in output
    assert ignoring == 0


@pytest.mark.parametrize("which", ["leaf", "root"])
def test_the_dump_is_openssls(which):
    """Line by line, but for blanks; OpenSSL's releases differ in nothing else here."""
    node, leaf = signed()
    pem = leaf if which == "leaf" else pki.pem(node.root)

    _, expected = openssl("x509", "-noout", "-text", stdin=pem)

    ours = dump(x509.load_pem_x509_certificate(pem))
    assert squeezed(ours) == squeezed(expected)


def squeezed(text):
    """Return lines without blanks: OpenSSL's releases differ in them."""
    return ["".join(line.split()) for line in text.splitlines() if line.strip()]


def test_openssl_reads_keys_and_certificates_out_of_vecs(tmp_path):
    """The key that comes out belongs to the certificate that comes out."""
    node, _ = signed()
    tool = "/usr/lib/vmware-vmafd/bin/vecs-cli"
    node.sh(f"{tool} entry create {PLACE} --cert /tmp/c --key /tmp/k")

    code, key = node.sh(f"{tool} entry getkey {PLACE}")
    _, certificate = node.sh(f"{tool} entry getcert {PLACE}")

    assert code == 0
    assert (
        openssl("pkey", "-pubout", stdin=key.encode())[1]
        == openssl("x509", "-noout", "-pubkey", stdin=certificate.encode())[1]
    )


@pytest.mark.parametrize(
    "words",
    [
        "x509 -noout -enddate",
        "x509 -noout -dates -serial",
        "x509 -noout -startdate",
        "x509 -noout -fingerprint -sha256",
        "x509 -noout -fingerprint",
        "x509 -noout -subject -issuer",
        "x509 -noout -pubkey",
        "x509 -outform der",
        "x509",
    ],
)
def test_the_labs_openssl_prints_what_openssl_prints(words, tmp_path):
    """Of a node of 8.0; names aside, whose blanks differ between releases."""
    node, leaf = signed(version="8.0")
    (tmp_path / "c").write_bytes(leaf)
    assert OPENSSL is not None
    real = subprocess.run(
        [OPENSSL, *words.split(), "-in", str(tmp_path / "c")],
        stdout=subprocess.PIPE,
        timeout=20,
        check=True,
    )

    code, _ = node.sh(f"openssl {words} -in /tmp/c > /tmp/out")

    assert code == 0
    squashed = [output.replace(b" ", b"") for output in (node.file("/tmp/out"), real.stdout)]
    assert squashed[0] == squashed[1]
