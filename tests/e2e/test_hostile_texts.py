"""Names and texts of a lab whose owner is an attacker: no output obeys them.

VM, snapshot, its description, nodes in the directory, the subject of a certificate, lines in logs.
The VM's name and the log say our passwords, too, which have blanks: no line ends in one of them and
shows its halves.
"""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import html

from lab_bench import Bench, build
from ready_keys import another_key
from stsfix.lab import pki
from stsfix.lab.vmdir import operations
from stsfix.lab.vmdir.ages import AGES
from stsfix.lab.vmdir.messages import AddRequest
from stsfix.remediation.directory import dn

pytestmark = [pytest.mark.e2e, pytest.mark.lab]

FORGED = "ok sts-token: FORGED"
TEXT = (
    "vc1\n" + FORGED + "\r\x9b2J\u202eexe\u2066\u2028<script>alert(1)</script>\"'"
    "\N{ZERO WIDTH SPACE}: stsfix rollback; id"
)
"""What XML can carry: no escape character, but the C1 control that means the same."""

SUBJECT = "Evil Root "
"""How the subject of the certificate begins."""

LOGGED = f" \x1b]8;;http://evil.example\x07{TEXT}".replace("\n", " ")
"""What follows the last line that the STS logged, which is about its certificate."""

COMMANDS = {
    "preflight --html page.html": 2,
    "preflight --json": 2,
    "diagnose": 2,
    "certs": 2,
}
"""And how they end."""


def trusted_root():
    """Return a root that has expired, so that all that is known of it is told; DER."""
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{SUBJECT}{TEXT}")])
    dates = {"not_before": pki.days_from_now(-900), "not_after": pki.days_from_now(-1)}
    return pki.der(pki.self_signed_root(another_key(), subject=name, **dates))


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What each command says, and the page."""
    with build("expired", topology="embedded") as lab:
        fqdn = "vc1.lab.example"
        machine, disk = lab.machines[fqdn], lab.nodes[fqdn].disk
        machine.name = f"{TEXT} {lab.passwords.sso}"
        machine.take_snapshot(TEXT, TEXT, now=lab.clock.now(), memory=False, quiesce=False)
        log = "/var/log/vmware/sso/vmware-identity-sts.log"
        told = f"{LOGGED} {' '.join(lab.passwords.everything())}"
        lines = disk.files[log].content.rstrip(b"\n") + told.encode() + b"\n"
        disk.files[log] = replace(disk.files[log], content=lines)
        by, now = disk.directory.identity.administrator_dn, lab.clock.now()
        with disk.directory.lock:
            for name in (f"ldap://{TEXT}", "a..b"):
                request = AddRequest(
                    dn=f"cn={dn.escape(name)},ou=Domain Controllers,dc=vsphere,dc=local",
                    attributes=(("cn", (name.encode(),)), ("objectClass", (b"computer",))),
                )
                operations.add(disk.directory, request, AGES[disk.age], writer=by, now=now)
            disk.directory.add(
                "cn=AB34,cn=Certificate-Authorities,cn=Configuration,dc=vsphere,dc=local",
                {
                    "objectClass": [b"vmwCertificationAuthority", b"pkiCA"],
                    "cn": [b"AB34"],
                    "cACertificate": [trusted_root()],
                },
                by,
                now,
            )
        bench = Bench(lab, tmp_path_factory.mktemp("lab"))
        for words in COMMANDS:
            bench.said[words] = bench.stsfix.run(*words.split())
        yield bench


@pytest.mark.parametrize("words", COMMANDS)
def test_nothing_that_a_terminal_obeys_comes_through(said, words):
    """Neither escape sequences nor marks that turn or hide text; and the command ends as usual."""
    ended = said.said[words]

    text = ended.out + ended.err
    assert ended.code == COMMANDS[words], ended.err
    assert {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"}} <= {"\n"}
    assert "FORGED" in text


@pytest.mark.parametrize("words", COMMANDS)
def test_no_line_ends_in_a_password_and_shows_its_halves(said, words):
    """Whatever the line ends and indents are, none of our passwords is there; stars are, where
    names of VMs or lines of logs are shown.
    """
    ended = said.said[words]

    text = "".join((ended.out + ended.err).split())
    assert [p for p in said.lab.passwords.everything() if "".join(p.split()) in text] == []
    assert ("***" in text) is (words != "certs")


@pytest.mark.parametrize("words", COMMANDS)
def test_no_text_makes_a_line_of_its_own(said, words):
    """A line end in a name is spelled out: what follows it stays behind the name."""
    ended = said.said[words]

    lines = (ended.out + ended.err).splitlines()
    assert [line for line in lines if line.strip().startswith(FORGED)] == []


def test_the_page_holds_no_script(said):
    """A parser finds the attacker's markup as text."""
    page = (said.folder / "page.html").read_text("utf-8")

    tree = html.fromstring(page)

    assert SUBJECT in page
    assert "FORGED" in page
    assert tree.findall(".//script") == []
    assert "alert(1)" in "".join(str(part) for part in tree.itertext())


@pytest.mark.parametrize("words", ["preflight --json", "certs"])
def test_the_subject_of_the_certificate_is_among_it(said, words):
    """What is harmless above was there: it is not left out."""
    told = " ".join(said.said[words].out.split())

    assert SUBJECT in told
    assert "alert(1)" in told.partition(SUBJECT)[2]
