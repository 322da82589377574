"""``stsfix preflight``: look at everything, change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stsfix.plugin.cli.session import ACCEPT, Session, session_options
from stsfix.plugin.exit_codes import BLOCKED, SUCCESS, WARNINGS

if TYPE_CHECKING:
    from stsfix.plugin.render import Line
    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding
    from stsfix.remediation.preflight import Verdict


@click.command()
@ACCEPT
@session_options
def preflight(session: Session, *, accepted: tuple[str, ...]) -> int:
    """Read nodes, directories, hosts and VMs, and judge whether a repair is safe.

    Exit code 0: nothing speaks against a repair. 1: warnings only. 2: a repair is forbidden,
    each reason is named with what to do about it.
    """
    from stsfix.plugin.runs import Runs  # noqa: PLC0415 - imports the engine
    from stsfix.remediation.preflight import Verdict, needs_repair, verdict  # noqa: PLC0415

    with session.wiring() as wiring:
        runs = Runs(session.journal, wiring, stop_requested=session.flag)
        inventory, findings = runs.look(accepted)
    result = verdict(findings)
    show_preflight(session, inventory, findings)
    if not session.as_json:
        session.show(_next_lines(session, result, repair=needs_repair(inventory)))
    codes = {Verdict.CLEAN: SUCCESS, Verdict.WARNINGS: WARNINGS, Verdict.BLOCKED: BLOCKED}
    return codes[result]


def seen(inventory: Inventory, findings: tuple[Finding, ...]) -> dict[str, object]:
    """Return what preflight saw, for a JSON document."""
    from stsfix.remediation.preflight import needs_repair, verdict  # noqa: PLC0415

    return {
        "verdict": verdict(findings),
        "needs_repair": needs_repair(inventory),
        "findings": findings,
        "inventory": inventory,
    }


def show_preflight(session: Session, inventory: Inventory, findings: tuple[Finding, ...]) -> None:
    """Show what was seen, as JSON or for people."""
    from stsfix.plugin.render import preflight_lines  # noqa: PLC0415
    from stsfix.remediation.preflight import needs_repair, verdict  # noqa: PLC0415

    if session.as_json:
        session.output.json(seen(inventory, findings))
        return
    session.show(
        preflight_lines(
            inventory,
            findings,
            verdict(findings),
            repair=needs_repair(inventory),
            width=session.width,
        )
    )


def _next_lines(session: Session, result: Verdict, *, repair: bool) -> tuple[Line, ...]:
    from stsfix.plugin.render import Line  # noqa: PLC0415
    from stsfix.remediation.preflight import Verdict  # noqa: PLC0415

    if result is Verdict.BLOCKED:
        name = "preflight"
    elif repair:
        name = "run"
    else:
        return ()
    return Line(""), Line("Next:", "bold"), Line(f"  {session.context.command(name)}")
