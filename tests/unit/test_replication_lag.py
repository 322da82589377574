"""Lag, rollback and standstill follow from status vectors alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation.directory.replication import AT_REST, Lag, LagState, lags, stalled
from stsfix.remediation.discovery.nodes import find_at_rest, find_stalled
from stsfix.remediation.inventory import NodeInventory
from stsfix.remediation.model import ReplicationStatus, Role


def status(name, usn, seen, made=None):
    """Return what the node called *name* says; its invocation id is ``id-<name>``."""
    return ReplicationStatus(
        server=name, usn=usn, invocation_id=f"id-{name}", up_to_date=seen, max_originating=made
    )


def two(seen, *, usn=4300, made=4295):
    """Return two nodes; *seen* is what a has seen of b."""
    return {
        "a": status("a", 5000, {"id-b": seen}, 5000),
        "b": status("b", usn, {"id-a": 5000}, made),
    }


class Watched:
    """Statuses over time, and the clock that lets it pass."""

    def __init__(self, *views):
        self.views = list(views)
        self.slept = 0.0
        self.asked = 0

    def read(self, name):
        self.asked += 1
        return self.views[0].get(name)

    def monotonic(self):
        return self.slept

    def now(self):
        raise NotImplementedError

    def sleep(self, seconds):
        self.slept += seconds
        if len(self.views) > 1:
            self.views.pop(0)

    def stalled(self):
        nodes = [
            NodeInventory(fqdn=name, role=Role.EMBEDDED, replication=found)
            for name, found in self.views[0].items()
        ]
        return find_stalled(nodes, self.read, self, patience=timedelta(seconds=30))


def test_measured_rest_is_no_lag():
    """4293 of 4295 was measured with equal content."""
    found = lags(two(4293))[0]

    assert found == Lag(consumer="a", supplier="b", state=LagState.BEHIND, changes=2, seen=4293)
    assert not found.is_late


def test_more_than_at_rest_is_late():
    """One change more than rest explains counts."""
    assert not lags(two(4295 - AT_REST))[0].is_late
    assert lags(two(4295 - AT_REST - 1))[0].is_late


def test_seen_more_than_there_is_means_a_rollback():
    """The supplier was reverted alone (measured, 8)."""
    found = lags(two(4310))[0]

    assert (found.state, found.changes, found.seen) == (LagState.AHEAD, 10, 4310)


def test_no_vector_and_no_entry_are_unknown():
    """Unknown is neither in step nor behind."""
    nodes = two(4293)
    never = nodes | {"a": replace(nodes["a"], up_to_date=None)}
    other = nodes | {"a": replace(nodes["a"], up_to_date={"id-c": 9})}

    assert lags(never)[0].state is lags(other)[0].state is LagState.UNKNOWN


def test_without_originating_usn_the_usn_counts():
    """Builds before cn=replicationstatus tell only their USN."""
    assert lags(two(4200, made=None))[0].changes == 100


@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.builds(
            lambda usn, seen, made: (usn, seen, made),
            st.integers(0, 2**63),
            st.none() | st.dictionaries(st.sampled_from(["id-a", "id-b", "id-c"]), st.integers(0)),
            st.none() | st.integers(0),
        ),
    )
)
def test_every_ordered_pair_has_exactly_one_lag(nodes):
    """Whatever nodes tell, each direction is judged once and never negative."""
    found = lags({name: status(name, *said) for name, said in nodes.items()})

    assert len(found) == len(nodes) * (len(nodes) - 1)
    assert all(lag.changes >= 0 and lag.consumer != lag.supplier for lag in found)


def test_nobody_waits_while_nobody_is_late():
    """A sound domain costs no second look."""
    watched = Watched(two(4293))

    assert watched.stalled() == frozenset()
    assert (watched.slept, watched.asked) == (0.0, 0)


def test_a_vector_that_does_not_move_is_stalled():
    """After the whole patience it still lacks as much."""
    watched = Watched(two(4000))

    assert watched.stalled() == {("a", "b")}
    assert watched.slept == 30


def test_a_vector_that_moves_is_not_stalled():
    """It lags, and catches up: that ends the watching."""
    watched = Watched(two(4000), two(4100))

    assert watched.stalled() == frozenset()
    assert watched.slept == 10


def test_a_vector_that_moves_while_more_is_written_is_not_stalled():
    """It is no nearer than before, because the other node makes changes meanwhile."""
    watched = Watched(two(4000), two(4100, usn=4900, made=4895))

    assert watched.stalled() == frozenset()


class Asked:
    """Nodes that have news or not, and what they were asked for."""

    def __init__(self, answer):
        self.answer = answer
        self.calls = []

    def __call__(self, *asked):
        self.calls.append(asked)
        return self.answer


def at_rest(statuses, answer):
    """Return the pairs at rest, and what the nodes were asked."""
    nodes = [
        NodeInventory(fqdn=name, role=Role.EMBEDDED, replication=found)
        for name, found in statuses.items()
    ]
    asked = Asked(answer)
    return find_at_rest(nodes, asked), asked.calls


def test_nobody_is_asked_for_news_while_nobody_is_late():
    """A sound domain costs no question."""
    assert at_rest(two(4293), answer=False) == (frozenset(), [])


def test_a_late_directory_whose_partner_has_no_news_is_at_rest():
    """The partner is asked for changes of its own after the last that was seen."""
    assert at_rest(two(4000), answer=False) == ({("a", "b")}, [("b", 4000, "id-b")])


@pytest.mark.parametrize("answer", [True, None], ids=["news", "no answer"])
def test_a_late_directory_whose_partner_has_news_is_late(answer):
    """Who does not answer may have news."""
    assert at_rest(two(4000), answer)[0] == frozenset()


def test_a_pair_at_rest_is_not_watched():
    """Nothing is waited for."""
    nodes = [
        NodeInventory(fqdn=name, role=Role.EMBEDDED, replication=found)
        for name, found in two(4000).items()
    ]
    watched = Watched(two(4000))

    pairs = frozenset({("a", "b")})
    found = find_stalled(
        nodes, watched.read, watched, patience=timedelta(seconds=30), at_rest=pairs
    )

    assert (found, watched.slept) == (frozenset(), 0.0)


def test_a_node_that_dies_meanwhile_counts_as_stalled():
    """What cannot be read again has not moved."""
    assert Watched(two(4000), {}).stalled() == {("a", "b")}


def test_only_pairs_late_twice_are_stalled():
    """A pair that became late later was not watched."""
    assert stalled(lags(two(4293)), lags(two(4000))) == frozenset()
