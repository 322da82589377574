"""vmdir of the lab, seen by OpenLDAP's command line tools: an LDAP stack nobody here wrote."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess

import pytest

from stsfix.lab.vmdir import get_values
from vmdir_lab import ADMIN, BASE, CHAINS, CREDENTIAL, N1, PASSWORD, TENANT, material, running

TOOLS = ("ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldapwhoami", "ldapcompare")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.peer,
    pytest.mark.skipif(bool(MISSING), reason=f"OpenLDAP tools are not installed: {MISSING}"),
]


class Tools:
    """Runs a tool against one server, over LDAPS verified with the lab's root."""

    def __init__(self, port: int, ca_file: str) -> None:
        self._url = f"ldaps://127.0.0.1:{port}"
        self._environment = {**os.environ, "LDAPTLS_CACERT": ca_file, "LDAPTLS_REQCERT": "demand"}

    def run(
        self,
        tool: str,
        *arguments: str,
        text: str = "",
        user: str = ADMIN,
        password: str = PASSWORD,
    ) -> subprocess.CompletedProcess[str]:
        """Run *tool*; its exit code is the LDAP result code."""
        bind = ["-D", user, "-w", password] if user else []
        return subprocess.run(
            [tool, "-x", "-H", self._url, *bind, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env=self._environment,
        )


@pytest.fixture
def lab():
    """Serve one node."""
    with running() as made:
        yield made


@pytest.fixture
def tools(lab, tmp_path):
    """Return the tools for that node."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(material().root_pem)
    return Tools(lab.registry[N1].port, str(ca_file))


def test_a_credential_is_removed_by_hand_and_put_back(tools, tmp_path):
    """As docs/operating.md has it: the copy is whole, key and order of certificates included."""
    attributes = ("objectClass", "cn", "userCertificate", "vmwSTSPrivateKey")
    look = ("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-s", "base", "-b", CREDENTIAL, *attributes)
    copy = tmp_path / "credential.ldif"
    copy.write_text(tools.run(*look).stdout)

    codes = [
        tools.run("ldapdelete", CREDENTIAL).returncode,
        tools.run(*look).returncode,
        tools.run("ldapadd", "-f", str(copy)).returncode,
    ]

    assert codes == [0, 32, 0]
    put_back = tools.run(*look).stdout
    assert binary(put_back, "userCertificate") == list(material().chain)
    assert binary(put_back, "vmwSTSPrivateKey") == [material().key]


def binary(ldif, name):
    """Return the base64 values of an attribute in LDIF without wrapped lines, in order."""
    return [base64.b64decode(v) for v in re.findall(rf"^{name}:: (.*)$", ldif, re.MULTILINE)]


def test_search_returns_certificates_in_order(tools):
    """Ldapsearch decodes the credential, byte for byte and in order."""
    done = tools.run("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", CREDENTIAL, "-s", "base")

    assert done.returncode == 0
    assert binary(done.stdout, "userCertificate") == list(material().chain)
    assert binary(done.stdout, "vmwSTSPrivateKey") == [material().key]


def test_root_dse_without_a_bind(tools):
    """Ldapsearch reads the rootDSE anonymously."""
    done = tools.run("ldapsearch", "-LLL", "-b", "", "-s", "base", "*", "+", user="", password="")

    assert done.returncode == 0
    assert "dn: cn=DSE Root" in done.stdout
    assert f"vmwAdministratorDN: {ADMIN}" in done.stdout


def test_certificate_of_the_server_is_verified(lab, tools, tmp_path):
    """With another root the tool refuses the connection, so the checks above are real."""
    empty = tmp_path / "none.pem"
    empty.write_bytes(b"")

    done = Tools(lab.registry[N1].port, str(empty)).run("ldapsearch", "-b", "", "-s", "base")

    assert done.returncode == 255


def test_wrong_and_empty_password(tools):
    """49 for both, as measured with ldapsearch."""
    codes = [
        tools.run("ldapsearch", "-b", "", "-s", "base", password=password).returncode
        for password in ("wrong", "")
    ]

    assert codes == [49, 49]


def test_add_modify_in_reverse_and_delete(lab, tools):
    """Ldapadd, ldapmodify with three changes, and ldapdelete; the last change comes first."""
    dn = f"cn=TrustedCertChain-2,{CHAINS}"
    entry = (
        f"dn: {dn}\nobjectClass: vmwSTSTenantTrustedCertificateChain\n"
        "cn: TrustedCertChain-2\nuserCertificate: c\nuserCertificate: a\n"
    )
    changes = (
        f"dn: {dn}\nchangetype: modify\nreplace: userCertificate\nuserCertificate: one\n"
        "userCertificate: two\n-\nadd: userCertificate\nuserCertificate: three\n"
    )

    added = tools.run("ldapadd", text=entry).returncode
    first = get_values(lab.stores[N1], dn, "userCertificate")
    modified = tools.run("ldapmodify", text=changes).returncode
    second = get_values(lab.stores[N1], dn, "userCertificate")
    deleted = tools.run("ldapdelete", dn).returncode

    assert (added, modified, deleted) == (0, 0, 0)
    assert first == [b"c", b"a"]
    assert second == [b"one", b"two"]


def test_refusals_reach_the_tools(tools):
    """WhoAmI and compare 53, non-leaf 66, missing entry 32."""
    who_am_i = tools.run("ldapwhoami")
    codes = [
        tools.run("ldapcompare", CREDENTIAL, "cn:TenantCredential-1").returncode,
        tools.run("ldapdelete", TENANT).returncode,
        tools.run("ldapdelete", f"cn=missing,{TENANT}").returncode,
    ]

    # This tool does not exit with the result code.
    assert "(53)" in who_am_i.stdout + who_am_i.stderr
    assert codes == [53, 66, 32]


def test_paged_search_and_filters(tools):
    """Ldapsearch pages through the domain and finds every entry once."""
    options = ("-LLL", "-o", "ldif-wrap=no", "-b", BASE)
    whole = tools.run("ldapsearch", *options, "(objectClass=*)", "1.1")
    paged = tools.run("ldapsearch", *options, "-E", "pr=5/noprompt", "(objectClass=*)", "1.1")
    combined = "(&(objectClass=vmwSTSTenantCredential)(!(cn=x))(|(cn=Tenant*-1)(cn>=zzz)))"
    filtered = tools.run("ldapsearch", *options, combined, "1.1")

    names = sorted(re.findall(r"^dn: (.*)$", whole.stdout, re.MULTILINE))
    assert sorted(re.findall(r"^dn: (.*)$", paged.stdout, re.MULTILINE)) == names
    assert len(names) == len(set(names)) > 30
    assert re.findall(r"^dn: (.*)$", filtered.stdout, re.MULTILINE) == [CREDENTIAL]
