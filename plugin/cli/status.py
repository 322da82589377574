"""``stsfix runs`` and ``stsfix status``: what the journal says; contacts nobody."""

from __future__ import annotations

import click

from stsfix.plugin.cli.session import Session, session_options
from stsfix.plugin.view import view_of


@click.command()
@session_options
def runs(session: Session) -> None:
    """List every run of the state folder, oldest first."""
    views = [
        view_of(session.journal.read(name), session.context) for name in session.journal.names()
    ]
    if session.as_json:
        session.output.json({"runs": views})
        return
    from stsfix.plugin.render import list_lines

    if not views:
        session.output.note(f"no run yet in {session.state_dir}")
    session.show(list_lines(views, width=session.width))


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@session_options
def status(session: Session, run_name: str | None) -> None:
    """Show one run in full: nodes, steps, and the commands that make sense now.

    RUN is the newest run of the state folder if it is left out.
    """
    from stsfix.plugin.render import run_lines

    view = view_of(session.journal.read(run_name or session.journal.latest()), session.context)
    if session.as_json:
        session.output.json({"run": view})
        return
    session.show(run_lines(view, width=session.width))
