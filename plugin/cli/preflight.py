"""``stsfix preflight``: look at everything, change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stsfix.plugin.cli.session import Session, session_options
from stsfix.plugin.exit_codes import BLOCKED, SUCCESS, WARNINGS

if TYPE_CHECKING:
    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding
    from stsfix.remediation.preflight import Verdict


@click.command()
@session_options
def preflight(session: Session) -> int:
    """Read nodes, directories, hosts and VMs, and judge whether a repair is safe.

    Exit code 0: nothing found. 1: warnings only. 2: a repair is forbidden.
    """
    from stsfix.plugin.runs import Runs  # noqa: PLC0415 - imports the engine
    from stsfix.remediation.preflight import Verdict, verdict  # noqa: PLC0415

    with session.wiring() as wiring:
        runs = Runs(session.journal, wiring, stop_requested=session.flag)
        inventory, findings = runs.look()
    result = verdict(findings)
    show_preflight(session, inventory, findings, result)
    codes = {Verdict.CLEAN: SUCCESS, Verdict.WARNINGS: WARNINGS, Verdict.BLOCKED: BLOCKED}
    return codes[result]


def show_preflight(
    session: Session,
    inventory: Inventory,
    findings: tuple[Finding, ...],
    result: Verdict,
) -> None:
    """Show what was seen, as JSON or for people."""
    from stsfix.plugin.render import preflight_lines  # noqa: PLC0415

    if session.as_json:
        session.output.json({"verdict": result, "findings": findings, "inventory": inventory})
        return
    session.show(preflight_lines(inventory, findings, result, width=session.width))
