"""Where the VMs of a run are by now, and which of them are gone: noted in its journal."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.plugin.operator_name import operator
from stsfix.remediation.departed import departed, note_of_departure
from stsfix.remediation.errors_run import RunStateError
from stsfix.remediation.ports import Progress
from stsfix.remediation.relocation import bears_snapshots, find_moved, note_of
from stsfix.snapshot.errors import (
    HostUnreachableError,
    OperationError,
    StoppedError,
    VmNotFoundError,
)
from stsfix.snapshot.fleet import raise_worst

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stsfix.plugin.wiring import Wiring
    from stsfix.remediation.journal import Journal
    from stsfix.remediation.model import NodePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The nodes, by FQDN, whose VM a release does not find: *gone* by the operator's word, or
    *lost*, each with the reason.
    """

    gone: frozenset[str]
    lost: Mapping[str, OperationError]

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return self.gone | self.lost.keys()


class Whereabouts:
    """Looks for the VMs of runs on the hosts of one configuration."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def follow(self, journal: Journal, *, always: bool = False) -> None:
        """Note which VMs an earlier attempt left on another host than they are on now; before any
        attempt it matters only if domain.toml does not have the host any more, or *always*.
        """
        nodes, hosts = journal.spec.nodes, self._wiring.hypervisors
        if always or journal.records or any(node.vm.host not in hosts for node in nodes):
            self._follow(journal, nodes)

    def follow_each(self, journal: Journal) -> Missing:
        """Follow what can be, and return whom a release does without. If none is there, they are
        another site's hosts: that is raised, and nothing is decided.
        """
        gone = departed(journal.records) - self._returned(journal)
        nodes = [node for node in journal.spec.nodes if node.fqdn not in gone]
        lost: dict[str, OperationError] = {}
        with suppress(VmNotFoundError):
            self._follow(journal, nodes)
            return Missing(gone=gone, lost=lost)
        for node in nodes:
            try:
                self._follow(journal, (node,))
            except VmNotFoundError as error:
                lost[node.fqdn] = error
        if len(lost) == len(nodes):
            raise_worst(list(lost.values()))
        return Missing(gone=gone, lost=lost)

    def let_go(self, journal: Journal, without: Sequence[str], begin: Callable[[], None]) -> None:
        """Record that the VMs of *without* are gone; all of them or, refused, none. *begin* is
        called before the first record, once all were looked for.

        Raises:
            RunStateError: A host has one of them.
            OperationError: Nobody would be left, and a host does not say that its VM is gone.
        """
        absent = {fqdn: self._absence(journal, journal.spec.node(fqdn)) for fqdn in without}
        known = departed(journal.records)
        if {node.fqdn for node in journal.spec.nodes} <= known | absent.keys():
            raise_worst([error for error in absent.values() if not _is_told(error, self._wiring)])
        new = absent.keys() - known
        if new:
            begin()
        for fqdn in sorted(new):
            journal.append(note_of_departure(fqdn, operator()))

    def _absence(self, journal: Journal, node: NodePlan) -> OperationError:
        """Return why the VM of *node* cannot be seen; refused if it can."""
        try:
            self._follow(journal, (node,))
            self._wiring.coordinator.observe((journal.spec.node(node.fqdn).vm,))
        except (VmNotFoundError, HostUnreachableError) as error:
            return error
        raise RunStateError(journal.run, f"whole ({node.fqdn} is there)", "released without it")

    def _returned(self, journal: Journal) -> frozenset[str]:
        """Return who was called gone and is there again with the run's snapshot."""
        found = set()
        for fqdn in departed(journal.records):
            try:
                self._follow(journal, (journal.spec.node(fqdn),))
                vm = journal.spec.node(fqdn).vm
                (facts,) = self._wiring.hypervisors[vm.host].observe_vms((vm,))
            except StoppedError:
                raise
            except OperationError:
                continue
            if any(snapshot.name == journal.run for snapshot in facts.snapshots):
                found.add(fqdn)
        return frozenset(found)

    def _follow(self, journal: Journal, nodes: Sequence[NodePlan]) -> None:
        hosts = self._wiring.hypervisors
        with_snapshot = bears_snapshots(journal.records)
        moved = find_moved(journal.spec, hosts, with_snapshot=with_snapshot, nodes=nodes)
        for node in nodes:
            vm = moved.get(node.fqdn)
            if vm is not None:
                journal.append(note_of(node.fqdn, vm))
                text = f"its VM is {vm} now, no longer {node.vm}"
                self._wiring.hook(Progress(step="", subject=node.fqdn, text=text))


def _is_told(error: OperationError, wiring: Wiring) -> bool:
    """Tell whether a host that answered says that it does not have the VM."""
    return isinstance(error, VmNotFoundError) and error.host in wiring.hypervisors
