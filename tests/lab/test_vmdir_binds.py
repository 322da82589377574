"""vmdir of the lab: binds and the anonymous view (rows of vmdird measured, sections 2 and 3)."""

from __future__ import annotations

import time

import ldap3
import pytest
from ldap3.core.exceptions import LDAPSessionTerminatedByServerError

from loopback import free_port
from stsfix.lab.clock import LabClock
from vmdir_lab import (
    ADMIN,
    BASE,
    BOB,
    CREDENTIAL,
    N1,
    PASSWORD,
    TENANT,
    code,
    read,
    running,
)

pytestmark = pytest.mark.lab
AGES = ["D", "B", "A"]


@pytest.fixture(params=AGES)
def lab(request):
    """Serve one node of each age, with a plain port."""
    with running(age=request.param, plain_port=free_port()) as made:
        yield made


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_2_plain_simple_bind_is_refused_whatever_the_password(lab, password):
    """Plain LDAP answers every simple bind with 53."""
    server = ldap3.Server("127.0.0.1", lab.registry[N1].plain_port, get_info=ldap3.NONE)
    connection = ldap3.Connection(server, ADMIN, password, receive_timeout=10)

    connection.bind()

    assert code(connection) == 53
    assert connection.result["message"] == "Simple bind not allowed"


@pytest.mark.parametrize(
    ("user", "password", "codes"),
    [
        (ADMIN, PASSWORD, {"D": 0, "B": 0, "A": 0}),
        (ADMIN.upper(), PASSWORD, {"D": 0, "B": 0, "A": 0}),
        (ADMIN, "wrong", {"D": 49, "B": 49, "A": 49}),
        (f"cn=nobody,cn=Users,{BASE}", "x", {"D": 32, "B": 49, "A": 49}),
        ("administrator@vsphere.local", PASSWORD, {"D": 34, "B": 49, "A": 49}),
        ("VSPHERE\\administrator", PASSWORD, {"D": 34, "B": 49, "A": 49}),
    ],
    ids=["right", "upper-case", "wrong", "unknown", "upn", "down-level"],
)
def test_2_bind_codes(lab, user, password, codes):
    """A bind needs the full DN; the codes of a failure differ by age."""
    connection = lab.connect(user, password)

    assert code(connection) == codes[lab.age]
    assert connection.result["message"] == ""


def test_2_administrator_is_exempt_from_lockout(lab):
    """Twelve wrong passwords, then the right one works."""
    answers = [code(lab.connect(ADMIN, "wrong")) for _ in range(12)]

    assert answers == [49] * 12
    assert code(lab.connect()) == 0


def test_2_ordinary_user_is_locked_after_eight_wrong(lab):
    """After 8 wrong passwords the right one is refused: 50 on D, 49 on B and A."""
    answers = [code(lab.connect(BOB, "wrong")) for _ in range(8)]

    assert answers == [49] * 8
    assert code(lab.connect(BOB, "bob-pw")) == {"D": 50, "B": 49, "A": 49}[lab.age]
    assert code(lab.connect(BOB, "wrong")) == 49


def test_2_seven_wrong_do_not_lock(lab):
    """After 7 wrong passwords the right one works."""
    for _ in range(7):
        lab.connect(BOB, "wrong")

    assert code(lab.connect(BOB, "bob-pw")) == 0


def test_2_failed_rebind_leaves_an_anonymous_session(lab):
    """After a failed bind on an open connection nothing is visible any more."""
    connection = lab.connect()
    connection.rebind(ADMIN, "wrong")

    shown = read(connection, CREDENTIAL)

    assert shown == {}
    assert code(connection) == {"D": 0, "B": 0, "A": 50}[lab.age]


def test_2_idle_connection_is_dropped_without_notice():
    """An idle connection ends after 180 field seconds; the next operation finds it closed."""
    with running(clock=LabClock(600), min_idle_s=0.1) as lab:
        connection = lab.connect()
        assert read(connection, CREDENTIAL)
        time.sleep(0.8)

        with pytest.raises(LDAPSessionTerminatedByServerError):
            read(connection, CREDENTIAL)


def test_3_root_dse_needs_exactly_the_object_class_filter(lab):
    """Any other filter gives 0 and no entry."""
    connection = lab.connect(None, None)
    counts = []

    for text in ("(objectClass=*)", "(OBJECTCLASS=*)", "(cn=*)", "(objectClass=top)"):
        connection.search("", text, ldap3.BASE, attributes=["*"])
        counts.append(len(connection.response))

    assert counts == [1, 1, 0, 0]
    assert code(connection) == 0


def test_3_root_dse_star_gives_six_attributes(lab):
    """`*` alone hides nearly everything; A has no nTSecurityDescriptor."""
    connection = lab.connect(None, None)

    connection.search("", "(objectClass=*)", ldap3.BASE, attributes=["*"])

    expected = {
        "cn",
        "objectClass",
        "msDS-SiteName",
        "subSchemaSubEntry",
        "vmwPlatformServicesControllerVersion",
    }
    expected |= set() if lab.age == "A" else {"nTSecurityDescriptor"}
    assert set(connection.response[0]["raw_attributes"]) == expected
    assert connection.response[0]["dn"] == "cn=DSE Root"


def test_3_root_dse_names_the_domain_without_a_bind(lab):
    """Server, administrator, one SASL value; no invocationId; USN only by name."""
    connection = lab.connect(None, None)

    root = read(connection, "", "*", "+", "invocationId")
    by_name = read(connection, "", "highestCommittedUSN")

    assert root["serverName"][0].startswith(f"cn={N1},cn=Servers,".encode())
    assert root["vmwAdministratorDN"] == [ADMIN.encode()]
    assert root["supportedSASLMechanisms"] == [b"GSSAPI SRP"]
    assert len(root["supportedControl"]) == 5
    assert "invocationId" not in root
    assert "highestCommittedUSN" not in root
    assert int(by_name["highestCommittedUSN"][0]) > 0
    assert ("vmwMaximumDomainFunctionalLevel" in root) == (lab.age != "A")


def test_3_schema_is_readable_without_a_bind(lab):
    """ldap3 reads the schema entry and finds the credential's class in it."""
    server = ldap3.Server("127.0.0.1", lab.registry[N1].port, use_ssl=True, get_info=ldap3.ALL)

    with ldap3.Connection(server, receive_timeout=10):
        found = server.schema.object_classes["vmwSTSTenantCredential"]

    assert set(found.must_contain) == {"cn", "vmwSTSPrivateKey", "userCertificate"}
    assert server.schema.attribute_types["vmwSTSPrivateKey"].single_value


def test_3_replication_status_on_a_single_node(lab):
    """Seven lines; both vectors are Unknown. A asks for a bind first."""
    anonymous = lab.connect(None, None)
    read(anonymous, "cn=replicationstatus", "vmwServerRunTimeStatus")
    lines = read(lab.connect(), "cn=replicationstatus", "+")["vmwServerRunTimeStatus"]

    assert code(anonymous) == {"D": 0, "B": 0, "A": 50}[lab.age]
    assert [line.split(b":")[0] for line in lines] == [
        b"Server Name",
        b"USN",
        b"Replication Cycle Count",
        b"InvocationID",
        b"UtdVector",
        b"RAProcessedUSN Vector",
        b"MaxOriginatingUSN",
    ]
    assert b"UtdVector: Unknown" in lines
    assert b"RAProcessedUSN Vector: Unknown" in lines


def test_3_replication_status_needs_base_scope_and_the_filter(lab):
    """Another scope or filter gives 32; without attributes only cn and objectClass come."""
    connection = lab.connect()
    codes = []

    for scope, text in ((ldap3.SUBTREE, "(objectclass=*)"), (ldap3.BASE, "(cn=*)")):
        connection.search("cn=replicationstatus", text, scope)
        codes.append(code(connection))
    plain = read(connection, "cn=replicationstatus", "*")

    assert codes == [32, 32]
    assert set(plain) == {"cn", "objectClass"}


@pytest.mark.parametrize("name", ["serverstatus", "schemareplstatus", "integritycheckstatus"])
def test_3_other_status_entries_are_refused(lab, name):
    """Each gives 50."""
    connection = lab.connect(None, None)

    read(connection, f"cn={name}")

    assert code(connection) == 50


@pytest.mark.parametrize(
    ("dn", "codes"),
    [
        (CREDENTIAL, {"D": 0, "B": 0, "A": 50}),
        (f"cn=TenantCredential-9,{TENANT}", {"D": 32, "B": 32, "A": 50}),
    ],
    ids=["there", "missing"],
)
def test_3_anonymous_read_is_empty_but_existence_leaks(lab, dn, codes):
    """D and B say 0 with no entry, 32 for a missing DN; A says 50."""
    connection = lab.connect(None, None)

    shown = read(connection, dn)

    assert shown == {}
    assert code(connection) == codes[lab.age]


def test_3_anonymous_writes_are_refused(lab):
    """Add, modify and delete give 50."""
    connection = lab.connect(None, None)
    codes = []

    connection.add(f"cn=x,{TENANT}", "container")
    codes.append(code(connection))
    connection.modify(CREDENTIAL, {"cn": [(ldap3.MODIFY_REPLACE, ["x"])]})
    codes.append(code(connection))
    connection.delete(CREDENTIAL)
    codes.append(code(connection))

    assert codes == [50, 50, 50]


def test_3_own_server_entry_has_invocation_id_and_interval(lab):
    """ReplInterval is 30 on A and 1 on B and D; a single node has no upToDateVector."""
    connection = lab.connect()
    dn = lab.stores[N1].identity.server_dn

    shown = read(connection, dn)

    assert shown["replInterval"] == [b"30" if lab.age == "A" else b"1"]
    assert len(shown["invocationId"][0]) == 36
    assert "upToDateVector" not in shown
