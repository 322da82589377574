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
    bench.assert_roots_stay()
    bench.do(bench.renewing())
    bench.assert_renewed()


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_was_written_unseen_is_told(when):
    """Each new certificate is noted with its end, also one whose process died at its writing."""
    bench = Bench()
    bench.killer = Killer(_passed().index(f"{when} vpxd on vc1.lab.example"))
    with pytest.raises(Killed):
        bench.do(bench.renewing())
    bench.killer = Killer()

    bench.do(bench.renewing())

    told = {key for key in bench.noted if key.startswith("ends.")}
    assert told == {f"ends.{r.store}.{r.node}" for r in bench.spec.renewals}


def test_a_script_that_outlives_its_process_is_not_overwritten():
    """It ends while the next process looks: what it wrote is ours, and the backup stays the old
    certificate.
    """
    bench = Bench()
    bench.killer = Killer(_passed().index("before MACHINE_SSL_CERT on vc1.lab.example"))
    with pytest.raises(Killed):
        bench.do(bench.renewing())
    bench.killer = Killer()
    node, entry = bench.stores.asked[-1]
    going_on = [entry]

    def end(fqdn: str) -> None:
        if fqdn == node.fqdn and going_on:
            bench.stores.replace_entry(node, going_on.pop())

    bench.stores.before_sweep = end

    bench.do(bench.renewing())

    assert going_on == []
    assert bench.leaf("MACHINE_SSL_CERT") == entry.chain[0]
    bench.assert_renewed()


def test_a_root_that_arrives_late_is_kept():
    """A script gives it to VMCA while the next process looks: no other one is made."""
    bench = Bench(root_end=-1, new_root=True)
    bench.killer = Killer(_rooted().index("before install_root"))
    with pytest.raises(Killed):
        bench.do(bench.rooting())
    bench.killer = Killer()
    (given,) = bench.given
    bench.stores.before_sweep = lambda _: bench.authority.install_root(*given)

    bench.do(bench.rooting())

    assert bench.given == [given, given]
    assert bench.our_roots() == {pki.der(bench.authority.certificate)} == {given[1]}


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


def _rooted():
    bench = Bench(root_end=-1, new_root=True)
    bench.do(bench.rooting())
    return bench.killer.passed


def _passed():
    bench = Bench()
    bench.do(bench.renewing())
    return bench.killer.passed
