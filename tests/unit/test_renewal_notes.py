"""What the renewing steps note is read again by another process, and nothing else is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renewal_worlds import VC1, VC2, issued
from stsfix.remediation.records import NoteRecord, StepRecord, StepState
from stsfix.remediation.renewal.notes import (
    RENEW_CERTIFICATES,
    encoded,
    extensions_key,
    issued_key,
    registered,
    registered_key,
    root_key,
    roots,
    shown_key,
    shown_leaves,
    stale_extensions,
)
from stsfix.remediation.renewal.notes import issued as leaves_of

NEW, NEWER = issued("new", 700), issued("newer", 700)


def note(key, value, step=RENEW_CERTIFICATES):
    """Return a note of a step."""
    return NoteRecord(step=step, key=key, value=value)


def test_attempts_are_in_the_order_they_were_made():
    """The tenth is after the ninth."""
    noted = {issued_key(n, "vpxd", VC1): str(n) for n in (10, 9, 1)}

    assert leaves_of(noted, "vpxd", VC1) == ("1", "9", "10")


def test_stores_and_nodes_are_not_mixed_up():
    """Vpxd is the beginning of vpxd-extension, and names hold dots."""
    noted = {
        issued_key(1, "vpxd", VC1): "a",
        issued_key(1, "vpxd-extension", VC1): "b",
        issued_key(1, "vpxd", VC2): "c",
        root_key(1, VC1): "d",
        registered_key(1, VC1): "e",
    }

    assert leaves_of(noted, "vpxd", VC1) == ("a",)
    assert roots(noted, VC1) == ("d",)
    assert registered(noted, VC1) == ("e",)
    assert roots(noted, VC2) == ()


def test_leaves_that_were_made_for_a_node_are_believed():
    """All of them: which one a port shows depends on when its service was restarted."""
    records = [
        note(shown_key(1, VC1), encoded(NEW)),
        note(shown_key(2, VC1), encoded(NEWER)),
        note(shown_key(1, VC2), encoded(NEW)),
    ]

    assert shown_leaves(records, VC1) == (NEW, NEWER)
    assert shown_leaves(records, VC2) == (NEW,)
    assert shown_leaves(records, "vc3.lab.example") == ()


@pytest.mark.parametrize(
    "other",
    [
        note(shown_key(1, VC1), encoded(NEW), step="replace-sts"),
        note("issued.1.MACHINE_SSL_CERT." + VC1, encoded(NEW)),
        note(shown_key(1, VC1), "not base64!"),
        note(f"shown.x.{VC1}", encoded(NEW)),
    ],
    ids=["another step", "another key", "no base64", "no number"],
)
def test_nothing_else_is_believed(other):
    """A port is trusted by what this step made and noted as shown, or not at all."""
    assert shown_leaves([other], VC1) == ()


def test_what_was_taken_back_is_not_believed_any_more():
    """After the revert the old certificate is there again; an attempt after that counts anew."""
    undone = StepRecord(step=RENEW_CERTIFICATES, state=StepState.UNDONE)
    records = [note(shown_key(1, VC1), encoded(NEW)), undone]

    assert shown_leaves(records, VC1) == ()
    assert shown_leaves([*records, note(shown_key(2, VC1), encoded(NEWER))], VC1) == (NEWER,)


def test_extensions_that_were_told_later_are_not_stale():
    """The last attempt counts."""
    key = extensions_key("vpxd-extension", VC1)

    assert stale_extensions({key: "unknown"}, VC1)
    assert not stale_extensions({key: "3"}, VC1)
    assert not stale_extensions({key: "unknown"}, VC2)


@given(st.dictionaries(st.text(), st.text()))
def test_any_notes_are_read(noted):
    """Other steps' notes, and those of a later stsfix, are passed over."""
    leaves_of(noted, "vpxd", VC1)
    stale_extensions(noted, VC1)
    assert shown_leaves([note(k, v) for k, v in noted.items()], VC1) == ()
