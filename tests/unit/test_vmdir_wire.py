"""vmdir of the lab: BER, filters and DNs without a socket."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.lab.vmdir import ber, dn
from stsfix.lab.vmdir.ber import BerError
from stsfix.lab.vmdir.filters import Both, Compare, Not, Present, Substrings, Unknown, matches
from stsfix.lab.vmdir.messages import decode_message


@given(st.integers(min_value=-(2**63), max_value=2**63))
def test_integers_come_back(number):
    """Encoding and decoding an INTEGER gives the same number."""
    element, end = ber.decode(ber.integer(number))

    assert element.integer() == number
    assert end == len(ber.integer(number))


@given(st.binary(max_size=70000))
def test_octets_come_back(value):
    """Short and long lengths alike."""
    encoded = ber.octets(value)

    assert ber.decode(encoded) == (ber.Element(ber.OCTET_STRING, value), len(encoded))


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "020100"), (127, "02017f"), (128, "02020080"), (-1, "0201ff"), (-129, "0202ff7f")],
)
def test_integers_are_encoded_as_x690_says(number, encoded):
    """Known encodings (X.690 section 8.3)."""
    assert ber.integer(number).hex() == encoded


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_ber_error(junk):
    """Decoding never fails in another way."""
    try:
        decoded = decode_message(ber.Element(ber.SEQUENCE, junk))
    except BerError:
        return

    assert decoded.tag > 0


@pytest.mark.parametrize(
    "cut",
    [b"\x04", b"\x04\x05abc", b"\x04\x80", b"\x04\x85\x01\x01\x01\x01\x01", b"\x1f\x81\x01\x00"],
)
def test_elements_that_are_not_whole_are_errors(cut):
    """Missing or cut content, indefinite and over-long lengths, long tags."""
    with pytest.raises(BerError):
        ber.decode(cut)


def values(name):
    """Return the values of a small entry; None is an attribute the schema does not have."""
    entry = {"cn": [b"abc", b"xbyc"], "usn": [b"10"], "empty": []}
    return entry.get(name.lower())


YES, NO, UNDEFINED = Present("cn"), Present("empty"), Present("nothing")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (YES, True),
        (NO, False),
        (UNDEFINED, None),
        (Unknown(), None),
        (Not(YES), False),
        (Not(UNDEFINED), None),
        (Both(True, (YES, NO, UNDEFINED)), False),
        (Both(True, (YES, UNDEFINED)), None),
        (Both(True, ()), True),
        (Both(False, (NO, YES, UNDEFINED)), True),
        (Both(False, (NO, UNDEFINED)), None),
        (Both(False, ()), False),
        (Compare("cn", "=", b"ABC"), True),
        (Compare("cn", "=", b"ab"), False),
        (Compare("usn", ">", b"9"), True),
        (Compare("usn", ">", b"11"), False),
        (Compare("usn", "<", b"9"), False),
        (Compare("usn", "<", b"10"), True),
        (Substrings("cn", b"A", (), b"C"), True),
        (Substrings("cn", b"x", (b"b", b"y"), b"c"), True),
        (Substrings("cn", b"x", (b"y", b"b"), b"c"), False),
        (Substrings("cn", b"ab", (), b"bc"), False),
        (Substrings("cn", b"", (b"by",), b""), True),
    ],
)
def test_filters_have_three_values(wanted, expected):
    """RFC 4511 section 4.5.1.7: TRUE, FALSE or Undefined."""
    assert matches(wanted, values, lambda _, value: value.lower()) is expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=A,DC=B", "cn=a,dc=b"),
        ("cn=a, dc=b", "cn=a,dc=b"),
        ("cn=a\\,b,dc=c", "cn=A\\2cB,dc=c"),
        ("", " "),
    ],
)
def test_dns_are_compared_without_case_and_spaces(one, other):
    """Equal DNs have equal keys."""
    assert dn.key(one) == dn.key(other)


@pytest.mark.parametrize("text", ["administrator@vsphere.local", "VSPHERE\\x", "cn=", "cn=a,,dc=b"])
def test_what_is_no_dn(text):
    """A UPN, a down-level name, empty parts."""
    with pytest.raises(dn.NotADnError):
        dn.key(text)


def test_dn_parts():
    """An escaped comma does not split."""
    assert dn.parent("cn=a\\,b,dc=c") == "dc=c"
    assert dn.rdn("cn=a\\,b,dc=c") == "cn=a\\,b"
    assert dn.parent("dc=c") == ""
    assert dn.domain_dn("vsphere.local") == "dc=vsphere,dc=local"


def test_store_copies_share_nothing():
    """A deep copy is a snapshot: later writes to one do not show in the other."""
    from stsfix.lab.vmdir import build_stores, dump
    from vmdir_lab import CREDENTIAL, N1, TENANT, domain_spec

    store = build_stores(domain_spec())[N1]
    before = dump(store, TENANT)
    twin = copy.deepcopy(store)

    entry = store.find(CREDENTIAL)
    assert entry is not None
    entry.attributes["userCertificate"].append(b"x")
    store.marks["somebody"] = 1

    assert dump(twin, TENANT) == before != dump(store, TENANT)
    assert twin.marks == {}
    assert twin.usn == store.usn
