"""certool and VMCA of a lab node: what they sign, what they refuse, what they print."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from lab_keys import shared_keys
from stsfix.lab import pki
from stsfix.lab.vmca import vmca_files
from vmca_node import VmcaNode, soon

TOOL = "/usr/lib/vmware-vmca/bin/certool"
CONFIG = "Country = US\nName = STS\nHostname = vc1.lab.example,vc1\n# a comment\n"
GENCERT = "--gencert --privkey=/tmp/k --cert=/tmp/c --config=/tmp/cfg"


def with_key(node):
    """Give *node* a key and a configuration file."""
    node.tools.files.write("/tmp/k", pki.key_pem(shared_keys()[1]))
    node.tools.files.write("/tmp/cfg", CONFIG.encode())
    return node


@pytest.fixture
def node():
    """Return a node with a key and a configuration file."""
    return with_key(VmcaNode())


def run(node, words):
    """Run certool and return exit code and output."""
    return node.sh(f"{TOOL} {words}")


def made(node, path="/tmp/c"):
    """Return the certificate in a file of the node."""
    return x509.load_pem_x509_certificate(node.file(path))


def test_a_certificate_is_as_vmca_makes_it(node):
    """Two years, key usage and names of the configuration, no EKU, no basic constraints."""
    code, output = run(node, GENCERT)

    leaf = made(node)
    assert (code, output) == (0, "Using config file : /tmp/cfg\nStatus : Success\n")
    assert leaf.subject.rfc4514_string() == "C=US,CN=STS"
    assert leaf.issuer == node.root.subject
    assert soon(leaf.not_valid_after_utc, 730)
    assert soon(leaf.not_valid_before_utc, 0)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["vc1.lab.example", "vc1"]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert not usage.critical
    assert usage.value == pki.key_usage(
        "digital_signature", "content_commitment", "key_encipherment"
    )
    leaf.verify_directly_issued_by(node.root)


def test_words_of_the_command_line_win_over_the_file(node):
    """``--Name`` and ``--Hostname``; a domain becomes one attribute a label."""
    run(node, f"{GENCERT} --Name other --Hostname=x.example --DomainComponent=vsphere.local")

    leaf = made(node)
    labels = leaf.subject.get_attributes_for_oid(NameOID.DOMAIN_COMPONENT)
    assert leaf.subject.rfc4514_string().endswith("CN=other")
    assert [a.value for a in labels] == ["vsphere", "local"]


@pytest.mark.parametrize(("root_days", "days", "expected"), [(100, 730, 100), (3650, 3650, 3650)])
def test_the_end_is_clipped_to_the_roots_without_a_word(root_days, days, expected):
    """VMCA says nothing of it: who asked has to look."""
    node = with_key(VmcaNode(root_days=root_days, days=days))

    code, output = run(node, GENCERT)

    assert (code, "Success" in output) == (0, True)
    assert soon(made(node).not_valid_after_utc, expected)
    assert made(node).not_valid_after_utc <= node.root.not_valid_after_utc


def test_an_expired_root_signs_what_is_over_already():
    """As the source: the end is the root's, whether it is over or not."""
    node = with_key(VmcaNode(root_days=-5))

    code, _ = run(node, GENCERT)

    leaf = made(node)
    assert code == 0
    assert leaf.not_valid_after_utc == node.root.not_valid_after_utc
    assert leaf.not_valid_after_utc < leaf.not_valid_before_utc
    leaf.verify_directly_issued_by(node.root)


def test_a_request_is_signed_from_7_0_on(node):
    """The key need not be on the node; before, the option is unknown, and not in the help."""
    request = x509.CertificateSigningRequestBuilder().subject_name(made_name("STS"))
    signed = request.sign(shared_keys()[2], hashes.SHA256())
    node.tools.files.write("/tmp/csr", signed.public_bytes(serialization.Encoding.PEM))
    words = "--gencertfromcsr --csrfile=/tmp/csr --cert=/tmp/c"
    older = with_key(VmcaNode(version="6.7"))

    assert run(node, words) == (0, "Status : Success\n")
    assert made(node).public_key() == shared_keys()[2].public_key()
    assert "gencertfromcsr" in run(node, "--help=functions")[1]
    assert run(older, words) == (213, "error: unrecognised option '--gencertfromcsr'\n")
    assert "gencertfromcsr" not in run(older, "--help=functions")[1]


def made_name(name):
    """Return a subject of one common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ("--gencert --privkey=/tmp/k --cert=/tmp/c", 115, "Failed to open config file"),
        ("--gencert --cert=/tmp/c --config=/tmp/cfg", 115, "Error Code : 70003"),
        ("--gencert --privkey=/tmp/no --cert=/tmp/c --config=/tmp/cfg", 2, "Error Code : 2"),
        ("--gencert --privkey=/tmp/cfg --cert=/tmp/c --config=/tmp/cfg", 121, "70009"),
        ("--gencert --privkey=/tmp/k --cert=/tmp/c --config=/tmp/odd", 213, "unrecognised option"),
        (f"{GENCERT} --server=psc9.lab.example", 22, "VMCAGetSignedCertificatePrivate() failed"),
        ("--nonsense", 213, "unrecognised option '--nonsense'"),
        ("--viewcert --cert=/tmp/k", 120, "70008"),
        ("--genkey --privkey=/tmp/x", 115, "70003"),
    ],
)
def test_what_it_refuses(node, words, code, text):
    """The exit status is the error code cut to eight bits; no certificate is written."""
    node.tools.files.write("/tmp/odd", b"Colour = red\n")

    found, output = run(node, words)

    assert (found, text in output) == (code, True), output
    assert "/tmp/c" not in node.disk.files


def test_nothing_is_signed_while_vmcad_is_down(node):
    """The client prints its own line without an end before the status."""
    node.authority.stop()

    code, output = run(node, f"--getrootca; echo $?; {TOOL} {GENCERT}")

    assert code == 22
    assert "VMCAGetRootCACertificatePrivate() failedStatus : Failed\n" in output


def test_a_new_root_is_made_and_taken_and_published(node):
    """``--genselfcacert`` makes it, ``--rootca`` lets VMCA sign with it and tells the directory."""
    words = "--genselfcacert --outprivkey=/tmp/rk --outcert=/tmp/rc --config=/tmp/cfg --Name=CA"

    assert run(node, words)[0] == 0
    assert run(node, "--rootca --cert=/tmp/rc --privkey=/tmp/rk") == (0, "Status : Success\n")

    root = made(node, "/tmp/rc")
    files = vmca_files(node.disk)
    assert node.published == [root]
    assert [node.disk.files[path].mode for path in files] == [0o600, 0o600]
    assert made(node, files[0]) == root
    run(node, GENCERT)
    made(node).verify_directly_issued_by(root)
    assert soon(root.not_valid_after_utc, 3650 - 3)


@pytest.mark.parametrize(
    ("certificate", "key", "code"), [("leaf", "/tmp/k", 123), ("root", "/tmp/k", 149)]
)
def test_rootca_refuses_what_cannot_sign(node, certificate, key, code):
    """A leaf (70011), or the key of another (70037); VMCA signs with its old root."""
    run(node, GENCERT)
    node.tools.files.write("/tmp/root", pki.pem(node.root))
    path = {"leaf": "/tmp/c", "root": "/tmp/root"}[certificate]

    found, _ = run(node, f"--rootca --cert={path} --privkey={key}")

    assert found == code
    assert node.authority.chain() == [node.root]
    assert node.published == []


def test_a_root_that_has_just_begun_cannot_sign_yet(node):
    """VMCA begins ten minutes ago: 70034, Start Time Error, as people report it."""
    key = shared_keys()[3]
    root = pki.vmca_root(
        key,
        domain="vsphere.local",
        host="vc1.lab.example",
        not_before=pki.days_from_now(0),
        not_after=pki.days_from_now(3650),
    )
    node.authority.add_root(pki.pem(root), pki.key_pem(key))

    code, output = run(node, GENCERT)

    assert code == 70034 & 0xFF
    assert "Error Message : Start Time Error" in output


def test_a_small_key_is_refused(node):
    """2048 bits at least."""
    node.tools.files.write("/tmp/k", pki.key_pem(pki.new_key(1024)))

    code, output = run(node, GENCERT)

    assert code == 70015 & 0xFF
    assert "2048" in output
