"""A new root of VMCA: known everywhere before it signs, the old one kept."""

from __future__ import annotations

import pytest

from memory_node import Fault
from renewal_bench import FOREIGN_ROOT, Bench, Killer
from renewal_worlds import VC1, VC2
from sts_material import key, root
from stsfix.lab import pki
from stsfix.remediation.errors import ReplicationOverdueError, VecsError, VmcaError
from stsfix.remediation.pki import vecs
from stsfix.remediation.pki.certificates import Certificate, fingerprint, parse
from stsfix.remediation.ports import Observed
from worlds import Killed


@pytest.fixture
def bench():
    """The root of the first node's VMCA has ended."""
    return Bench(root_end=-1, new_root=True)


def current(bench):
    """Return the root that VMCA issues with."""
    return pki.der(bench.authority.certificate)


def test_vmca_gets_a_root_that_every_node_trusts(bench):
    """In both directories and in TRUSTED_ROOTS of both nodes; the old one is still there."""
    old = current(bench)

    bench.do(bench.rooting())

    new = current(bench)
    assert new != old
    for node in (VC1, VC2):
        assert {old, new} <= bench.domain.directory(node).registrations.read_roots()
        held = {
            e.certificates[0]
            for (name, store, _), e in bench.stores.entries.items()
            if (name, store) == (node, vecs.TRUSTED_ROOTS)
        }
        assert new in held
    assert bench.noted[f"root.1.{VC1}"] == fingerprint(new)
    assert bench.noted[f"old-root.{VC1}"] == fingerprint(old)


def test_it_is_published_before_vmca_has_it(bench):
    """Nothing is ever signed by a root that somebody does not know."""
    bench.do(bench.rooting())

    order = bench.killer.passed
    assert order.index(f"after note root.1.{VC1}") < order.index("before add_trusted_root")
    assert order.index("after add_trusted_root") < order.index("before install_root")


def test_the_root_is_shaped_as_vmcas_and_lives_ten_years(bench):
    """CN=CA of the node; its name differs from the old root's, which stays."""
    old = parse(current(bench))

    bench.do(bench.rooting())

    new = parse(current(bench))
    assert isinstance(new, Certificate)
    assert isinstance(old, Certificate)
    assert "CN=CA" in new.subject
    assert f"O={VC1}" in new.subject
    assert new.subject != old.subject
    assert new.authority
    assert (new.not_after - new.not_before).days == 3651


def test_what_the_old_root_issued_is_renewed_in_the_same_run(bench):
    """Signed by the new one."""
    bench.do(bench.rooting())
    bench.do(bench.renewing())

    bench.assert_renewed()
    assert len(bench.stores.written) == 3


def test_doing_it_again_keeps_the_root(bench):
    """What VMCA issues with is ours already."""
    bench.do(bench.rooting())
    new, passed = current(bench), len(bench.killer.passed)

    assert bench.probe(bench.rooting()) is Observed.REPEATABLE
    bench.do(bench.rooting())

    assert current(bench) == new
    assert bench.killer.passed[passed:] == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_next_attempt_leaves_no_key_of_one_that_died(bench, when):
    """Guest operations put a script on the node, which has the key in it; it may be that of the
    root that VMCA issues with now. What did not begin is not looked for.
    """
    bench.do(bench.rooting())
    at = bench.killer.passed.index(f"{when} install_root")
    dying = Bench(root_end=-1, new_root=True)
    dying.killer = Killer(at)
    with pytest.raises(Killed):
        dying.do(dying.rooting())
    dying.killer = Killer()

    dying.do(dying.rooting())

    assert bench.stores.swept == []
    assert dying.stores.swept == [VC1]
    assert dying.our_roots() == {current(dying)}


def test_a_root_that_no_vmca_got_is_removed_again(bench):
    """Its key is forgotten, so nobody may trust it for good."""
    bench.authority.refusal = "certool said no"
    with pytest.raises(VmcaError):
        bench.do(bench.rooting())
    assert len(bench.our_roots()) == 1
    bench.authority.refusal = ""

    bench.do(bench.rooting())

    assert bench.our_roots() == {current(bench)}
    assert bench.our_roots(VC2) == {current(bench)}
    assert FOREIGN_ROOT in bench.directory_roots()
    bench.assert_roots_stay()


def test_a_directory_that_does_not_learn_it_stops_before_vmca_has_it(bench):
    """Then nothing was signed."""
    old = current(bench)
    bench.domain.lag = 10_000

    with pytest.raises(ReplicationOverdueError):
        bench.do(bench.rooting())

    assert current(bench) == old


def test_a_node_that_does_not_copy_the_roots_stops_it(bench):
    """Its services would refuse everything that is signed next."""
    bench.stores.down.add(VC2)

    with pytest.raises(VecsError, match="lacks the new root"):
        bench.do(bench.rooting())


def test_a_root_of_somebody_else_is_not_for_a_machine(bench):
    """VMCA issues with neither its old root nor ours: somebody replaced it meanwhile."""
    bench.authority.refusal = "no"
    with pytest.raises(VmcaError):
        bench.do(bench.rooting())
    bench.authority.refusal = ""
    bench.authority.certificate = root("theirs")
    bench.authority.signing_key = key("theirs")

    assert bench.probe(bench.rooting()) is Observed.UNCLEAR


def test_a_lost_answer_of_the_directory_is_made_good(bench):
    """Whether the root was added or not, the next attempt ends with one root."""
    bench.domain.faults.append(Fault(call="add_trusted_root", effect="lost"))

    with pytest.raises(Exception, match=r"."):
        bench.do(bench.rooting())
    bench.do(bench.rooting())

    assert bench.our_roots() == {current(bench)}
