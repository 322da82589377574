"""The proof that the VMs of a run are the machines that answer under the nodes' names.

A VM is found by what its guest says of itself, and a run knows it again by its UUID. Neither tells
a node from its clone in an isolated network, nor from the machine that took its name over since:
an upgrade to a new major release deploys a new appliance and leaves the old one off. What tells is
the power: a node whose VM is off is silent. One that answers all the same is on another VM, and a
revert without that one would set the directories apart for good (KB 313886).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryUnreachableError,
    NodeTlsError,
    NodeUnreachableError,
    ProofError,
)
from stsfix.remediation.errors_run import WrongVmError
from stsfix.snapshot.errors import AnswerTooLargeError
from stsfix.snapshot.model import PowerState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.steps.context import StepContext


def require_silence(context: StepContext) -> None:
    """Return if none of the nodes whose VMs are off answers; reads only, and logs in nowhere.

    A node that cannot be reached from here is silent, too: then nothing is proven.

    Raises:
        WrongVmError: Some answer; all of them are named.
    """
    off = _off(context, context.spec.nodes)
    answering = context.each(off, lambda node: _answers(context, node))
    found = [node for node, answers in zip(off, answering, strict=True) if answers]
    if found and (found := _off(context, found)):  # else somebody has just powered it on
        raise WrongVmError([node.fqdn for node in found], [node.vm for node in found])


def _off(context: StepContext, nodes: Sequence[NodePlan]) -> list[NodePlan]:
    facts = context.coordinator.observe([node.vm for node in nodes])
    return [node for node in nodes if facts[node.vm].summary.power is PowerState.OFF]


def _answers(context: StepContext, node: NodePlan) -> bool:
    try:
        _ask(context, node)
    except (NodeTlsError, DirectoryUnreachableError, NodeUnreachableError) as error:
        return error.answered
    except (DirectoryFaultError, ProofError, AnswerTooLargeError):
        return True
    return True


def _ask(context: StepContext, node: NodePlan) -> None:
    if node.role.has_directory:
        context.directory(node.fqdn).read_root_dse()
    else:
        context.logins.read_published_leaf(node.fqdn)
