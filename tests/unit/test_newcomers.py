"""A domain that has grown is not reverted: the new node would have seen the others' future."""

from __future__ import annotations

import pytest

from stsfix.remediation.errors import DirectoryLoginError, DirectoryUnreachableError
from stsfix.remediation.errors_run import NodesJoinedError
from stsfix.remediation.model import NodePlan, Role, RunSpec, Topology
from stsfix.remediation.newcomers import (
    known_nodes,
    may_have_reverted,
    require_no_newcomer,
    reverts,
)
from stsfix.remediation.records import REPLACE_STS, Mark, MarkRecord, StepRecord, StepState
from stsfix.remediation.renewal.notes import NEW_VMCA_ROOT
from stsfix.snapshot.model import HostRef, VmId

PSC, VC = "psc1.lab.example", "vc1.lab.example"


def plan(fqdn, role):
    """Return a node of a run."""
    vm = VmId(host=HostRef("esx1"), moref=fqdn, instance_uuid=fqdn, name=fqdn)
    return NodePlan(fqdn=fqdn, role=role, vm=vm)


SPEC = RunSpec(
    run="stsfix-1",
    domain="vsphere.local",
    writer=PSC,
    issuer="own-ca",
    validity_days=3650,
    retire=True,
    nodes=(plan(PSC, Role.PSC), plan(VC, Role.VCENTER), plan("psc2.lab.example", Role.PSC)),
)
KNOWN = known_nodes(SPEC, {})


class Answers:
    """Directories that say what they were told to, or fail; *asked* says who was asked."""

    def __init__(self, **answers):
        self.answers = {f"{name}.lab.example": answer for name, answer in answers.items()}
        self.asked = []

    def __call__(self, fqdn):
        self.node = fqdn
        return self

    def read_topology(self):
        self.asked.append(self.node)
        answer = self.answers[self.node]
        if isinstance(answer, Exception):
            raise answer
        return Topology(domain="vsphere.local", controllers=answer, computers=(VC,), servers=())


SAME = (PSC, "psc2.lab.example")
SILENT = DirectoryUnreachableError("psc1.lab.example", "timed out")
REFUSED = DirectoryLoginError("psc1.lab.example", "administrator", 49)


def test_the_same_nodes_may_go_back():
    """Every directory is asked: one may not have heard of a newcomer."""
    directories = Answers(psc1=SAME, psc2=SAME)

    assert require_no_newcomer(SPEC, KNOWN, directories)
    assert directories.asked == [PSC, "psc2.lab.example"]


@pytest.mark.parametrize("first", [SAME, SILENT])
def test_a_node_that_joined_is_named(first):
    """Also if only one directory tells of it, or only one answers."""
    directories = Answers(psc1=first, psc2=(*SAME, "psc3.lab.example"))

    with pytest.raises(NodesJoinedError, match=r"psc3\.lab\.example") as caught:
        require_no_newcomer(SPEC, KNOWN, directories)

    assert caught.value.nodes == ("psc3.lab.example",)


def test_directories_that_are_off_say_nothing():
    """As in the middle of a run."""
    assert not require_no_newcomer(SPEC, KNOWN, Answers(psc1=SILENT, psc2=SILENT))


def test_a_refused_password_is_not_tried_on_the_next_node():
    """One attempt a password."""
    directories = Answers(psc1=REFUSED, psc2=SAME)

    assert not require_no_newcomer(SPEC, KNOWN, directories)
    assert directories.asked == [PSC]


def test_a_node_that_was_listed_when_the_run_began_is_no_newcomer():
    """An entry that was there before, of a node that is gone, say."""
    topology = {"controllers": ["PSC9.lab.example"], "computers": ["old.lab.example"]}

    known = known_nodes(SPEC, {"topology": topology})

    assert {"psc9.lab.example", "old.lab.example", PSC, VC} < known
    assert known_nodes(SPEC, {"topology": None}) == KNOWN


def steps(**states):
    """Return records by which the steps, as keywords, are in these states."""
    names = {"root": NEW_VMCA_ROOT, "sts": REPLACE_STS}
    return [StepRecord(step=names[name], state=state) for name, state in states.items()]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"sts": StepState.UNDOING}, True),
        ({"sts": StepState.UNDONE}, True),
        ({"root": StepState.DONE, "sts": StepState.UNDOING}, False),
        ({"root": StepState.DONE, "sts": StepState.UNDONE}, False),
        ({"root": StepState.UNDO_FAILED, "sts": StepState.UNDONE}, True),
        ({"root": StepState.UNDOING}, True),
        ({"root": StepState.STARTED}, False),
        ({}, False),
    ],
)
def test_who_joins_before_the_step_that_reverts_is_undone_is_a_newcomer(states, expected):
    """With a new root of VMCA, undoing what signs with it reverts nobody yet."""
    records = [MarkRecord(mark=Mark.ROLLBACK), *steps(**states)]

    assert may_have_reverted(records) is expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), False),
        ((StepState.STARTED,), True),
        ((StepState.STARTED, StepState.FAILED), True),
        ((StepState.STARTED, StepState.UNDOING, StepState.UNDONE), False),
    ],
)
def test_only_a_run_that_may_have_written_is_reverted(states, expected):
    """Otherwise nodes are powered on again, and nobody needs to be asked."""
    records = tuple(StepRecord(step=REPLACE_STS, state=state) for state in states)

    assert reverts(records) is expected
