"""Judging the STS entries of a domain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from sts_material import NOW, chain_entry, credential_entry, entries, leaf, root
from stsfix.lab import pki
from stsfix.remediation.directory.sts import same_entries
from stsfix.remediation.directory.sts_state import next_index, repair_reasons
from stsfix.remediation.errors import IssuerError

ROOT = pki.der(root())
GOOD = (pki.der(leaf()), ROOT)
OLD = (pki.der(leaf("old", start=-800, end=-1)), ROOT)
SOON = (pki.der(leaf("soon", start=-700, end=10)), ROOT)
LATER = (pki.der(leaf("later", start=1, end=700)), ROOT)


def _domain(*credentials, chains=None, node="vc1.lab.example"):
    trusted = [c.chain for c in credentials] if chains is None else chains
    numbered = tuple(chain_entry(i + 1, c) for i, c in enumerate(trusted))
    return entries(tuple(credentials), numbered, node)


def reasons(*read):
    """Return why a repair is needed, with 60 days counting as soon."""
    return repair_reasons(read, NOW, soon=timedelta(days=60))


def test_sound_domain_needs_nothing():
    """One valid credential with its chain is sound."""
    assert reasons(_domain(credential_entry(1, GOOD))) == ()


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (_domain(), "no credential that can sign"),
        (_domain(credential_entry(1, OLD)), "expired at"),
        (_domain(credential_entry(1, SOON)), "ends at"),
        (_domain(credential_entry(1, LATER)), "not valid before"),
        (
            _domain(credential_entry(1, GOOD), credential_entry(9, OLD)),
            "TenantCredential-9 on vc1.lab.example expired",
        ),
        (
            _domain(credential_entry(1, GOOD, key_matches=False)),
            "key does not belong",
        ),
        (_domain(credential_entry(1, GOOD), chains=[OLD]), "no trusted chain"),
        (_domain(credential_entry(1, ())), "no readable leaf"),
        (_domain(credential_entry(1, (b"x", ROOT))), "no readable leaf"),
        (
            _domain(credential_entry(1, GOOD), credential_entry(None, GOOD, name="Tenant-old")),
            "no number in its name",
        ),
        (
            _domain(credential_entry(7, GOOD, name="Other-7")),
            "is not named TenantCredential-7",
        ),
    ],
    ids=[
        "none",
        "expired",
        "expiring",
        "not-yet",
        "old-one-higher",
        "key",
        "chain-missing",
        "empty",
        "malformed",
        "no-number",
        "other-name",
    ],
)
def test_each_state_that_needs_a_repair_is_told(read, says):
    """What stops logins is a reason, and so is a signer that nears its end."""
    found = reasons(read)

    assert any(says in text for text in found)


def test_newest_is_not_what_signs():
    """The highest number signs although a lower one is valid (it is not the newest)."""
    found = reasons(_domain(credential_entry(3, GOOD), credential_entry(12, OLD)))

    assert len(found) == 1
    assert "TenantCredential-12 on vc1.lab.example expired" in found[0]


def test_nodes_that_differ_are_broken():
    """Two nodes that sign with different leaves have parted."""
    one = _domain(credential_entry(1, GOOD))
    two = _domain(credential_entry(1, SOON), node="vc2.lab.example")

    found = reasons(one, two)

    assert any("different leaves" in reason for reason in found)


def test_old_entries_that_do_not_sign_need_nothing():
    """An expired credential below a good one stops nothing."""
    found = reasons(_domain(credential_entry(1, OLD), credential_entry(2, GOOD)))

    assert found == ()


@pytest.mark.parametrize(
    ("indexes", "expected"),
    [([], 1), ([None], 1), ([-4], 1), ([0], 1), ([1, 3, None], 4)],
)
def test_next_index(indexes, expected):
    """One more than the highest, never less than 1; unnumbered entries do not count."""
    assert next_index([credential_entry(i, GOOD) for i in indexes]) == expected


def test_no_number_is_left():
    """Above the largest Java int there is nothing: it is said, and never written."""
    last = credential_entry(2**31 - 1, GOOD)

    assert any("highest number" in reason for reason in reasons(_domain(last)))
    with pytest.raises(IssuerError, match="no number is left"):
        next_index([last])


PAIR = credential_entry(1, GOOD)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(PAIR, True, id="equal"),
        pytest.param(replace(PAIR, usn=99), True, id="other USN"),
        pytest.param(replace(PAIR, dn=PAIR.dn.upper()), True, id="DN in capitals"),
        pytest.param(replace(PAIR, dn=f"{PAIR.dn},dc=x"), False, id="other DN"),
        pytest.param(replace(PAIR, object_guid="another"), False, id="other objectGUID"),
        pytest.param(replace(PAIR, chain=GOOD[::-1]), False, id="other order"),
        pytest.param(replace(PAIR, key_matches=False), False, id="key of another"),
    ],
)
def test_entries_of_two_nodes_are_the_same_if_they_came_from_one_write(other, same):
    """Equal bytes that were added on two nodes at once never become one entry (vmdird, 8)."""
    assert same_entries(_domain(PAIR), _domain(other, node="vc2.lab.example")) is same
