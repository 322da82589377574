"""The one table of exit codes: stable, one per error class, never reused with another meaning."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from stsfix.plugin import errors as plugin
from stsfix.plugin.interrupt import SECOND_SIGNAL
from stsfix.remediation import errors as remediation
from stsfix.remediation import errors_run as of_run
from stsfix.snapshot import errors as snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.snapshot.errors import OperationError

SUCCESS = 0
WARNINGS = 1
BLOCKED = 2
USAGE = 64
INTERNAL = 70

EXIT_CODES: Mapping[type[OperationError], int] = MappingProxyType(
    {
        # nothing was changed
        of_run.PreflightBlockedError: BLOCKED,
        plugin.ConfigError: 3,
        plugin.SecretError: 4,
        plugin.ReportFileError: 5,
        snapshot.HostLoginError: 10,
        snapshot.HostTlsError: 11,
        snapshot.HostRestrictedError: 12,
        snapshot.VmNotFoundError: 13,
        snapshot.SnapshotSetIncompleteError: 14,
        snapshot.VmNotOffError: 15,
        remediation.DirectoryLoginError: 16,
        remediation.PlainBindRefusedError: 17,
        remediation.NodeTlsError: 18,
        remediation.DomainNotFoundError: 19,
        remediation.TenantNotFoundError: 20,
        remediation.IssuerError: 21,
        of_run.RunNotFoundError: 22,
        of_run.RunStateError: 23,
        of_run.DomainLockedError: 24,
        of_run.PlanChangedError: 25,
        of_run.NothingToRepairError: 26,
        of_run.AcceptanceError: 27,
        remediation.HostKeyError: 28,
        remediation.NoShellError: 29,
        of_run.ExportError: 6,
        of_run.RestoreRefusedError: 7,
        of_run.AdoptionError: 8,
        remediation.WindowsNodeError: 9,
        of_run.NodesJoinedError: 35,
        of_run.NoWayBackError: 36,
        of_run.OlderJournalError: 37,
        # may pass by itself
        snapshot.HostUnreachableError: 30,
        snapshot.VmBusyError: 31,
        remediation.DirectoryUnreachableError: 32,
        remediation.NodeUnreachableError: 33,
        of_run.DomainUnreadError: 34,
        # the world said no
        snapshot.HypervisorFaultError: 40,
        snapshot.NoSpaceError: 41,
        snapshot.ToolsUnavailableError: 42,
        snapshot.GuestLoginError: 43,
        snapshot.GuestUnavailableError: 44,
        snapshot.NicDisconnectedError: 45,
        remediation.DirectoryFaultError: 46,
        remediation.EntryChangedError: 47,
        remediation.ReplicationOverdueError: 48,
        remediation.SigningCertificateError: 49,
        remediation.SsoLoginError: 50,
        remediation.ProofError: 51,
        remediation.ServiceRestartError: 52,
        remediation.NodeNotReadyError: 53,
        remediation.NodeLoginError: 54,
        remediation.TransportUnavailableError: 55,
        remediation.NodeFileError: 56,
        remediation.VmcaError: 57,
        remediation.VecsError: 58,
        snapshot.GuestRightsError: 59,
        remediation.ClockSkewError: 60,
        snapshot.VmKeyMissingError: 62,
        remediation.ForeignEntriesError: 63,
        remediation.EntryConflictError: 65,
        snapshot.AnswerTooLargeError: 61,
        # the answer was lost
        snapshot.TaskOverdueError: 80,
        snapshot.AnswerLostError: 81,
        remediation.WriteInDoubtError: 82,
        plugin.OutOfMemoryError: 83,
        # a person is needed
        snapshot.ShutdownOverdueError: 90,
        snapshot.SnapshotGoneError: 91,
        snapshot.RevertUnverifiedError: 92,
        of_run.StepUnclearError: 93,
        of_run.InterruptedRunError: 94,
        of_run.UndoFailedError: 95,
        of_run.JournalUnwritableError: 96,
        of_run.RestartByHandError: 97,
        of_run.DirectoriesApartError: 98,
        of_run.WrongVmError: 99,
    }
)
"""Exit code of every leaf of the error tree."""

_OTHERS = (
    (
        SUCCESS,
        "",
        (
            "The command did what it was asked, or its question was answered by no; `preflight`: "
            "no finding that warns; `diagnose`: nothing wrong; `certs`: all in their time."
        ),
    ),
    (
        WARNINGS,
        "",
        (
            "`preflight`: warnings only, a run is possible; `diagnose`: not everything could be "
            "read; `certs`: one ends soon, is not valid yet, or was not read."
        ),
    ),
    (BLOCKED, "", "`diagnose`: a cause was found; `certs`: a certificate has expired."),
    (USAGE, "", "The command line is wrong; nothing was done."),
    (INTERNAL, "", "A bug in stsfix: any exception that is no error of this table."),
    (
        SECOND_SIGNAL,
        "",
        "Stopped by a signal before a run began, by a second one, or at a question without answer.",
    ),
)
_BEGIN = "<!-- exit-codes:begin -->\n"
_END = "<!-- exit-codes:end -->\n"


def exit_code(error: BaseException) -> int:
    """Return the exit code of *error*; `INTERNAL` for what is no operation error."""
    for ancestor in type(error).__mro__:
        code = EXIT_CODES.get(ancestor)
        if code is not None:
            return code
    return SECOND_SIGNAL if isinstance(error, KeyboardInterrupt) else INTERNAL


def exit_code_table() -> str:
    """Return the table as Markdown, ordered by code; the text is each class's first sentence."""
    rows = [(code, f"`{leaf.__name__}`", _meaning(leaf)) for leaf, code in EXIT_CODES.items()]
    lines = [f"| {code} | {name} | {text} |" for code, name, text in sorted([*rows, *_OTHERS])]
    return "\n".join(["| Code | Error | Meaning |", "|---:|---|---|", *lines, ""])


def with_exit_code_table(page: str) -> str:
    """Return *page* with the table between its two marker lines.

    Raises:
        ValueError: A marker is missing.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError("the page has no exit-codes markers")
    return f"{before}{begin}{exit_code_table()}{end}{after}"


def _meaning(leaf: type[OperationError]) -> str:
    return (leaf.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ").strip()
