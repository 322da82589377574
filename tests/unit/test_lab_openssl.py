"""openssl and psql of a lab node."""

from __future__ import annotations

import pytest

from lab_keys import shared_keys
from stsfix.lab import pki
from stsfix.lab.extensions import Extension
from stsfix.lab.faults import Rule
from vmca_node import VmcaNode

PSQL = "/opt/vmware/vpostgres/current/bin/psql -d VCDB -U postgres"


@pytest.fixture
def node():
    """Return a node with its root in /tmp/c, two extensions and a running database."""
    made = VmcaNode()
    made.tools.files.write("/tmp/c", pki.pem(made.root))
    for key, thumbprint in (("com.vmware.rbd", "AA:BB"), ("com.example", "")):
        made.disk.extensions[key] = Extension(
            ext_id=key, version="1", company="x", thumbprint=thumbprint
        )
    service = made.board.find("vmware-vpostgres")
    assert service is not None
    assert made.board.start(service)
    return made


def test_names_are_shown_as_the_nodes_release_does(node):
    """OpenSSL 1.0.2 before 8.0, newer since."""
    newer = VmcaNode(version="8.0")
    newer.tools.files.write("/tmp/c", pki.pem(newer.root))

    old = node.sh("openssl x509 -noout -subject -in /tmp/c")
    new = newer.sh("openssl x509 -noout -subject -in /tmp/c")

    assert old[1].startswith("subject= /CN=CA/DC=vsphere/DC=local/C=US/")
    assert new[1].startswith("subject=CN = CA, DC = vsphere, DC = local, C = US, ")


@pytest.mark.parametrize(("seconds", "code"), [(0, 0), (86400 * 4000, 1)])
def test_checkend_answers_by_its_exit_code(node, seconds, code):
    """1 if it ends within so many seconds."""
    assert node.sh(f"openssl x509 -noout -checkend {seconds} -in /tmp/c")[0] == code


def test_what_is_not_modelled_is_refused(node):
    """An unknown option or command, a file that is none."""
    assert node.sh("openssl x509 -noout -purpose -in /tmp/c")[0] == 1
    assert node.sh("openssl req -new")[0] == 1
    assert node.sh("openssl x509 -noout -enddate -in /tmp/none")[0] == 1
    assert node.sh("echo noise | openssl x509 -noout -enddate")[0] == 1


def test_psql_shows_extensions(node):
    """Rows without head and blanks with -t -A."""
    statement = "select ext_id, thumbprint from vpx_ext"

    assert node.sh(f'{PSQL} -t -A -c "{statement}"') == (0, "com.example|\ncom.vmware.rbd|AA:BB\n")
    assert node.sh(f"{PSQL} -tAF, -c \"{statement} where ext_id = 'com.vmware.rbd';\"") == (
        0,
        "com.vmware.rbd,AA:BB\n",
    )


def test_psql_changes_a_thumbprint(node):
    """And says how many rows it changed."""
    statement = "UPDATE vpx_ext SET thumbprint='CC' WHERE ext_id='{}'"

    assert node.sh(f'{PSQL} -c "{statement.format("com.vmware.rbd")}"') == (0, "UPDATE 1\n")
    assert node.sh(f'{PSQL} -c "{statement.format("none")}"') == (0, "UPDATE 0\n")
    assert node.disk.extensions["com.vmware.rbd"].thumbprint == "CC"


def test_calls_of_psql_can_go_wrong(node):
    """Told apart by the verb of their statement; what is refused changes nothing."""
    node.faults.add(Rule(protocol="guest", call="psql update"))
    statement = "UPDATE vpx_ext SET thumbprint='CC' WHERE ext_id='com.vmware.rbd'"

    assert node.sh(f'{PSQL} -c "{statement}"')[0] == 1
    assert node.disk.extensions["com.vmware.rbd"].thumbprint == "AA:BB"
    assert node.sh(f'{PSQL} -c "{statement}"') == (0, "UPDATE 1\n")
    assert node.faults.calls["guest", "psql update", node.disk.fqdn] == 2


def test_psql_refuses_what_it_does_not_model(node):
    """Other statements and columns are 1, a database that is down is 2."""
    assert node.sh(f'{PSQL} -c "drop table vpx_ext"')[0] == 1
    assert node.sh(f'{PSQL} -c "select colour from vpx_ext"')[0] == 1
    node.board.stop(node.board.find("vmware-vpostgres"))
    assert node.sh(f'{PSQL} -c "select ext_id from vpx_ext"')[0] == 2


def test_a_key_shows_its_public_half(node):
    """Openssl pkey -pubout, as of the VMCA's key file."""
    code, output = node.sh("openssl pkey -in /var/lib/vmware/vmca/privatekey.pem -pubout")

    assert code == 0
    assert output.startswith("-----BEGIN PUBLIC KEY-----")
    assert pki.key_pem(shared_keys()[0]) == node.file("/var/lib/vmware/vmca/privatekey.pem")
