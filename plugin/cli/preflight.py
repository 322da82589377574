"""``stsfix preflight``: look at everything, change nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stsfix.plugin.cli.session import ACCEPT, Session, session_options

if TYPE_CHECKING:
    from stsfix.plugin.preflight_view import PreflightReport
    from stsfix.plugin.render import Line
    from stsfix.plugin.runs import Runs


@click.command()
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a page with pictures for a browser, too (readable by you alone).",
)
@ACCEPT
@session_options
def preflight(session: Session, *, accepted: tuple[str, ...], html: Path | None) -> int:
    """Read nodes, directories, hosts and VMs, and judge whether a repair is safe.

    Exit code 0: nothing speaks against a repair. 1: warnings only. 2: a repair is forbidden,
    each reason is named with what to do about it.
    """
    from stsfix.plugin.private_file import require_writable  # noqa: PLC0415 - not for --help
    from stsfix.plugin.report_json import EXIT_CODES  # noqa: PLC0415 - same
    from stsfix.plugin.runs import Runs  # noqa: PLC0415 - imports the engine

    if html is not None:
        require_writable(html)
    with session.wiring() as wiring:
        runs = Runs(session.journal, wiring, stop_requested=session.flag)
        report = looked_at(runs, accepted)
    if session.as_json:  # one document: a page that cannot be written is an error instead
        _write_page(session, report, html)
        show_preflight(session, report)
    else:
        show_preflight(session, report)
        session.show(_next_lines(session, report))
        _write_page(session, report, html)
    return EXIT_CODES[report.verdict]


def looked_at(runs: Runs, accepted: tuple[str, ...]) -> PreflightReport:
    """Return what one look at everything tells."""
    from importlib import metadata  # noqa: PLC0415 - not for --help

    from stsfix.plugin.preflight_view import PreflightReport  # noqa: PLC0415 - same

    inventory, findings = runs.look(accepted)
    return PreflightReport.of(
        inventory,
        findings,
        version=metadata.version("stsfix"),
        phases=runs.outlook(inventory),
    )


def seen(report: PreflightReport) -> dict[str, object]:
    """Return what preflight saw, for the JSON document of another command."""
    from stsfix.plugin.report_json import preflight_document  # noqa: PLC0415 - not for --help

    whole = preflight_document(report)
    return {name: value for name, value in whole.items() if name not in {"kind", "exit_code"}}


def show_preflight(session: Session, report: PreflightReport) -> None:
    """Show what was seen, as JSON or for people."""
    from stsfix.plugin.render_preflight import preflight_lines, tree_marks  # noqa: PLC0415
    from stsfix.plugin.report_json import preflight_document  # noqa: PLC0415

    if session.as_json:
        session.output.json(preflight_document(report))
        return
    marks = tree_marks(sys.stdout.encoding)
    session.show(preflight_lines(report, width=session.width, marks=marks))


def _write_page(session: Session, report: PreflightReport, html: Path | None) -> None:
    from stsfix.plugin.private_file import write_private  # noqa: PLC0415 - not for --help
    from stsfix.plugin.report_html import preflight_page  # noqa: PLC0415 - same

    if html is not None:
        write_private(html, preflight_page(report))
        session.say(f"The page is in {html}.")


def _next_lines(session: Session, report: PreflightReport) -> tuple[Line, ...]:
    from stsfix.plugin.render import Line  # noqa: PLC0415
    from stsfix.remediation.preflight import Verdict  # noqa: PLC0415

    if report.verdict is Verdict.BLOCKED:
        name = "preflight"
    elif report.needs_repair:
        name = "run"
    else:
        return ()
    return Line(""), Line("Next:", "bold"), Line(f"  {session.context.command(name)}")
