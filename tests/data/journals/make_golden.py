"""Writes the journal of a half-done run as SQL text: run once for each release, never again.

``python tests/data/journals/make_golden.py VERSION > tests/data/journals/VERSION.sql``
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from stsfix.remediation.journal import JournalFile
from stsfix.remediation.model import NodePlan, Role, RunSpec
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import NoteRecord, StepRecord, StepState
from stsfix.snapshot.model import HostRef, VmId


class FixedClock:
    """It is always the same moment."""

    def now(self) -> datetime:
        """Return that moment."""
        return datetime(2026, 11, 23, 21, 0, tzinfo=UTC)

    def monotonic(self) -> float:
        """Return no time."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Do not wait."""


def node(name: str, role: Role, number: int) -> NodePlan:
    """Return a node on a host of its own."""
    return NodePlan(
        fqdn=f"{name}.lab.example",
        role=role,
        vm=VmId(
            host=HostRef(f"esx{number}.lab.example"),
            moref=f"{number}",
            instance_uuid=f"00000000-0000-4000-8000-00000000000{number}",
            name=name,
        ),
    )


def main(version: str) -> None:
    """Print the SQL of a run that died while it replaced the credential."""
    spec = RunSpec(
        run="stsfix-20261123T210000Z-abcd",
        domain="vsphere.local",
        writer="psc1.lab.example",
        nodes=(node("psc1", Role.PSC, 1), node("vc1", Role.VCENTER, 2)),
        issuer="own-ca",
        validity_days=3650,
        retire=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = JournalFile(Path(folder), FixedClock())
        names = step_names(retire=True)
        with closing(file.create(spec, names, version=version, inventory="{}")) as journal:
            for name in names[:3]:
                journal.append(StepRecord(step=name, state=StepState.STARTED))
                journal.append(StepRecord(step=name, state=StepState.DONE))
            journal.append(StepRecord(step=names[3], state=StepState.STARTED))
            journal.append(NoteRecord(step=names[3], key="credential-index", value="2"))
            journal.append(NoteRecord(step=names[3], key="leaf-sha256.1", value="ab" * 32))
        with closing(file.connect()) as connection:
            (format_version,) = connection.execute("PRAGMA user_version").fetchone()
            lines = [*connection.iterdump(), f"PRAGMA user_version = {format_version};"]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
