"""Judging the STS entries of a domain."""

from __future__ import annotations

import pytest

from sts_material import NOW, chain_entry, credential_entry, entries, leaf, root
from stsfix.lab import pki
from stsfix.remediation.directory.sts_state import Verdict, next_index, sts_summary
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


def test_sound_domain_needs_nothing():
    """One valid credential with its chain is sound."""
    summary = sts_summary([_domain(credential_entry(1, GOOD))], NOW)

    assert summary.verdict is Verdict.SOUND
    assert not summary.needs_repair
    assert (summary.reasons, summary.warnings) == ((), ())
    assert summary.credentials[0].leaf_count == 1


@pytest.mark.parametrize(
    ("read", "verdict", "says"),
    [
        (_domain(), Verdict.BROKEN, "no credential that can sign"),
        (_domain(credential_entry(1, OLD)), Verdict.BROKEN, "expired at"),
        (_domain(credential_entry(1, SOON)), Verdict.EXPIRING, "ends at"),
        (_domain(credential_entry(1, LATER)), Verdict.BROKEN, "not valid before"),
        (
            _domain(credential_entry(1, GOOD), credential_entry(9, OLD)),
            Verdict.BROKEN,
            "TenantCredential-9 on vc1.lab.example expired",
        ),
        (
            _domain(credential_entry(1, GOOD, key_matches=False)),
            Verdict.BROKEN,
            "key does not belong",
        ),
        (_domain(credential_entry(1, GOOD), chains=[OLD]), Verdict.BROKEN, "no trusted chain"),
        (_domain(credential_entry(1, ())), Verdict.BROKEN, "no readable leaf"),
        (_domain(credential_entry(1, (b"x", ROOT))), Verdict.BROKEN, "no readable leaf"),
        (
            _domain(credential_entry(1, GOOD), credential_entry(None, GOOD, name="Tenant-old")),
            Verdict.BROKEN,
            "no number in its name",
        ),
        (
            _domain(credential_entry(7, GOOD, name="Other-7")),
            Verdict.BROKEN,
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
def test_verdict_and_its_reason(read, verdict, says):
    """Each state that stops logins has a reason; what merely nears its end is a warning."""
    summary = sts_summary([read], NOW)

    assert summary.verdict is verdict
    assert summary.needs_repair
    assert any(says in text for text in summary.reasons + summary.warnings)


def test_newest_is_not_what_signs():
    """The highest number signs although a lower one is valid (it is not the newest)."""
    summary = sts_summary([_domain(credential_entry(3, GOOD), credential_entry(12, OLD))], NOW)

    assert [c.entry.index for c in summary.signing] == [12]


def test_nodes_that_differ_are_broken():
    """Two nodes that sign with different leaves have parted."""
    one = _domain(credential_entry(1, GOOD))
    two = _domain(credential_entry(1, SOON), node="vc2.lab.example")

    summary = sts_summary([one, two], NOW)

    assert summary.verdict is Verdict.BROKEN
    assert any("different leaves" in reason for reason in summary.reasons)


def test_old_entries_that_do_not_sign_only_warn():
    """An expired credential below a good one is told and stops nothing."""
    summary = sts_summary([_domain(credential_entry(1, OLD), credential_entry(2, GOOD))], NOW)

    assert summary.verdict is Verdict.SOUND
    assert any("expired at" in warning for warning in summary.warnings)


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

    summary = sts_summary([_domain(last)], NOW)

    assert any("highest number" in reason for reason in summary.reasons)
    with pytest.raises(IssuerError, match="no number is left"):
        next_index([last])
