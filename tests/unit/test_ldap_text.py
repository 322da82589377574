"""What a directory says in its diagnostics is shown as far as it cannot be a value."""

from __future__ import annotations

import pytest

from stsfix.remediation.directory.ldap_connection import plain_text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Insufficient access", "Insufficient access"),
        ("Invalid syntax: 0\x82\x04\xbe key", "Invalid syntax: 0[...]"),
        ("value (ключ)", "value ([...]"),
        ("one\nok forged", "one[...]"),
        ("\x1b[2J", ""),
        ("x" * 1000, "x" * 155 + "[...]"),
        ("told whole\n\0", "told whole"),
    ],
)
def test_a_value_that_is_quoted_is_not_shown(said, shown):
    """A vmdird quotes what it refuses, and that may be a private key in DER: everything from the
    first byte that is no printable ASCII is cut, and what is left is short.
    """
    assert plain_text(said) == shown
