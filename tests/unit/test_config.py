"""domain.toml is read whole, strictly, and every problem is reported at once."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stsfix.plugin.config import Settings, Timeouts, load_settings
from stsfix.plugin.errors import ConfigError
from stsfix.plugin.settings import SshSettings
from stsfix.remediation.model import Platform, Restart, Transport

DIGITS = "ab12" * 16
PIN = "sha256:" + ":".join(DIGITS[i : i + 2] for i in range(0, 64, 2)).upper()
MINIMAL = """
[sso]
domain = "vsphere.local"
nodes = ["vc1.lab.example"]
[[esxi]]
host = "esx1.lab.example"
"""
FULL = f"""
[sso]
domain = "Vsphere.Local"
nodes = ["VC1.lab.example", "vc2.lab.example"]
user = "operator@vsphere.local"
[[esxi]]
host = "esx1.lab.example"
address = "127.0.0.1"
port = 20001
user = "svc"
tls = "{PIN}"
[[esxi]]
host = "esx2.lab.example"
[nodes]
user = "admin"
transport = "guest-operations"
tls = "sha256:{DIGITS}"
ports = {{ https = 8443 }}
[nodes."VC1.lab.example"]
address = "192.0.2.11"
user = "root"
ports = {{ ldaps = 20636 }}
[sts]
issuer = "files"
ca_certificate = "ca.pem"
ca_key = "ca.key"
validity_days = 365
retire_old = false
publish_root = false
[timeouts]
connect = 2
poll = 0.25
[secrets]
file = "secrets.toml"
"""


@pytest.fixture
def read(tmp_path):
    """Return a function that loads a text as domain.toml; CA files lie beside it."""
    (tmp_path / "ca.pem").write_text("stands in for a certificate")
    (tmp_path / "ca.key").write_text("stands in for a key")

    def load(text: str) -> Settings:
        path = tmp_path / "domain.toml"
        path.write_text(text)
        return load_settings(path)

    return load


def problems(load, text):
    """Return the problems of a text as one string each."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [str(problem) for problem in caught.value.problems]


def test_minimal_file_gets_every_default(read):
    """Two tables are enough; everything else has the documented default."""
    found = read(MINIMAL)

    assert found.sso.user == "administrator@vsphere.local"
    assert found.timeouts == Timeouts()
    assert found.secrets_file is None
    assert (found.sts.issuer, found.sts.validity_days) == (None, 3650)
    assert found.issuer_for("vc1.lab.example", Platform.APPLIANCE) == "vmca"
    assert found.issuer_for("vc1.lab.example", Platform.WINDOWS) == "own-ca"
    assert found.sts.allow_vmca_key is False
    assert found.services.restart is None
    assert (found.sts.retire_old, found.sts.publish_root) == (True, True)
    [host] = found.hosts
    assert (host.user, host.endpoint.address, host.endpoint.port) == (
        "root",
        "esx1.lab.example",
        443,
    )
    node = found.node("vc9.lab.example")
    assert (node.user, node.transport) == ("root", Transport.AUTO)
    assert (node.https.port, node.ldaps.port, node.vami.port) == (443, 636, 5480)
    assert node.ssh == SshSettings(port=22, host_key=None, known_hosts=None)
    assert node.https.trust.sha256 is None
    assert node.https.trust.ca_file is None


def test_full_file_is_read_as_written(read, tmp_path):
    """Every value that the file sets is in the settings, names in lower case."""
    found = read(FULL)

    assert found.sso.domain == "vsphere.local"
    assert found.sso.nodes == ("vc1.lab.example", "vc2.lab.example")
    assert found.sso.user == "operator@vsphere.local"
    first = found.hosts[0]
    assert (first.host, first.user) == ("esx1.lab.example", "svc")
    assert (first.endpoint.address, first.endpoint.port) == ("127.0.0.1", 20001)
    assert first.endpoint.trust.sha256 == DIGITS
    assert first.endpoint.connect_timeout_s == 2.0
    assert found.sts.ca_certificate == tmp_path / "ca.pem"
    assert found.sts.ca_key == tmp_path / "ca.key"
    assert (found.sts.validity_days, found.sts.retire_old) == (365, False)
    assert found.timeouts.poll == timedelta(milliseconds=250)
    assert found.secrets_file == tmp_path / "secrets.toml"


def test_node_is_default_merged_with_its_own_table(read):
    """A node's own key wins, the rest comes from [nodes]; the name's case does not matter."""
    found = read(FULL)

    own = found.node("Vc1.LAB.example.")
    other = found.node("vc2.lab.example")

    assert (own.user, other.user) == ("root", "admin")
    assert (own.https.port, own.ldaps.port) == (8443, 20636)
    assert (other.https.port, other.ldaps.port) == (8443, 636)
    assert (own.https.address, other.https.address) == ("192.0.2.11", "vc2.lab.example")
    assert own.ldaps.name == "vc1.lab.example"
    assert own.ldaps.trust == other.ldaps.trust


@pytest.mark.parametrize(
    "pin",
    [DIGITS, DIGITS.upper(), PIN.removeprefix("sha256:"), PIN.removeprefix("sha256:").lower()],
    ids=["lower", "upper", "colons-upper", "colons-lower"],
)
@pytest.mark.parametrize("prefix", ["sha256:", "SHA256:"])
def test_pin_is_read_in_every_notation(read, prefix, pin):
    """A pin may have colons or not, in either case; it is kept as 64 lower-case digits."""
    found = read(MINIMAL + f'tls = "{prefix}{pin}"\n')

    assert found.hosts[0].endpoint.trust.sha256 == DIGITS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[sts]\nvalidity = 1", "sts.validity: unknown key, did you mean validity_days"),
        ("[colour]\n", "colour: unknown key"),
        ('[sts]\nvalidity_days = "1"', "sts.validity_days: must be a whole number"),
        ("[sts]\nvalidity_days = true", "sts.validity_days: must be a whole number"),
        ("[sts]\nvalidity_days = 0", "sts.validity_days: must be from 1 to 7305"),
        ('[services]\nrestart = "some"', 'services.restart: must be "all" or "needed"'),
        ('[services]\nwhich = "all"', "services.which: unknown key"),
        ("[snapshots]\ngrowth_gib = 0", "snapshots.growth_gib: must be from 1 to 10000"),
        ("[sts]\nretire_old = 1", "sts.retire_old: must be true or false"),
        ('[sts]\nissuer = "acme"', 'sts.issuer: must be "vmca" or "own-ca" or "files"'),
        ('[sts]\nissuer = "vmca"\nca_key = "ca.key"', "sts.ca_key: is used only with"),
        (
            '[sts]\nissuer = "own-ca"\nallow_vmca_key = true',
            'sts.allow_vmca_key: is used only with issuer = "vmca"',
        ),
        ('[sts]\nissuer = "files"\nca_key = "ca.key"', "sts.ca_certificate: is needed"),
        ('[sts]\nca_key = "ca.key"', "sts.ca_key: is used only with"),
        ('[sts]\nissuer = "files"\nca_certificate = "ca.pem"\nca_key = "x"', "sts.ca_key: no such"),
        ('[nodes]\ntransport = "telnet"', 'nodes.transport: must be "auto" or "guest-operations"'),
        ('[nodes]\nssh_host_key = "SHA256:short"', "nodes.ssh_host_key: must be SHA256: and 43"),
        ('[nodes]\nssh_known_hosts = "none"', "nodes.ssh_known_hosts: no such file"),
        (
            f'[nodes]\nssh_host_key = "sha256:{DIGITS}"\nssh_known_hosts = "ca.pem"',
            "nodes.ssh_known_hosts: is of no use beside ssh_host_key",
        ),
        ("[nodes]\nports = { ssh = 0 }", "nodes.ports.ssh: must be from 1 to 65535"),
        ("[nodes]\nports = { https = 0 }", "nodes.ports.https: must be from 1 to 65535"),
        ("[nodes]\nports = { smb = 22 }", "nodes.ports.smb: unknown key"),
        ("[nodes]\nports = 443", "nodes.ports: must be a table"),
        ('[nodes]\naddress = "192.0.2.1"', "nodes.address: unknown key"),
        ('[nodes.vc1.lab.example]\nuser = "x"', "nodes.vc1: must be a fully qualified host name"),
        ('[nodes."a.b"]\n[nodes."A.B"]', 'nodes."A.B": is listed twice'),
        ("[timeouts]\nboot = 0", "timeouts.boot: must be from 0.001 to 604800 seconds"),
        ("[timeouts]\nboot = nan", "timeouts.boot: must be from 0.001 to 604800 seconds"),
        ('[timeouts]\nboot = "1 h"', "timeouts.boot: must be a number of seconds"),
        ('[[esxi]]\nhost = "ESX1.lab.example"', "esxi[1].host: is listed twice"),
        ('[[esxi]]\nuser = "root"', "esxi[1].host: is missing"),
        ('[[esxi]]\nhost = "https://esx2/"', "esxi[1].host: must be a host name or an IP"),
        ('[[esxi]]\nhost = "e2"\ntls = "sha256:12"', "esxi[1].tls: a pin is sha256: and 64 hex"),
        (f'[[esxi]]\nhost = "e2"\ntls = "{DIGITS}"', "esxi[1].tls: write sha256: in front"),
        ('[[esxi]]\nhost = "e2"\ntls = "no.pem"', "esxi[1].tls: no such file"),
        ('[[esxi]]\nhost = "e2"\ntls = "ca.pem"', "esxi[1].tls: the file holds no readable PEM"),
        ('[[esxi]]\nhost = "e2"\ntls = "a\\nb"', "esxi[1].tls: must be the path of a file, not"),
        ('[[esxi]]\nhost = "e2"\ntls = ""', "esxi[1].tls: must not be empty"),
        ('[[esxi]]\nhost = "e2"\nport = 70000', "esxi[1].port: must be from 1 to 65535"),
        ("[secrets]\nfile = 1", "secrets.file: must be a string"),
    ],
)
def test_one_problem_is_named_with_its_place(read, text, expected):
    """Whatever is wrong is reported at its TOML location with what would be right."""
    found = problems(read, MINIMAL + text)

    assert len(found) == 1
    assert found[0].startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["sso.domain: is missing", "sso.nodes: is missing"]),
        ('sso.domain = "local"', ["sso.domain: must be the SSO domain's name with a dot"]),
        ('sso.user = "administrator"', ["sso.user: must be user@domain"]),
        ('sso = { domain = "a.b", user = "x@c.d" }', ["sso.user: must be a user of a.b"]),
        ("sso.nodes = []", ["sso.nodes: must be a list of at least one string"]),
        ('sso.nodes = ["vc1"]', ["sso.nodes: entry 0 must be a fully qualified host name"]),
        ('sso.nodes = ["a.b", 1, "A.b"]', ["sso.nodes: entry 1 must be a string", "entry 2 is l"]),
        ('esxi = "esx1"', ["esxi: must be written as [[esxi]]", "name every ESXi host"]),
        ("nodes = 3", ["nodes: must be a table"]),
    ],
)
def test_problems_of_required_tables_are_all_named(read, text, expected):
    """A file that lacks what is required gets one problem for each thing it lacks."""
    found = "; ".join(problems(read, text))

    assert [wanted for wanted in expected if wanted not in found] == []


@pytest.mark.parametrize("key", ["password", "sso_pass", "rootPassword", "pwd", "token"])
def test_secret_in_the_file_is_refused_and_not_shown(read, key):
    """A key that looks like a secret is refused wherever it stands; its value is not repeated."""
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL + f'{key} = "hunter2-hunter2"')

    assert f"esxi[0].{key}: a secret never stands in this file" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_all_problems_are_one_error(read, tmp_path):
    """Several problems come in one error that names the file, a line for each."""
    with pytest.raises(ConfigError) as caught:
        read(MINIMAL + "port = 0\n[sts]\nx = 1\n[timeouts]\nread = -1\n")

    assert len(caught.value.problems) == 3
    assert str(caught.value) == f"{tmp_path / 'domain.toml'} has 3 problems"
    assert caught.value.evidence == tuple(map(str, caught.value.problems))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[sso\n", "is not valid TOML at line 1"),
        (b"\xff\xfe[\x00", "is not UTF-8 text"),
        (b"a = " + b"[" * 20000, "is not valid TOML"),
        (b"a = " + b"1" * 5000, "is not valid TOML"),
        (b"#" * (1 << 20) + b"#", "is larger than 1 MiB"),
    ],
    ids=["broken", "utf-16", "deep", "digits", "large"],
)
def test_file_that_is_no_toml_is_refused(tmp_path, content, expected):
    """Any content ends in a ConfigError with one reason."""
    path = tmp_path / "domain.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=expected):
        load_settings(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("absent.toml", "there is no such file"), (".", r"cannot be read \(Is a directory\)")],
)
def test_file_that_cannot_be_read_is_refused(tmp_path, name, expected):
    """A missing file and a folder are named as what they are."""
    with pytest.raises(ConfigError, match=expected):
        load_settings(tmp_path / name)


def test_byte_order_mark_is_ignored(tmp_path):
    """A file saved by Notepad with a byte order mark is read as any other."""
    path = tmp_path / "domain.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())

    assert load_settings(path).sso.domain == "vsphere.local"


KEYS = st.sampled_from(
    [
        *("sso", "esxi", "nodes", "sts", "timeouts", "secrets", "domain", "user", "host", "tls"),
        *(
            "ports",
            "https",
            "address",
            "port",
            "file",
            "issuer",
            "ca_key",
            "boot",
            "vc1.lab.example",
        ),
    ]
)
LEAVES = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=300),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def as_toml(value):
    """Write a value as inline TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
        case list():
            return "[" + ", ".join(map(as_toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f'"{k}" = {as_toml(v)}' for k, v in value.items()) + "}"
        case _:
            return str(value)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """Return one file that every generated example may overwrite."""
    return tmp_path_factory.mktemp("config") / "domain.toml"


@settings(max_examples=300)
@given(document=st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_toml_is_read_or_refused(scratch, document):
    """No TOML document raises anything but ConfigError."""
    scratch.write_text("".join(f'"{k}" = {as_toml(v)}\n' for k, v in document.items()))

    try:
        found = load_settings(scratch)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either outcome is right
    else:
        assert found.hosts


@settings(max_examples=100)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused(scratch, content):
    """No content at all raises anything but ConfigError; short noise is never a configuration."""
    scratch.write_bytes(content)

    with pytest.raises(ConfigError):
        load_settings(scratch)


OPENSSH = "SHA256:qxKrEqsSqxKrEqsSqxKrEqsSqxKrEqsSqxKrEqsSqxI"


@pytest.mark.parametrize(
    "form", [OPENSSH, f"{OPENSSH}=", f"sha256:{DIGITS}", f"SHA256:{DIGITS.upper()}", PIN]
)
def test_a_host_key_is_pinned_in_any_form(read, form):
    """As ssh-keygen prints it, or as every other fingerprint of this file is written."""
    found = read(f'{MINIMAL}[nodes]\nssh_host_key = "{form}"\n')

    assert found.node("vc9.lab.example").ssh.host_key == DIGITS


def test_a_node_has_its_own_transport_and_its_own_trust(read, tmp_path):
    """What a node's table says of SSH replaces the default, also the other kind of trust."""
    found = read(
        f"""{MINIMAL}
[nodes]
transport = "ssh"
ssh_known_hosts = "ca.pem"
ports = {{ ssh = 2222 }}
[nodes."vc1.lab.example"]
address = "192.0.2.1"
transport = "vami"
ssh_host_key = "{OPENSSH}"
[nodes."vc2.lab.example"]
ports = {{ ssh = 22 }}
"""
    )

    first, second = found.node("vc1.lab.example"), found.node("vc2.lab.example")
    assert (first.transport, first.address) == (Transport.VAMI, "192.0.2.1")
    assert first.ssh == SshSettings(port=2222, host_key=DIGITS)
    assert (second.transport, second.address) == (Transport.SSH, "vc2.lab.example")
    assert second.ssh == SshSettings(port=22, known_hosts=tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("text", "issuer"),
    [
        ('[nodes]\ntransport = "vami"', "own-ca"),
        ('[nodes]\ntransport = "ssh"', "vmca"),
        ('[nodes."vc1.lab.example"]\ntransport = "vami"', "own-ca"),
        ('[sts]\nissuer = "own-ca"', "own-ca"),
        ('[nodes]\ntransport = "vami"\n[sts]\nissuer = "vmca"', "vmca"),
    ],
)
def test_issuer_follows_the_writer_s_transport(read, text, issuer):
    """VMCA is asked by scripts; what the operator wrote holds."""
    assert read(f"{MINIMAL}\n{text}").issuer_for("vc1.lab.example", Platform.APPLIANCE) == issuer


def test_the_growth_of_snapshots_is_what_the_file_says(read):
    """In GiB for each node, ten if nothing is said."""
    assert read(MINIMAL).snapshots.growth_gib == 10
    assert read(f"{MINIMAL}\n[snapshots]\ngrowth_gib = 40\n").snapshots.growth_gib == 40


@pytest.mark.parametrize("restart", list(Restart))
def test_restart_is_what_the_file_says(read, restart):
    """Left out it is decided by the nodes' release."""
    assert read(f'{MINIMAL}\n[services]\nrestart = "{restart}"\n').services.restart is restart


@pytest.mark.parametrize("transport", list(Transport))
def test_every_transport_can_be_written(read, transport):
    """Also that there is none."""
    found = read(f'{MINIMAL}\n[nodes]\ntransport = "{transport}"\n')

    assert found.node("vc1.lab.example").transport is transport


def test_a_file_that_anybody_can_write_is_refused(read, tmp_path):
    """It says whom to trust, and to whom passwords go; so do the files of CAs that it names."""
    read(FULL)
    (tmp_path / "ca.pem").chmod(0o646)

    assert problems(read, FULL) == [
        "sts.ca_certificate: the file can be written by anybody: chmod o-w, after you have read it"
    ]
    assert problems(read, f'{MINIMAL}[nodes]\nssh_known_hosts = "ca.pem"') == [
        (
            "nodes.ssh_known_hosts: the file can be written by anybody: chmod o-w,"
            " after you have read it"
        )
    ]

    (tmp_path / "ca.pem").chmod(0o664)
    (tmp_path / "domain.toml").chmod(0o666)

    assert "can be written by anybody" in problems(read, FULL)[0]


def test_another_users_file_is_taken_only_by_name(read, tmp_path, monkeypatch):
    """A domain.toml that lies in the current folder may have been put there for us."""
    read(FULL)
    path = tmp_path / "domain.toml"
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    if os.getuid() == 0:
        os.chown(path, 4711, -1)  # root's is taken: the system's own

    with pytest.raises(ConfigError, match="belongs to another user"):
        load_settings(path, come_across=True)

    assert load_settings(path).path == path


@pytest.mark.parametrize(("mode", "taken"), [(0o777, False), (0o1777, True), (0o775, True)])
def test_a_file_that_anybody_can_replace_is_refused(read, tmp_path, mode, taken):
    """As one that anybody can write; in /tmp, which is sticky, only its owner can."""
    tmp_path.chmod(mode)

    if taken:
        assert read(FULL).sts.ca_key == tmp_path / "ca.key"
    else:
        assert "anybody may put another one in its place" in problems(read, FULL)[0]


@pytest.mark.parametrize("value", ["shared/ca.pem", "shared/conf/ca.pem"])
def test_a_file_of_a_ca_is_not_reached_through_everybodys(read, tmp_path, value):
    """By a link there, or in a folder that could be another one tomorrow."""
    read(FULL)
    conf = tmp_path / "shared" / "conf"
    conf.mkdir(parents=True)
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / "ca.pem").rename(conf / "ca.pem")
    (tmp_path / "shared" / "ca.pem").symlink_to(conf / "ca.pem")

    (told,) = problems(read, f'{MINIMAL}[nodes]\nssh_known_hosts = "{value}"')

    assert "anybody may put another one in its place" in told
    assert told.endswith("read it, and copy it into the folder of this file")


@pytest.mark.parametrize("come_across", [True, False])
def test_a_configuration_is_not_reached_through_everybodys(read, tmp_path, come_across):
    """Not even one that is named."""
    read(FULL)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "domain.toml").symlink_to(tmp_path / "domain.toml")

    with pytest.raises(ConfigError, match="in its place") as refused:
        load_settings(shared / "domain.toml", come_across=come_across)

    assert "move it into a folder of yours" in refused.value.problems[0].reason


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_a_ca_belongs_to_whom_the_configuration_does(read, tmp_path):
    """Another user could write another CA into it; all of it may be another user's."""
    read(FULL)
    os.chown(tmp_path / "ca.pem", 4711, -1)

    assert "belongs to another user (4711)" in problems(read, FULL)[0]

    os.chown(tmp_path, 4711, -1)
    os.chown(tmp_path / "domain.toml", 4711, -1)
    assert load_settings(tmp_path / "domain.toml").path.exists()
