"""Names in vmdir."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.utils.dn import parse_dn

from stsfix.remediation.directory import dn


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("local", "dc=local"),
        ("vsphere.local", "dc=vsphere,dc=local"),
        ("sso.corp.example.com", "dc=sso,dc=corp,dc=example,dc=com"),
    ],
    ids=["one-label", "two", "four"],
)
def test_domain_dn_has_one_dc_per_label(domain, expected):
    """Any number of labels becomes as many dc parts, joined by a bare comma, and back."""
    found = dn.domain_dn(domain)

    assert found == expected
    assert dn.domain_name(found) == domain


@pytest.mark.parametrize("domain", ["", ".", "a..b", "a,b", "a b", "-a", "a=b", "a."])
def test_no_domain_dn_is_made_of_something_else(domain):
    """Text that is no domain name never becomes part of a DN."""
    with pytest.raises(ValueError, match="not a domain name"):
        dn.domain_dn(domain)


def test_sts_entries_are_where_lightwave_puts_them():
    """The four STS names for vsphere.local, spelled out."""
    tenant = "cn=vsphere.local,cn=Tenants,cn=IdentityManager,cn=Services,dc=vsphere,dc=local"

    assert dn.tenant("vsphere.local") == tenant
    assert dn.credential("vsphere.local", 7) == f"cn=TenantCredential-7,{tenant}"
    assert dn.chains("vsphere.local") == f"cn=TrustedCertificateChains,{tenant}"
    assert (
        dn.chain("vsphere.local", 3)
        == f"cn=TrustedCertChain-3,cn=TrustedCertificateChains,{tenant}"
    )


@pytest.mark.parametrize("index", [0, -1, 2**31])
@pytest.mark.parametrize("name", [dn.credential, dn.chain])
def test_number_that_breaks_the_tenant_is_never_written(name, index):
    """No DN is made for a number that Integer.parseInt refuses or that counts backwards."""
    with pytest.raises(ValueError, match="no index"):
        name("vsphere.local", index)


def test_other_containers_hang_below_the_domain():
    """Accounts, sites and trusted roots of vsphere.local, spelled out."""
    assert dn.controllers("vsphere.local") == "ou=Domain Controllers,dc=vsphere,dc=local"
    assert dn.computers("vsphere.local") == "ou=Computers,dc=vsphere,dc=local"
    assert dn.sites("vsphere.local") == "cn=Sites,cn=Configuration,dc=vsphere,dc=local"
    assert dn.authority("vsphere.local", "AB") == (
        "cn=AB,cn=Certificate-Authorities,cn=Configuration,dc=vsphere,dc=local"
    )
    assert dn.user("vsphere.local", "Administrator") == (
        "cn=Administrator,cn=Users,dc=vsphere,dc=local"
    )


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("cn=TenantCredential-1,cn=x", 1),
        ("CN=TenantCredential-012,cn=x", 12),
        ("cn=TenantCredential-+3,cn=x", 3),
        ("cn=TenantCredential--3,cn=x", -3),
        ("cn=Foo-9,cn=x", 9),
        ("cn=TenantCredential-2147483647,cn=x", 2147483647),
        ("cn=TenantCredential-2147483648,cn=x", None),
        ("cn=TenantCredential--2147483648,cn=x", -2147483648),
        ("cn=TenantCredential-1-old,cn=x", None),
        ("cn=TenantCredential-bak,cn=x", None),
        ("cn=TenantCredential-,cn=x", None),
        ("cn=TenantCredential-1 ,cn=x", None),
        ("cn=TenantCredential-1_0,cn=x", None),
        ("cn=TenantCredential,cn=a-1", None),
        ("cn=TenantCredential", None),
        ("cn=TenantCredential-" + "9" * 5000, None),
        ("cn=TenantCredential-" + "0" * 5000 + "8", 8),
    ],
)
def test_index_is_what_integer_parse_int_gives(name, index):
    """The text between the first dash and the first comma, or None where Java throws."""
    assert dn.index_of(name) == index


@given(st.integers(min_value=-(2**31), max_value=2**31 - 1))
def test_every_java_int_is_read_back(index):
    """An index written as Java writes it is read as the same number."""
    assert dn.index_of(f"cn=TenantCredential-{index},cn=x") == index


@given(st.text())
def test_index_of_anything_is_a_java_int_or_none(text):
    """No text makes the parser fail or leave the range of a Java int."""
    index = dn.index_of(text)

    assert index is None or -(2**31) <= index <= 2**31 - 1


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_escaped_value_stays_one_rdn(value):
    """Whatever a value holds, it stays one RDN and reads back as it was."""
    name = f"cn={dn.escape(value)},dc=local"

    assert dn.split(name) == (("cn", value), ("dc", "local"))


@given(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), min_size=1))
def test_ldap3_reads_an_escaped_value_as_one_rdn(value):
    """The client library sees the same two RDNs."""
    name = f"cn={dn.escape(value)},dc=local"

    assert [part[0] for part in parse_dn(name)] == ["cn", "dc"]


@given(st.text())
def test_split_never_fails(text):
    """A DN from a server may be anything."""
    assert isinstance(dn.split(text), tuple)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("cn=A,dc=local", "CN=a, DC=LOCAL", True),
        ("cn=a\\,b,dc=local", "cn=a\\2cb,dc=local", True),
        ("cn=a,dc=local", "cn=a,dc=local,dc=x", False),
    ],
    ids=["case-and-space", "escapes", "longer"],
)
def test_same_compares_what_dns_mean(one, other, equal):
    """Case, spaces after commas and the way of escaping do not matter."""
    assert dn.same(one, other) is equal


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("ldap://PSC2.lab.example", "psc2.lab.example"),
        ("ldap://psc2.lab.example:389", "psc2.lab.example"),
        ("ldaps://psc2.lab.example:636/", "psc2.lab.example"),
        ("ldap://[::1]:389", "::1"),
        ("ldap://", None),
        ("psc2.lab.example", None),
        ("http://psc2.lab.example", None),
        ("ldap://[::1", None),
        ("", None),
    ],
)
def test_host_of_an_agreement(uri, host):
    """The host of labeledURI, with or without a port; None if there is none."""
    assert dn.host_of(uri) == host


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("cn=psc1,cn=Servers,cn=Site A,cn=Sites,cn=Configuration,dc=x", ("psc1", "Site A")),
        (
            "labeledURI=ldap://b,cn=Replication Agreements,cn=psc1,cn=Servers,cn=S,cn=Sites,dc=x",
            ("psc1", "S"),
        ),
        ("CN=psc1,CN=SERVERS,CN=S,CN=SITES,DC=x", ("psc1", "S")),
        ("cn=psc1,cn=Servers,cn=S,cn=Elsewhere,dc=x", None),
        ("cn=psc1,dc=x", None),
        ("", None),
    ],
)
def test_server_place(name, place):
    """A server entry, or one below it, tells its server and site."""
    assert dn.server_place(name) == place
