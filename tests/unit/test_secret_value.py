"""A Secret shows its value to nobody but who asks for it."""

from __future__ import annotations

import copy
import pickle

import pytest

from stsfix.snapshot.secret import Secret

VALUE = "correct horse"


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{:>40}".format, lambda s: f"{[s]} {{'key': {s!r}}}"],
    ids=["repr", "str", "format", "padded", "nested"],
)
def test_no_text_of_a_secret_shows_it(show):
    """Every way to print it gives stars."""
    text = show(Secret(VALUE))

    assert VALUE not in text
    assert "***" in text


@pytest.mark.parametrize("keep", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_stored(keep):
    """Pickling and copying are refused, so that none gets into a journal."""
    with pytest.raises(TypeError, match="secret"):
        keep(Secret(VALUE))


def test_secrets_compare_by_value():
    """Equal values are equal secrets; a hash tells nothing."""
    assert Secret(VALUE) == Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert hash(Secret(VALUE)) == hash(Secret("other"))
    assert Secret(VALUE).reveal() == VALUE
