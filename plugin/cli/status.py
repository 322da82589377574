"""``stsfix runs`` and ``stsfix status``: what the journal says; contacts nobody."""

from __future__ import annotations

import click

from stsfix.plugin.cli.session import Session, session_options
from stsfix.plugin.view import RunView, view_of
from stsfix.remediation.errors_run import PlanChangedError
from stsfix.remediation.records import Phase


@click.command()
@session_options
def runs(session: Session) -> None:
    """List every run of the state folder, oldest first."""
    views, unread = _views(session)
    if session.as_json:
        session.output.json({"runs": views, "unread": unread})
        return
    from stsfix.plugin.terminal.runs import JOURNAL_ONLY, list_lines

    for name, why in unread.items():
        session.say(f"{name} is not listed: {why}")
    if not views and not unread:
        session.output.note(f"no run yet in {session.state_dir}")
    session.show(list_lines(views, width=session.width))
    if views:
        session.say(JOURNAL_ONLY.format(max(view.recorded for view in views)))


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@session_options
def status(session: Session, run_name: str | None) -> None:
    """Show one run in full: nodes, steps, and the commands that make sense now.

    RUN is the newest run of the state folder if it is left out.
    """
    from stsfix.plugin.terminal.runs import JOURNAL_ONLY, run_lines

    view = _view(session, run_name or session.journal.latest())
    if session.as_json:
        session.output.json({"run": view})
        return
    remark = "" if view.phase is Phase.RELEASED else JOURNAL_ONLY.format(view.recorded)
    session.show(run_lines(view, width=session.width, remark=remark))
    if view.next_actions and session.context.config is None and not session.config.exists():
        session.say(
            f"There is no {session.config} in this folder: add -c and the one of {view.domain} to"
            " these commands."
        )


def _views(session: Session) -> tuple[list[RunView], dict[str, str]]:
    """Return every run that this version can read, and why it cannot read the others."""
    views, unread = [], {}
    for name in session.journal.names():
        try:
            views.append(_view(session, name))
        except PlanChangedError as error:
            unread[name] = str(error)
    return views, unread


def _view(session: Session, name: str) -> RunView:
    stored = session.journal.read(name)
    holder = session.journal.holder(stored.spec.domain)
    return view_of(stored, session.context, holder=holder)
