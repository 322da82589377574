"""Exports of STS entries in memory: a fake `ExportStore`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.errors_run import ExportError

if TYPE_CHECKING:
    from stsfix.remediation.directory.sts_export import StsExport


class MemoryExports:
    """Keeps what it is given, by run; its digest is a number that grows."""

    def __init__(self) -> None:
        self.saved: dict[str, StsExport] = {}
        self.count = 0

    def save(self, export: StsExport) -> str:
        """See the port."""
        self.saved[export.run] = export
        self.count += 1
        return str(self.count)

    def holds(self, run: str, sha256: str) -> bool:
        """See the port."""
        return run in self.saved and sha256 == str(self.count)

    def load(self, run: str) -> StsExport:
        """See the port."""
        if run not in self.saved:
            raise ExportError(run, "is not there")
        return self.saved[run]
