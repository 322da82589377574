"""The order of a run's steps, which is a promise."""

from __future__ import annotations

import itertools

import pytest

from stsfix.remediation.plan import step_names

WHOLE = step_names(retire=True, renews=True, new_root=True)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("quiesce", "take-snapshots"),
        ("take-snapshots", "power-on"),
        ("power-on", "export-sts"),
        ("export-sts", "new-vmca-root"),
        ("export-sts", "replace-sts"),
        ("new-vmca-root", "replace-sts"),
        ("replace-sts", "await-replication"),
        ("await-replication", "renew-certificates"),
        ("renew-certificates", "restart-services"),
        ("restart-services", "verify-logins"),
        ("verify-logins", "retire-old"),
    ],
)
def test_one_comes_before_the_other(first, then):
    """Snapshots while all are off, the export before any write, old credentials last of all."""
    assert WHOLE.index(first) < WHOLE.index(then)


@pytest.mark.parametrize(
    ("retire", "renews", "new_root"), list(itertools.product((False, True), repeat=3))
)
def test_whatever_is_left_out_the_order_stays(retire, renews, new_root):
    """A shorter plan is the whole one without some steps."""
    names = step_names(retire=retire, renews=renews, new_root=new_root)

    assert names == tuple(name for name in WHOLE if name in names)
    assert ("retire-old" in names, "renew-certificates" in names) == (retire, renews)
    assert ("new-vmca-root" in names) is new_root
