"""``stsfix preflight``: look at everything, change nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stsfix.plugin.cli.session import ACCEPT, Session, renewal_options, session_options

if TYPE_CHECKING:
    from stsfix.plugin.preflight_view import PreflightReport
    from stsfix.plugin.runs import Runs
    from stsfix.plugin.terminal.runs import Line
    from stsfix.remediation.checks.renewal import Wish


@click.command()
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a page with pictures for a browser, too (readable by you alone).",
)
@renewal_options
@ACCEPT
@session_options
def preflight(
    session: Session,
    *,
    accepted: tuple[str, ...],
    html: Path | None,
    renew: str | None,
    new_vmca_root: bool,
) -> int:
    """Read nodes, directories, hosts and VMs, and judge whether anything speaks against a repair.

    Exit code 0: nothing speaks against a repair. 1: warnings only. 2: a repair is forbidden,
    each reason is named with what to do about it.
    """
    from stsfix.plugin.documents.preflight import EXIT_CODES
    from stsfix.plugin.private_file import require_writable
    from stsfix.plugin.runs import Runs

    if html is not None:
        require_writable(html)
    with session.wiring() as wiring:
        runs = Runs(session.journal, wiring, stop_requested=session.flag)
        report = looked_at(runs, accepted, wish_of(renew, new_vmca_root=new_vmca_root))
    if session.as_json:  # one document: a page that cannot be written is an error instead
        _write_page(session, report, html)
        show_preflight(session, report)
    else:
        show_preflight(session, report)
        session.show(_next_lines(session, report))
        _write_page(session, report, html)
    return EXIT_CODES[report.verdict]


def wish_of(renew: str | None, *, new_vmca_root: bool) -> Wish:
    """Return what the options ask a run to renew."""
    from stsfix.remediation.checks.renewal import Wish
    from stsfix.remediation.model import Renew

    return Wish(renew=Renew(renew or Renew.NONE), new_vmca_root=new_vmca_root)


def looked_at(runs: Runs, accepted: tuple[str, ...], wish: Wish) -> PreflightReport:
    """Return what one look at everything tells."""
    from importlib import metadata

    from stsfix.plugin.preflight_view import PreflightReport
    from stsfix.remediation.checks.renewal import renewal_of

    inventory, findings = runs.look(accepted, wish)
    renewal = renewal_of(inventory, wish)
    return PreflightReport.of(
        inventory,
        findings,
        version=metadata.version("stsfix"),
        phases=runs.outlook(inventory, renewal),
        renewal=renewal,
    )


def seen(report: PreflightReport) -> dict[str, object]:
    """Return what preflight saw, for the JSON document of another command."""
    from stsfix.plugin.documents.preflight import preflight_document

    whole = preflight_document(report)
    return {name: value for name, value in whole.items() if name not in {"kind", "exit_code"}}


def show_preflight(session: Session, report: PreflightReport) -> None:
    """Show what was seen, as JSON or for people."""
    from stsfix.plugin.documents.preflight import preflight_document
    from stsfix.plugin.terminal.preflight import preflight_lines, tree_marks

    if session.as_json:
        session.output.json(preflight_document(report))
        return
    marks = tree_marks(sys.stdout.encoding)
    session.show(preflight_lines(session.cleared(report), width=session.width, marks=marks))


def _write_page(session: Session, report: PreflightReport, html: Path | None) -> None:
    from stsfix.plugin.page.preflight import preflight_page
    from stsfix.plugin.private_file import write_private

    if html is not None:
        write_private(html, session.redactor.redact(preflight_page(session.cleared(report))))
        session.say(f"The page is in {html}.")


def _next_lines(session: Session, report: PreflightReport) -> tuple[Line, ...]:
    from stsfix.plugin.terminal.runs import Line

    command = next_command(report)
    if not command:
        return ()
    return Line(""), Line("Next:", "bold"), Line(f"  {session.context.command(command)}")


def next_command(report: PreflightReport) -> str:
    """Return what to start next, with what was asked for and accepted here; empty for nothing.

    A risk is accepted of the objects it was accepted of, and of no other. Words are quoted as a
    shell wants them.
    """
    from stsfix.plugin.preflight_view import asked_again
    from stsfix.remediation.checks.preflight import Verdict

    if report.verdict is Verdict.BLOCKED:
        name = "preflight"
    elif report.needs_repair or not report.renewal.is_empty:
        name = "run"
    else:
        return ""
    return f"{name}{asked_again(report)}"
