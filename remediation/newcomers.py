"""Nodes that joined the SSO domain after a run began: no revert may leave them behind.

A node that is not reverted with the others has seen their future: replication between them is
broken for good (KB 313886), as if a part of the domain had been reverted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import DirectoryLoginError, PlainBindRefusedError
from stsfix.remediation.errors_run import InterruptedRunError, NodesJoinedError
from stsfix.remediation.records import (
    BACK,
    POWER_ON,
    REPLACE_STS,
    Mark,
    StepState,
    step_states,
    turn,
)
from stsfix.remediation.renewal.notes import NEW_VMCA_ROOT
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from stsfix.remediation.model import RunSpec, Topology
    from stsfix.remediation.ports import Directory
    from stsfix.remediation.records import Record

WRITERS: Final = (NEW_VMCA_ROOT, REPLACE_STS)
"""Steps that write, in this order; the undo of the first that was begun reverts every node."""


def reverts(records: Sequence[Record]) -> bool:
    """Tell whether taking the run back reverts nodes: it may have written something."""
    states = step_states(WRITERS, records)
    return any(states[step] not in {StepState.PENDING, StepState.UNDONE} for step in WRITERS)


def wrote_nothing(records: Sequence[Record]) -> bool:
    """Tell whether the run never began to write: every node is what it was."""
    states = step_states(WRITERS, records)
    return all(states[step] is StepState.PENDING for step in WRITERS)


def may_have_reverted(records: Sequence[Record]) -> bool:
    """Tell whether nodes may have been reverted since the run was turned back last: whoever joined
    what was there before can only be left behind then.

    One step reverts all: where a new root of VMCA was begun that one, which is undone last.
    """
    states = step_states(WRITERS, records)
    reverting = next((step for step in WRITERS if states[step] is not StepState.PENDING), None)
    return reverting is not None and turn(records) is Mark.ROLLBACK and states[reverting] in BACK


def known_nodes(spec: RunSpec, inventory: Mapping[str, Any]) -> frozenset[str]:
    """Return the nodes of a run and all others that its saved inventory had in the directory."""
    topology = inventory.get("topology") or {}
    listed = (*topology.get("controllers", ()), *topology.get("computers", ()))
    return frozenset(name.lower() for name in (*(node.fqdn for node in spec.nodes), *listed))


def newcomers(known: frozenset[str], topology: Topology) -> tuple[str, ...]:
    """Return the nodes that a directory lists now and nobody knew of."""
    return tuple(sorted({*topology.controllers, *topology.computers} - known))


def about_to_write(records: Sequence[Record]) -> bool:
    """Tell whether all nodes were seen on again after their snapshots, and nothing is written."""
    on = step_states((POWER_ON,), records)[POWER_ON] is StepState.DONE
    return on and wrote_nothing(records) and turn(records) is None


def require_unchanged(spec: RunSpec, known: frozenset[str], directory: Directory) -> None:
    """Return if *directory* lists nobody who joined since the run began, which writes next.

    Raises:
        NodesJoinedError: It lists somebody: what is written could not be taken back.
        OperationError: It cannot be read.
    """
    _refuse_joined(spec, known, directory.read_topology(), unwritten=True)


def require_no_newcomer(
    spec: RunSpec,
    known: frozenset[str],
    directory: Callable[[str], Directory],
    *,
    unwritten: bool = False,
) -> bool:
    """Ask each node's directory in turn which nodes there are; reads only. *unwritten* tells what
    the run is about to do, see `NodesJoinedError`.

    Returns:
        False if none could be asked, as when all nodes are off. A refused password ends it: it
        is tried once.

    Raises:
        NodesJoinedError: A node joined.
        InterruptedRunError: A stop was asked for.
    """
    asked = False
    for node in spec.nodes:
        if not node.role.has_directory:
            continue
        try:
            topology = directory(node.fqdn).read_topology()
        except (DirectoryLoginError, PlainBindRefusedError):
            return asked
        except InterruptedRunError:
            raise
        except OperationError:
            continue
        asked = True
        _refuse_joined(spec, known, topology, unwritten=unwritten)
    return asked


def _refuse_joined(
    spec: RunSpec, known: frozenset[str], topology: Topology, *, unwritten: bool
) -> None:
    joined = newcomers(known, topology)
    if joined:
        raise NodesJoinedError(spec.run, joined, unwritten=unwritten)
