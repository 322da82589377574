"""Killed between any two writes or notes, a renewal ends as if it had not been killed."""

from __future__ import annotations

import contextlib

import pytest

from renewal_bench import Bench, Killer
from stsfix.lab import pki
from stsfix.remediation.ports import Observed
from worlds import Killed

pytestmark = [pytest.mark.crash, pytest.mark.reliability("deaths")]


def points(bench, step):
    """Return how many moments there are to die at."""
    bench.do(step)
    return len(bench.killer.passed)


RENEWING = points(bench := Bench(), bench.renewing())
ROOTING = points(bench := Bench(root_end=-1, new_root=True), bench.rooting())


def test_there_are_many_moments_to_die_at():
    """Every note and every write, before and after it."""
    assert RENEWING >= 16
    assert ROOTING >= 8


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("at", range(RENEWING))
def test_a_killed_renewal_ends_like_an_unkilled_one(at, twice):
    """Whatever was noted or written, the next process makes it whole, or dies there as well."""
    bench = Bench()
    for _ in range(1 + twice):
        bench.killer = Killer(at)
        with contextlib.suppress(Killed):  # a second attempt may have fewer moments
            bench.do(bench.renewing())
    bench.killer = Killer()

    assert bench.probe(bench.renewing()) is Observed.REPEATABLE
    bench.do(bench.renewing())

    bench.assert_renewed()


@pytest.mark.parametrize("at", range(ROOTING))
def test_a_killed_new_root_ends_like_an_unkilled_one(at):
    """One root of ours is left in the directories, VMCA issues with it, and renewals follow."""
    bench = Bench(root_end=-1, new_root=True)
    bench.killer = Killer(at)
    with pytest.raises(Killed):
        bench.do(bench.rooting())
    bench.killer = Killer()

    assert bench.probe(bench.rooting()) is Observed.REPEATABLE
    bench.do(bench.rooting())

    new = pki.der(bench.authority.certificate)
    assert bench.our_roots() == {new}
    bench.do(bench.renewing())
    bench.assert_renewed()


def test_an_entry_that_was_lost_between_delete_and_create_is_made_again():
    """The old certificate tells subject and names from the backup."""
    bench = Bench()
    bench.killer = Killer(
        next(n for n, what in enumerate(_passed()) if what.startswith("before MACHINE_SSL_CERT on"))
    )
    with pytest.raises(Killed):
        bench.do(bench.renewing())
    bench.stores.lose("vc1.lab.example", "MACHINE_SSL_CERT", "__MACHINE_CERT")
    bench.killer = Killer()

    assert bench.probe(bench.renewing()) is Observed.REPEATABLE
    bench.do(bench.renewing())

    bench.assert_renewed()


def _passed():
    bench = Bench()
    bench.do(bench.renewing())
    return bench.killer.passed
