"""A test whose fault never came about fails: it would prove that nothing happens without one."""

from __future__ import annotations

import pytest

import fault_watch
from stsfix.lab.faults import FaultBook, Rule


@pytest.fixture
def book():
    """A book of faults of a lab."""
    return FaultBook()


def test_a_rule_that_matched_nothing_fails_its_test(request, book):
    """It is named with how often its call came."""
    book.add(Rule(protocol="soap", call="PowerOnVM_Task", nth=2))
    with book.around("soap", "PowerOnVM_Task", "vc1"):
        pass

    with pytest.raises(pytest.fail.Exception) as caught:
        fault_watch.require_hits(request.node)
    fault_watch.forget()

    assert "soap PowerOnVM_Task of *: 1 calls, no. 2 was meant" in str(caught.value)


def test_a_rule_that_was_hit_is_fine(request, book):
    """Also one that was taken away meanwhile."""
    book.add(Rule(protocol="soap", call="*", delay_s=0.0))
    with pytest.raises(Exception, match="refused"), book.around("soap", "Login", "esx1"):
        raise AssertionError
    book.clear()

    fault_watch.require_hits(request.node)


@pytest.mark.may_miss("the mark is what is tried here")
def test_who_says_why_may_miss(request, book):
    """Random sequences, for example, and polls that may come less often."""
    book.add(Rule(protocol="soap", call="Login"))

    fault_watch.require_hits(request.node)
