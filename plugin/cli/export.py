"""``stsfix export show | restore``: the STS entries that a run saved before its first write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stsfix.plugin.cli.session import Session, session_options

if TYPE_CHECKING:
    from stsfix.remediation.directory.sts_restore import RestorePlan


@click.group()
def export() -> None:
    """Look at the STS entries that a run saved before its first write, or put them back.

    Every run saves them, of every node, in the state folder, sealed with a passphrase.
    """


@export.command(short_help="Show what an export holds; contacts nobody.")
@click.argument("run_name", metavar="[RUN]", required=False)
@session_options
def show(session: Session, run_name: str | None) -> int:
    """Show what the export of a run holds; private keys are never shown. Contacts nobody.

    RUN is the newest run of the domain if it is left out.
    """
    from stsfix.plugin.export_view import export_lines, view_of_export

    name = run_name or session.journal.latest(session.settings.sso.domain)
    session.about(name)
    with session.wiring() as wiring:
        view = view_of_export(wiring.exports(session.state_dir).load(name), session.clock.now())
    if session.as_json:
        session.output.json({"export": view})
    else:
        session.show(export_lines(session.cleared(view), width=session.width))
    return 0


@export.command(short_help="Put the STS entries back, without snapshots.")
@click.argument("run_name", metavar="[RUN]", required=False)
@session_options
def restore(session: Session, run_name: str | None) -> int:
    """Put the STS entries back over LDAP, without any snapshot: for when a snapshot is gone.

    First what is missing is added, then what the run wrote is deleted; entries of others are
    never touched. `stsfix rollback` is the better way back while every snapshot is there.

    RUN is the newest run of the domain if it is left out.
    """
    from stsfix.plugin.cli.run import confirmed, named, require_answer, show_run

    require_answer(session)
    with session.runs() as runs:
        name = named(session, runs, run_name, "export restore")
        runs.require_restorable(name)
        saved = runs.read_export(name)
        plan = runs.plan_restore(name, saved)
        _say_plan(session, plan)
        if not confirmed(session, f"Put the STS entries of {saved.domain} back on {saved.writer}?"):
            return 0
        with session.stoppable():
            runs.restore(name, saved)
        session.say(
            "The STS entries of every node are those of before the run. Restart the services of"
            " every node (service-control --stop --all && service-control --start --all), and"
            " prove logins: an expired credential is back as well."
        )
        show_run(session, name)
    return 0


def _say_plan(session: Session, plan: RestorePlan) -> None:
    for entry in plan.add:
        session.say(f"to be added: {entry.cn}")
    for entry in plan.remove:
        session.say(f"to be deleted, written by the run: {entry.cn}")
    if plan.is_done:
        session.say("The directory holds exactly the export already.")
