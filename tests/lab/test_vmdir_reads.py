"""vmdir of the lab: reads, extended operations, traps (vmdird measured, sections 5 and 6)."""

from __future__ import annotations

import ldap3
import pytest
from ldap3.core.exceptions import LDAPStartTLSError, LDAPUnknownResponseError
from ldap3.operation.abandon import abandon_operation

from loopback import free_port
from vmdir_lab import (
    ADMIN,
    BASE,
    BOB,
    CHAINS,
    CREDENTIAL,
    N1,
    TENANT,
    code,
    material,
    read,
    running,
)

pytestmark = pytest.mark.lab


@pytest.fixture(params=["D", "B", "A"])
def lab(request):
    """Serve one node of each age."""
    with running(age=request.param) as made:
        yield made


@pytest.fixture
def admin(lab):
    """Bind as Administrator."""
    return lab.connect()


def names(connection, base, text, scope=ldap3.LEVEL, **options):
    """Return the first RDN values found, sorted."""
    connection.search(base, text, scope, **options)
    return sorted(e["dn"].split(",")[0].partition("=")[2] for e in connection.response)


def test_5_star_returns_the_descriptor_too(admin):
    """`*` gives cn, objectClass, key, certificates and nTSecurityDescriptor."""
    shown = read(admin, CREDENTIAL, "*")

    assert set(shown) == {
        "cn",
        "objectClass",
        "userCertificate",
        "vmwSTSPrivateKey",
        "nTSecurityDescriptor",
    }
    assert shown["userCertificate"] == list(material().chain)


def test_5_plus_returns_operational_attributes(lab, admin):
    """Eight of them, and objectSid on A; metadata only by name."""
    shown = read(admin, CREDENTIAL, "+")
    meta = read(admin, CREDENTIAL, "attributeMetaData")["attributeMetaData"]

    expected = {
        "objectGUID",
        "creatorsName",
        "modifiersName",
        "createTimeStamp",
        "modifyTimeStamp",
        "entryDN",
        "uSNCreated",
        "uSNChanged",
    }
    assert set(shown) == expected | ({"objectSid"} if lab.age == "A" else set())
    assert shown["createTimeStamp"] == [b"20260101000000.0Z"]
    certificate = next(m for m in meta if m.startswith(b"userCertificate:")).decode()
    usn = shown["uSNChanged"][0].decode()
    invocation_id = lab.stores[N1].identity.invocation_id
    assert certificate.startswith(f"userCertificate:{usn}:1:{invocation_id}:")
    assert certificate.endswith(f":{usn}")


@pytest.mark.parametrize("attributes", [[], (), ["1.1"]])
def test_5_no_attributes(admin, attributes):
    """`1.1` gives the DN alone."""
    admin.search(CREDENTIAL, "(objectClass=*)", ldap3.BASE, attributes=attributes)

    assert admin.response[0]["raw_attributes"] == {}


def test_5_password_is_never_returned(admin):
    """UserPassword comes neither with `*` nor by name."""
    assert "userPassword" not in read(admin, ADMIN, "*", "userPassword")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(objectClass=vmwSTSTenantCredential)", ["TenantCredential-1"]),
        ("(cn=*credential*)", ["TenantCredential-1"]),
        ("(cn=tenant*-1)", ["TenantCredential-1"]),
        ("(vmwSTSPrivateKey=*)", ["TenantCredential-1"]),
        ("(|(cn=Attributes)(cn=tenantcredential-1))", ["Attributes", "TenantCredential-1"]),
        ("(&(cn=*)(objectClass=vmwSTSTenantCredential))", ["TenantCredential-1"]),
        ("(&(cn=A*)(!(cn=Attributes)))", []),
        ("(&(cn=A*)(uSNChanged>=1))", ["Attributes"]),
        ("(&(cn=A*)(uSNChanged<=1))", []),
        ("(noSuchAttribute=*)", []),
        ("(!(noSuchAttribute=*))", []),
        ("(cn:dn:=Attributes)", []),
    ],
)
def test_5_filters(admin, text, expected):
    """One-level searches; an undefined attribute gives no entry and 0."""
    found = names(admin, TENANT, text)

    assert found == expected
    assert code(admin) == 0


def test_5_scopes(admin):
    """Base, one level and subtree; DNs are compared without case."""
    credential = names(admin, CREDENTIAL.upper(), "(objectClass=*)", ldap3.BASE)
    chains = names(admin, CHAINS, "(objectClass=*)")
    subtree = names(
        admin, TENANT, "(objectClass=vmwSTSTenantTrustedCertificateChain)", ldap3.SUBTREE
    )

    assert credential == ["TenantCredential-1"]
    assert chains == ["TrustedCertChain-1"]
    assert subtree == ["DefaultClientCertCAStore", "TrustedCertChain-1"]


def test_5_missing_base(admin):
    """32, without matchedDN."""
    admin.search(f"cn=missing,{TENANT}", "(objectClass=*)")

    assert (code(admin), admin.result["dn"]) == (32, "")


def test_5_whole_database_from_the_empty_base(lab, admin):
    """D searches everything; B and A refuse an unindexed filter with 53."""
    found = names(admin, "", "(vmwSTSPrivateKey=*)", ldap3.SUBTREE)
    unindexed = code(admin)
    indexed = names(admin, "", "(objectClass=vmwSTSTenantCredential)", ldap3.SUBTREE)

    assert unindexed == (0 if lab.age == "D" else 53)
    assert found == (["TenantCredential-1"] if lab.age == "D" else [])
    assert indexed == ["TenantCredential-1"]


def test_5_domain_as_base_is_never_refused(admin):
    """A subtree search of the domain with an unindexed filter gives 0."""
    assert names(admin, BASE, "(vmwSTSPrivateKey=*)", ldap3.SUBTREE) == ["TenantCredential-1"]


def test_5_ordinary_user_sees_no_tenant(lab):
    """0 and no entries, not 50."""
    bob = lab.connect(BOB, "bob-pw")

    assert read(bob, CREDENTIAL) == {}
    assert code(bob) == 0


def test_5_paged_results(lab, admin):
    """Pages of 7 give every entry once; the size is 0 and the last cookie empty."""
    whole = names(admin, BASE, "(objectClass=*)", ldap3.SUBTREE)
    seen, sizes = [], []
    cookies: list[bytes | None] = [None]

    while cookies[-1] != b"" and len(cookies) < 50:
        seen += names(
            admin, BASE, "(objectClass=*)", ldap3.SUBTREE, paged_size=7, paged_cookie=cookies[-1]
        )
        answer = admin.result["controls"]["1.2.840.113556.1.4.319"]["value"]
        sizes.append(answer["size"])
        cookies.append(answer["cookie"])

    assert sorted(seen) == whole
    assert set(sizes) == {0}
    assert (cookies[1] or b"").isdigit() == (lab.age == "A")


def test_6_extended_operations_are_refused(admin):
    """WhoAmI and password-modify give 53; the connection stays usable."""
    codes = []

    for oid in ("1.3.6.1.4.1.4203.1.11.3", "1.3.6.1.4.1.4203.1.11.1", "1.2.3.4"):
        admin.extended(oid)
        codes.append((code(admin), admin.result["message"]))

    assert codes == [(53, "Operation is not yet implemented.")] * 3
    assert read(admin, CREDENTIAL)


def test_6_compare_is_refused(admin):
    """53."""
    admin.compare(CREDENTIAL, "cn", "TenantCredential-1")

    assert code(admin) == 53


def test_6_start_tls_is_refused(lab):
    """ldap3 raises LDAPStartTLSError on the plain port."""
    with running(age=lab.age, plain_port=free_port()) as other:
        server = ldap3.Server("127.0.0.1", other.registry[N1].plain_port, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, receive_timeout=10)
        connection.open()

        with pytest.raises(LDAPStartTLSError):
            connection.start_tls()


def test_6_abandon_is_answered_with_a_malformed_message(admin):
    """The next operation of a SYNC connection raises LDAPUnknownResponseError."""
    read(admin, CREDENTIAL)
    admin.send("abandonRequest", abandon_operation(1))

    with pytest.raises(LDAPUnknownResponseError):
        read(admin, CREDENTIAL)


def test_6_binary_option_reads_nothing(admin):
    """Asking for userCertificate;binary gives 0 and no attribute."""
    shown = read(admin, CREDENTIAL, "userCertificate;binary")

    assert shown == {}
    assert code(admin) == 0
