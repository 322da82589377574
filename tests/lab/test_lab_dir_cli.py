"""dir-cli on the nodes of a lab: it works on the directory of the node's own controller."""

from __future__ import annotations

import functools
import shlex

import pytest
from cryptography import x509

from lab_keys import shared_keys
from stsfix.lab import pki, trusted_roots
from stsfix.lab.lab import Lab
from stsfix.lab.shell import Shell
from stsfix.lab.shell_streams import Buffer, Streams
from stsfix.lab.vmdir.reader import find_entries

pytestmark = pytest.mark.lab

PSC1, VC1 = "psc1.lab.example", "vc1.lab.example"
TOOL = "/usr/lib/vmware-vmafd/bin/dir-cli"


@pytest.fixture(scope="module")
def lab():
    """Run two PSCs and two vCenters with nothing wrong."""
    with Lab.build("external-psc", "healthy", speed=2000, keys=shared_keys()) as running:
        yield running


def sh(lab, node, text):
    """Run a script as root on *node*."""
    output = Buffer()
    run = lab.nodes[node]._run
    code = Shell(run.tools).run(text, Streams(out=output, err=output))
    return code, output.content.decode()


def dir_cli(lab, words, node=VC1):
    """Run dir-cli with the administrator's password on its standard input."""
    return sh(lab, node, f"{TOOL} {words} <<< {shlex.quote(lab.passwords.sso)}")


def put(lab, node, path, content):
    """Write a file of *node*."""
    lab.nodes[node]._run.tools.files.write(path, content)


def leaf(name, days=100):
    """Return a certificate of nobody's, PEM."""
    key = shared_keys()[5]
    return pki.pem(
        pki.vmca_leaf(
            key,
            issuer=root(),
            issuer_key=key,
            common_name=name,
            not_before=pki.days_from_now(-1),
            not_after=pki.days_from_now(days),
        )
    )


@functools.cache
def root():
    """Return a root of nobody's."""
    return pki.vmca_root(
        shared_keys()[5],
        domain="vsphere.local",
        host="new.lab.example",
        not_before=pki.days_from_now(-3),
        not_after=pki.days_from_now(3000),
    )


def account(lab, name, node=PSC1):
    """Return the attributes of a solution user in the directory of *node*."""
    found = find_entries(
        lab.nodes[node].disk.directory,
        "cn=ServicePrincipals,dc=vsphere,dc=local",
        "vmwServicePrincipal",
    )
    return next(e.attributes for e in found if e.attributes["cn"] == [name.encode()])


def test_services_are_numbered(lab):
    """Each node's solution users, with the prompt in front of them."""
    code, output = dir_cli(lab, "service list")

    prompt, *lines = output.splitlines()
    assert (code, prompt) == (0, "Enter password for administrator@vsphere.local: ")
    ids = {node.disk.machine_id for node in lab.nodes.values()}
    names = [line.split()[1] for line in lines]
    assert [line.split()[0] for line in lines] == [f"{n}." for n in range(1, len(names) + 1)]
    assert {name.partition("-")[2][-36:] for name in names} == ids


def test_an_account_gets_another_certificate_and_name(lab):
    """The subject, by which the STS finds it, follows the certificate."""
    name = f"machine-{lab.nodes[VC1].disk.machine_id}"
    put(lab, VC1, "/tmp/new", leaf(name))

    code, output = dir_cli(lab, f"service update --name {name} --cert /tmp/new")
    again = dir_cli(lab, f"service update --name {name} --cert /tmp/new")

    assert (code, output.splitlines()[-1]) == (0, f"Service [{name}] updated successfully")
    held = account(lab, name)
    assert held["vmwstssubjectdn"] == [f"CN={name}".encode()]
    assert held["usercertificate"] == [pki.der(x509.load_pem_x509_certificate(leaf_of(lab)))]
    assert again[0] == 13
    assert "cannot be used by multiple services" in again[1]


def leaf_of(lab):
    """Return what is in /tmp/new of vc1."""
    return lab.nodes[VC1].disk.files["/tmp/new"].content


def test_an_unknown_account_is_not_made(lab):
    """The exit status is the error code cut to eight bits."""
    put(lab, VC1, "/tmp/nobody", leaf("nobody"))

    code, output = dir_cli(lab, "service update --name nobody --cert /tmp/nobody")

    assert code == 1317 & 0xFF
    assert "dir-cli failed. Error 1317" in output


def test_roots_are_listed_fetched_published_and_taken_away(lab):
    """Identifier, subject as OpenSSL's one line, and whether there is a list."""
    put(lab, PSC1, "/tmp/root", pki.pem(root()))
    name = trusted_roots.key_id(root())

    before = dir_cli(lab, "trustedcert list", PSC1)[1]
    published = dir_cli(lab, "trustedcert publish --cert /tmp/root", PSC1)
    after = dir_cli(lab, "trustedcert list", PSC1)[1]
    fetched = dir_cli(lab, f"trustedcert get --id {name} --outcert /tmp/got", PSC1)
    taken = dir_cli(lab, "trustedcert unpublish --cert /tmp/root", PSC1)

    assert "Number of certificates:\t2\n#1:\nCN(id):\t\t" in before
    assert "Subject DN:\t/CN=CA/DC=vsphere/DC=local/" in before
    assert published == (0, published[1])
    assert published[1].endswith("Certificate pubished successfully\n")
    assert f"CN(id):\t\t{name}\n" in after
    assert fetched[0] == 0
    assert lab.nodes[PSC1].disk.files["/tmp/got"].content == pki.pem(root())
    assert taken[0] == 0
    assert dir_cli(lab, "trustedcert list", PSC1)[1] == before


def test_nodes_are_told_with_their_partners(lab):
    """Controllers first, then vCenters, each followed by an empty line."""
    code, output = dir_cli(lab, "nodes list")

    assert code == 0
    blocks = output.split("\n", 1)[1].split("\n\n")
    assert blocks[0] == (
        "Node: psc1.lab.example\nType: PSC\nSite: Default-First-Site\n"
        "Partner #1: ldap://psc2.lab.example"
    )
    assert blocks[2:4] == [
        "Node: vc1.lab.example\nType: Management",
        "Node: vc2.lab.example\nType: Management",
    ]


def test_the_state_of_the_directory_is_told(lab):
    """As a word and a number."""
    code, output = dir_cli(lab, "state get", PSC1)

    assert (code, output.splitlines()[-1]) == (0, "Directory Server State: NORMAL (3)")


def test_a_wrong_password_is_a_logon_failure(lab):
    """And no second try is made by the program."""
    code, output = sh(lab, VC1, f"{TOOL} service list --login administrator --password wrong")

    assert code == 1326 & 0xFF
    assert output == (
        "dir-cli failed. Error 1326: Operation failed with error ERROR_LOGON_FAILURE (1326) \n"
    )


def test_a_password_on_the_command_line_is_seen_by_everybody(lab):
    """The log of command lines, which tests search, has it."""
    sh(lab, VC1, f"{TOOL} service list --login administrator --password canary-word")

    assert any("canary-word" in line for line in lab.nodes[VC1].argv_log.lines)


@pytest.mark.parametrize(
    ("words", "code"), [("nonsense", 1), ("service", 87), ("service update --name x", 87), ("", 2)]
)
def test_what_it_does_not_take(lab, words, code):
    """A usage text and a code."""
    found, output = dir_cli(lab, words)

    assert found == code
    assert "Usage: dir-cli" in output
