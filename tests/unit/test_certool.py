"""What certool says is understood, whatever it says; what it is sent is what was asked for."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from sts_material import NODE, days, key, leaf, root
from stsfix.remediation.nodes.sections import end_of, mark
from stsfix.remediation.pki import certool, issuing
from stsfix.remediation.pki.authority import (
    CertificateRequest,
    Unknown,
    check_signed,
    is_clipped,
    signing_request,
)
from stsfix.remediation.pki.certool import Programs
from stsfix.snapshot.secret import Secret

N = "0123abcd"
PROGRAMS = Programs()


def pem(certificate):
    """Return *certificate* as PEM text."""
    return certificate.public_bytes(Encoding.PEM).decode()


def der(certificate):
    """Return *certificate* as DER."""
    return certificate.public_bytes(Encoding.DER)


def request(**changes) -> CertificateRequest:
    """Return a request for the leaf named leaf."""
    values: dict[str, Any] = {
        "subject": (("CN", "ssoserverSign"), ("DC", "vsphere"), ("DC", "local"), ("C", "US")),
        "dns_names": (NODE,),
        "not_before": days(-1),
        "not_after": days(700),
        "key_pkcs8": Secret(issuing.pkcs8(key("leaf"))),
    }
    return CertificateRequest(**(values | changes))


def output(**sections):
    """Return the output of a script with these sections."""
    text = "".join(f"\n{mark(N, name)}\n{body}\n" for name, body in sections.items())
    return text + f"\n{end_of(N)}\n"


def public(name):
    """Return the public half of a key as openssl prints it."""
    found = key(name).public_key()
    return found.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def serial_text(certificate):
    """Return a serial number as OpenSSL prints long ones."""
    text = f"{certificate.serial_number:x}"
    text = text.zfill(len(text) + len(text) % 2)
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2))


def shown(**changes):
    """Return the output of a look at a sound VMCA, but for *changes*."""
    sections = {
        "certool": "0",
        "help": "--gencert\n--getrootca",
        "root": pem(root()),
        "key": public("root"),
        "served": f"Serial Number:\n    {serial_text(root())}\n  Issuer: x\nStatus : Success",
    }
    return output(**(sections | changes))


def authority(**changes):
    """Return what such an output says."""
    return certool.parse_authority(shown(**changes), node=NODE, nonce=N)


def test_sound_vmca_is_understood():
    """Every fact is known and good."""
    seen = authority()

    assert seen.chain == (der(root()),)
    assert (seen.certool, seen.serves, seen.serves_root, seen.key_matches) == (True,) * 4
    assert not seen.takes_requests
    assert authority(help="--gencertfromcsr  signs").takes_requests


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"served": "Status : Failed\nError Code : 9127"}, "serves", False),
        ({"served": "Serial Number: 15 (0xf)\nStatus : Success"}, "serves_root", False),
        ({"key": public("leaf")}, "key_matches", False),
        ({"certool": "127"}, "certool", False),
    ],
    ids=["down", "other-root", "other-key", "no-certool"],
)
def test_trouble_is_known(changes, name, value):
    """What is wrong is a fact, not a gap."""
    assert getattr(authority(**changes), name) is value


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"key": "openssl: command not found"}, "key_matches"),
        ({"key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}, "key_matches"),
        ({"served": "Status : Success"}, "serves_root"),
        ({"certool": "?"}, "certool"),
    ],
    ids=["no-openssl", "no-key", "no-serial", "no-answer"],
)
def test_gap_is_a_gap(changes, name):
    """What could not be found out is unknown, with a reason."""
    found = getattr(authority(**changes), name)

    assert isinstance(found, Unknown)
    assert found.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cat: /var/lib/vmware/vmca/root.cer: No such file", "No such file"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "malformed"),
        ("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----", "malformed"),
    ],
    ids=["missing", "no-certificate", "no-base64"],
)
def test_unreadable_root_says_why(text, reason):
    """Without a usable root there is no chain, and the reason is the node's own."""
    seen = authority(root=text)

    assert seen.chain == ()
    assert reason in seen.unread


@given(st.integers(min_value=0))
def test_truncated_answer_invents_nothing(cut):
    """Of a cut answer each fact is the true one, or unknown."""
    text = shown()
    seen = certool.parse_authority(text[: cut % len(text)], node=NODE, nonce=N)

    assert seen.chain in {(), (der(root()),)}
    assert bool(seen.chain) != bool(seen.unread)
    for fact in (seen.certool, seen.serves, seen.serves_root, seen.key_matches):
        assert fact is True or isinstance(fact, Unknown)


@given(st.text())
def test_any_text_is_some_authority(text):
    """Nothing raises, and nothing is made up."""
    seen = certool.parse_authority(text, node=NODE, nonce=N)

    assert seen.chain == ()
    assert isinstance(seen.serves, Unknown)


def test_configuration_names_everything_once():
    """Several values of one key are one line, in certool's own separators."""
    text = certool.configuration(request(ip_addresses=("192.0.2.1", "2001:db8::1")))

    assert text.splitlines() == [
        "Name = ssoserverSign",
        "DomainComponent = vsphere.local",
        "Country = US",
        "IPAddress = 192.0.2.1,2001:db8::1",
        f"Hostname = {NODE}",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": (("CN", "a\nName = b"),)},
        {"subject": (("CN", "a,b"),)},
        {"subject": (("CN", "a # b"),)},
        {"subject": (("CN", ""),)},
        {"subject": (("CN", "a" * 65),)},
        {"subject": (("OU", "a"),)},
        {"subject": (("CN", "a"), ("CN", "b"))},
        {"subject": (("CN", "a"), ("SN", "b"))},
        {"dns_names": ("a,b",)},
        {"not_after": days(-2)},
    ],
    ids=["line", "comma", "comment", "empty", "long", "no-cn", "two", "odd", "names", "dates"],
)
def test_request_that_certool_would_misread_is_refused(changes):
    """Nothing is sent that would come out as something else."""
    with pytest.raises(ValueError, match=r"."):
        request(**changes)


def test_request_holds_names_and_no_key():
    """PKCS#10 with our key's signature; the key itself is only in the other script."""
    made = x509.load_pem_x509_csr(signing_request(request()))

    assert made.is_signature_valid
    assert made.subject.rfc4514_string() == "C=US,DC=local,DC=vsphere,CN=ssoserverSign"
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NODE]
    assert "PRIVATE" not in certool.request_script(request(), N, PROGRAMS)


def test_key_is_a_file_of_its_own():
    """The key is in a file for the node alone; no script holds a part of it."""
    path, content = certool.key_file(request(), PROGRAMS)

    assert path == "/root/.stsfix-vmca/key.pem"
    assert content.reveal().startswith(b"-----BEGIN PRIVATE KEY")
    for script in (certool.key_script(request(), N, PROGRAMS), certool.folder_script(PROGRAMS)):
        assert "PRIVATE KEY" not in script
        assert "umask 077" in script


@pytest.mark.parametrize("folder", ["/root/a b", "relative", "/root/$(x)", "/root/'"])
def test_folder_that_a_shell_would_misread_is_refused(folder):
    """A folder that is removed as a whole is named without doubt."""
    with pytest.raises(ValueError, match="no path"):
        Programs(folder=folder)


def test_signed_certificates_come_back():
    """The certificate that certool wrote, and the chain it may have added."""
    text = output(certool="Status : Success", certificate=pem(leaf()) + pem(root()))

    assert certool.parse_signed(text, N, 0).certificates == (der(leaf()), der(root()))


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (output(certool="Status : Failed\nError Code : 70012\nError Message : no"), 1, "70012: no"),
        (output(certool="boost: bad", certificate=pem(leaf())), 13, "boost: bad"),
        (output(certool="Status : Success"), 0, "wrote no certificate"),
        (output(certificate=pem(leaf())).rpartition("==")[0], 0, "CERTIFICATE"),
        ("", 97, "ended with 97"),
    ],
    ids=["refused", "crashed", "nothing", "cut", "no-folder"],
)
def test_failed_signing_gives_no_certificate(text, code, reason):
    """Unless all went well nothing is taken, and there is a reason."""
    seen = certool.parse_signed(text, N, code)

    assert seen.certificates == ()
    assert reason in seen.refusal


def test_answer_is_checked_against_the_question():
    """Our own leaf and its root are an answer."""
    chain = certool.chain_of(der(leaf()), [der(root("other")), der(root())])

    assert chain == (der(leaf()), der(root()))
    assert check_signed(chain, request(), days(0)) == ()


@pytest.mark.parametrize(
    ("chain", "changes", "reason"),
    [
        ((leaf(), root()), {"key_pkcs8": Secret(issuing.pkcs8(key("other")))}, "another key"),
        ((leaf(), root()), {"subject": (("CN", "vpxd"),)}, "does not name vpxd"),
        ((leaf(), root()), {"dns_names": ("psc9.lab.example",)}, "lacks the names psc9"),
        ((leaf(), root("other")), {}, "not issued by"),
        ((leaf(),), {}, "not at least 2"),
        ((leaf(end=-0.5), root()), {}, "expired"),
        ((), {}, "distinct certificates"),
    ],
    ids=["key", "cn", "dns", "signer", "alone", "dead", "empty"],
)
def test_other_answer_is_refused(chain, changes, reason):
    """Key, names, signature and dates are looked at before anything is written."""
    problems = check_signed([der(c) for c in chain], request(**changes), days(0))

    assert any(reason in problem for problem in problems)


@pytest.mark.parametrize(
    ("asked", "clipped"), [(700, False), (700.9, False), (702, True)], ids=["as", "near", "cut"]
)
def test_shorter_than_asked_is_clipped(asked, clipped):
    """Minutes are no cut, days are."""
    assert is_clipped(der(leaf()), request(not_after=days(asked))) is clipped


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_root_key_in_either_form(form):
    """PKCS#1 and PKCS#8 are read."""
    text = key("root").private_bytes(Encoding.PEM, form, NoEncryption()).decode()

    found = certool.parse_root_key(Secret(text.encode()))

    assert isinstance(found, Secret)
    assert found.reveal() == issuing.pkcs8(key("root"))


@pytest.mark.parametrize("text", ["", "canary", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END"])
def test_unreadable_root_key_is_not_quoted(text):
    """Whatever stood in the file does not get into a sentence."""
    found = certool.parse_root_key(Secret(text.encode()))

    assert isinstance(found, Unknown)
    assert "canary" not in found.reason
