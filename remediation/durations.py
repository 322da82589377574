"""What a repair does to whom, in which order, and how long each phase takes. Pure.

Durations are typical ones for a healthy appliance; nobody has measured them here. A run of the
same nodes that the journal holds replaces them: those were measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.remediation.model import Role
from stsfix.remediation.records import StepRecord, StepState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stsfix.remediation.records import Record

UNMEASURED = "typical, unmeasured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One step of a run, seen from before. *waves* are host names: a wave goes together, and
    the next one waits for it; empty if the step concerns no node in particular.

    *down* tells whether the domain cannot be used during it because of the repair. *basis* says
    how one knows *takes*: `UNMEASURED` with its source, or the run that was measured.
    """

    step: str
    title: str
    waves: tuple[tuple[str, ...], ...]
    takes: timedelta
    down: bool
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typical:
    title: str
    minutes: Mapping[Role, float]
    source: str
    down: bool = True
    backwards: bool = False
    writer_only: bool = False
    writer_first: bool = False


def _all(minutes: float) -> Mapping[Role, float]:
    return dict.fromkeys(Role, minutes)


_TYPICAL = {
    "quiesce": _Typical(
        title="Shut down every guest",
        minutes={Role.PSC: 3, Role.VCENTER: 5, Role.EMBEDDED: 5},
        source="VCF.PowerManagement 1.5 gives a vCenter 10 minutes",
        backwards=True,
    ),
    "take-snapshots": _Typical(
        title="Snapshot every node while it is off",
        minutes=_all(1),
        source="an estimate: no memory is written",
    ),
    "power-on": _Typical(
        title="Power on until vmdir and STS answer",
        minutes={Role.PSC: 5, Role.VCENTER: 3, Role.EMBEDDED: 6},
        source="VCF.PowerManagement 1.5 gives a vCenter 20 minutes",
    ),
    "export-sts": _Typical(
        title="Save the STS entries of every node here, sealed",
        minutes=_all(1),
        source="an estimate: a few LDAP reads",
    ),
    "new-vmca-root": _Typical(
        title="Give VMCA a new root that every node trusts",
        minutes=_all(2),
        source="an estimate: vmafd copies trusted roots within seconds once it is told to",
    ),
    "replace-sts": _Typical(
        title="Write the new credential on one node",
        minutes=_all(1),
        source="an estimate: two LDAP writes that are read back",
        writer_only=True,
    ),
    "await-replication": _Typical(
        title="Wait until every directory shows it",
        minutes=_all(1),
        source="KB 313886: vmdir replicates about every 30 seconds",
    ),
    "renew-certificates": _Typical(
        title="Renew machine certificates and solution users",
        minutes=_all(2),
        source="certificate-manager took about a minute for seven certificates of an 8.0.3",
    ),
    "restart-services": _Typical(
        title="Restart services",
        minutes={Role.PSC: 5, Role.VCENTER: 10, Role.EMBEDDED: 12},
        source="reports of 5 minutes for a start alone; VMware's procedure (KB 316619)",
        writer_first=True,
    ),
    "verify-logins": _Typical(
        title="Prove logins on every node",
        minutes=_all(2),
        source="an estimate: a token and a session a node",
    ),
    "retire-old": _Typical(
        title="Remove the old credentials",
        minutes=_all(1),
        source="an estimate: a few LDAP deletes",
        down=False,
        writer_only=True,
    ),
}


def phases(
    roles: Mapping[str, Role],
    plan: Sequence[str],
    *,
    measured: Mapping[str, timedelta] | None = None,
    measured_by: str = "",
) -> tuple[Phase, ...]:
    """Return the phases of a run over the nodes *roles*, in order.

    Args:
        roles: Role by host name.
        plan: Names of the run's steps, see `plan.step_names`.
        measured: What each step took in the run *measured_by*, see `durations_of`.
        measured_by: The name of that run.
    """
    taken = measured or {}
    return tuple(_phase(step, roles, taken.get(step), measured_by) for step in plan)


def _phase(
    step: str, roles: Mapping[str, Role], measured: timedelta | None, measured_by: str
) -> Phase:
    typical = _TYPICAL[step]
    waves = _waves(roles, typical)
    estimate = sum(max(typical.minutes[roles[name]] for name in wave) for wave in waves)
    return Phase(
        step=step,
        title=typical.title,
        waves=waves,
        takes=timedelta(minutes=estimate) if measured is None else measured,
        down=typical.down,
        basis=f"{UNMEASURED}: {typical.source}" if measured is None else f"as in {measured_by}",
    )


def _waves(roles: Mapping[str, Role], typical: _Typical) -> tuple[tuple[str, ...], ...]:
    """Return who goes when: nodes with a directory first, or last if *typical* is backwards.

    The writer is taken for the first of them by name, as on a domain of appliances.
    """
    directories = tuple(sorted(name for name, role in roles.items() if role.has_directory))
    others = tuple(sorted(name for name, role in roles.items() if not role.has_directory))
    if typical.writer_only:
        return (directories[:1],) if directories else ()
    first = (directories[:1], directories[1:]) if typical.writer_first else (directories,)
    waves = tuple(wave for wave in (*first, others) if wave)
    return waves[::-1] if typical.backwards else waves


def downtime(several: Iterable[Phase]) -> timedelta:
    """Return how long the domain cannot be used."""
    return sum((phase.takes for phase in several if phase.down), timedelta(0))


def durations_of(records: Sequence[Record]) -> Mapping[str, timedelta]:
    """Return how long each step of a run took that was done at the first attempt.

    A step that failed or was in doubt measures people and accidents, so it is left out,
    as one during which the clock went back.
    """
    found: dict[str, timedelta] = {}
    attempts: dict[str, list[StepRecord]] = {}
    for record in records:
        if isinstance(record, StepRecord):
            attempts.setdefault(record.step, []).append(record)
    for step, several in attempts.items():
        states = [record.state for record in several]
        if states[:2] != [StepState.STARTED, StepState.DONE]:
            continue
        began, ended = several[0].at, several[1].at
        if began is not None and ended is not None and ended >= began:
            found[step] = ended - began
    return found
