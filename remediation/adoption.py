"""A run that is known by its snapshots alone: what they say of it, and a journal for it. Pure.

Each snapshot's description names the SSO domain, its own node, the writer, how many nodes there
are and who began the run, in fields of a fixed form. So a state folder that was lost can be made
again from the hosts, and another workstation's run can be named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors_run import AdoptionError
from stsfix.remediation.inventory import platform_of
from stsfix.remediation.model import NodePlan, Platform, Role, RunSpec
from stsfix.remediation.records import (
    REPLACE_STS,
    Mark,
    MarkRecord,
    NoteRecord,
    StepRecord,
    StepState,
    marks,
    step_states,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from stsfix.remediation.records import Record
    from stsfix.snapshot.model import PowerState, SnapshotRef, VmFacts

ADOPTED: Final = "unknown (adopted)"
"""Issuer of a run whose journal was lost; nothing that takes a run back or releases it asks."""

LONG_SPREAD: Final = timedelta(minutes=5)
"""Snapshots of VMs that are off take seconds. A node that is powered on in between, gets as far as
to change its directory and is shut down again needs longer than this (unverified)."""

_TEXT = "stsfix: SSO domain {domain} before the STS repair; revert all nodes or none."
_DATABASE = " [db={where}]"
"""Behind the fields that every version reads; only of a vCenter on Windows, whose database may be
on another server."""

_FIELDS = "[node={node} role={role} writer={writer} nodes={nodes} by={by}]"
_NAME = r"[A-Za-z0-9._-]{1,253}"
_PATTERN = re.compile(
    rf"SSO domain (?P<domain>{_NAME}) before the STS repair;.*"
    rf"\[node=(?P<node>{_NAME}) role=(?P<role>[a-z]{{1,20}}) writer=(?P<writer>{_NAME})"
    r" nodes=(?P<nodes>[0-9]{1,4}) by=(?P<by>[^\]\s]{0,120})\](?: \[db=(?P<db>here|elsewhere)\])?",
    re.DOTALL,
)
_RUN = re.compile(r"stsfix-[A-Za-z0-9-]{1,70}")
"""Names of runs (`preflight.run_name`); they become names of files."""

_UNSAFE = re.compile(r"[^A-Za-z0-9@._-]")
_MAX_HOLDER = 100
_LONGEST = 4096
"""Characters of a description that are looked at; ours has at most a third of it."""


def describe(spec: RunSpec, node: NodePlan) -> str:
    """Return the description of the snapshot of *node*."""
    by = _UNSAFE.sub("_", spec.by)[:_MAX_HOLDER]
    fields = _FIELDS.format(
        node=node.fqdn, role=node.role, writer=spec.writer, nodes=len(spec.nodes), by=by
    )
    where = "elsewhere" if node.external_database else "here"
    database = _DATABASE.format(where=where) if _may_lack_its_database(node) else ""
    return f"{_TEXT.format(domain=spec.domain)} {fields}{database}"


def _may_lack_its_database(node: NodePlan) -> bool:
    return node.external_database or (node.platform is Platform.WINDOWS and node.role.has_vcenter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One node of a run as its snapshot tells. *nodes* is how many there are in all.

    *database_untold* is True for a vCenter on Windows whose snapshot is of a version that did not
    write down where its database is.
    """

    run: str
    domain: str
    plan: NodePlan
    writer: str
    nodes: int
    by: str
    power: PowerState
    created: datetime
    database_untold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoptable:
    """A run that can be taken over: every node was found, each with its snapshot."""

    spec: RunSpec
    by: str
    members: tuple[Member, ...]

    @property
    def spread(self) -> timedelta:
        """How long it took from the first to the last snapshot, by the hosts' clocks."""
        created = [member.created for member in self.members]
        return max(created) - min(created)


def member_of(
    snapshot: SnapshotRef, power: PowerState, platform: Platform = Platform.APPLIANCE
) -> Member | None:
    """Return what *snapshot* says of its run; None if it is none of ours, or does not tell.

    Descriptions can be written by anybody who may take snapshots: nothing in them is a command
    or a path, and a name of another form is not taken.
    """
    told = _PATTERN.search(snapshot.description[:_LONGEST])
    roles = {role.value: role for role in Role}
    if told is None or told["role"] not in roles or not _RUN.fullmatch(snapshot.name):
        return None
    plan = NodePlan(
        fqdn=told["node"].lower(),
        role=roles[told["role"]],
        vm=snapshot.vm,
        platform=platform,
        external_database=told["db"] == "elsewhere",
    )
    return Member(
        run=snapshot.name,
        domain=told["domain"].lower(),
        plan=plan,
        writer=told["writer"].lower(),
        nodes=int(told["nodes"]),
        by=told["by"],
        power=power,
        created=snapshot.created,
        database_untold=told["db"] is None and _may_lack_its_database(plan),
    )


def members_of(facts: Iterable[VmFacts], *, prefix: str) -> tuple[Member, ...]:
    """Return the members of every run whose snapshots are on these VMs, oldest run first."""
    found = [
        member
        for vm in facts
        for snapshot in vm.snapshots
        if snapshot.name.startswith(prefix)
        and (member := member_of(snapshot, vm.summary.power, platform_of(vm))) is not None
    ]
    return tuple(sorted(found, key=lambda m: (m.run, m.plan.fqdn)))


def choose(members: Sequence[Member], domain: str, run: str | None) -> Adoptable:
    """Return the run that is meant: *run*, else the only one of *domain*.

    Raises:
        AdoptionError: There is none, or several, or its nodes are not all there.
    """
    ours = [m for m in members if m.domain == domain and run in {None, m.run}]
    runs = sorted({m.run for m in ours})
    if not runs:
        others = sorted({f"{m.run} of {m.domain}" for m in members})
        seen = f"; there are snapshots of {', '.join(others)}" if others else ""
        raise AdoptionError(
            run or "", f"no configured host has a snapshot of a run of {domain}{seen}"
        )
    if len(runs) > 1:
        raise AdoptionError("", f"there are several, name one of {', '.join(runs)}")
    return _assembled(runs[0], ours)


def _assembled(run: str, ours: Sequence[Member]) -> Adoptable:
    names = [m.plan.fqdn for m in ours]
    expected = {m.nodes for m in ours}
    if len(expected) > 1 or len({(m.writer, m.by) for m in ours}) > 1:
        raise AdoptionError(run, "its snapshots contradict each other")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AdoptionError(run, f"there are two snapshots of {', '.join(twice)}")
    (number,) = expected
    if len(names) != number:
        found = ", ".join(sorted(names))
        reason = f"only {len(names)} of {number} snapshots were found: {found}"
        raise AdoptionError(run, reason)
    first = ours[0]
    try:
        spec = RunSpec(
            run=run,
            domain=first.domain,
            writer=first.writer,
            nodes=tuple(m.plan for m in ours),
            issuer=ADOPTED,
            validity_days=0,
            retire=True,
            by=first.by,
        )
    except ValueError as error:
        raise AdoptionError(run, str(error)) from error
    return Adoptable(spec=spec, by=first.by, members=tuple(ours))


def adopted_records(plan: Sequence[str]) -> tuple[Record, ...]:
    """Return the records of a run of which only the snapshots are known.

    Everything up to the first write counts as done and the first write as begun, so that a
    rollback reverts every node: whatever was written afterwards, that takes it back.
    """
    before = plan[: plan.index(REPLACE_STS)]
    done = [
        StepRecord(step=name, state=state)
        for name in before
        for state in (StepState.STARTED, StepState.DONE)
    ]
    begun = StepRecord(step=REPLACE_STS, state=StepState.STARTED)
    return (MarkRecord(mark=Mark.ADOPTED), *done, begun)


def left_of_adoption(plan: Sequence[str], records: Sequence[Record]) -> tuple[Record, ...]:
    """Return what an adoption that was written in part lacks of `adopted_records`, in order;
    nothing for a run that was not adopted, or that is being released.

    Without its last record nobody would be reverted.
    """
    borne = marks(records)
    begun = step_states(plan, records)[REPLACE_STS] is not StepState.PENDING
    if Mark.ADOPTED not in borne or Mark.RELEASING in borne or begun:
        return ()
    there = [record for record in records if not isinstance(record, NoteRecord)]
    return adopted_records(plan)[len(there) :]
