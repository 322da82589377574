"""``stsfix run | resume | rollback | release``: the commands that change something."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from stsfix.plugin.cli.session import (
    ACCEPT,
    Session,
    renewal_options,
    report_error,
    session_options,
)
from stsfix.plugin.exit_codes import exit_code
from stsfix.plugin.view import databases_to_restore, disks_left_out, view_of, what_goes_back
from stsfix.remediation.errors_run import (
    DomainLockedError,
    InterruptedRunError,
    JournalUnwritableError,
    RestartByHandError,
)
from stsfix.remediation.records import Phase
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.plugin.preflight_view import PreflightReport
    from stsfix.plugin.runs import Runs
    from stsfix.plugin.view import RunView
    from stsfix.remediation.model import RunSpec

ON_FAILURE = click.Choice(["stop", "ask", "rollback"])


ADOPT = click.option(
    "--adopt",
    is_flag=True,
    help="The state folder is lost: take the run over from its snapshots on the hosts.",
)


def _on_failure() -> str:
    return "ask" if sys.stdin.isatty() and sys.stderr.isatty() else "stop"


@click.command()
@click.option("--force", is_flag=True, help="Replace a credential that is still sound.")
@click.option(
    "--on-failure",
    type=ON_FAILURE,
    default=None,
    help="What to do when a step fails [default: ask on a terminal, else stop].",
)
@renewal_options
@ACCEPT
@session_options
def run(
    session: Session,
    *,
    force: bool,
    on_failure: str | None,
    accepted: tuple[str, ...],
    renew: str | None,
    new_vmca_root: bool,
) -> int:
    """Repair the domain: preflight, snapshot, fix, restart, verify.

    Nothing is changed before the question whether to begin (or --yes). Every step is on disk
    before and after it happens; a run that stops is continued by `stsfix resume` or taken back
    by `stsfix rollback`.
    """
    from stsfix.plugin.cli.preflight import looked_at, wish_of
    from stsfix.plugin.documents.preflight import preflight_document
    from stsfix.plugin.output import json_document

    require_answer(session)
    wish = wish_of(renew, new_vmca_root=new_vmca_root)
    with session.runs() as runs:
        runs.refuse_open_run(session.settings.sso.domain)
        decided = _decided(session, runs, lambda: looked_at(runs, accepted, wish), force=force)
        if isinstance(decided, int):
            return decided
        spec, report = decided
        saved = json_document(preflight_document(report), session.redactor.redact)
        runs.start(spec, saved)
        session.say(f"Run {spec.run} begins; times are UTC.")
        return _go(session, runs, spec.run, on_failure)


STALE = timedelta(minutes=15)
"""Who answers later than this after a look is shown a new one, and asked again."""

LOOKED_AGAIN = "Much may have changed since that was looked at: it is looked at once more."


def _decided(
    session: Session, runs: Runs, look: Callable[[], PreflightReport], *, force: bool
) -> tuple[RunSpec, PreflightReport] | int:
    """Return what is to be done, as just looked at and agreed to, or the exit code of a no."""
    from stsfix.plugin.cli.preflight import seen, show_preflight
    from stsfix.plugin.preflight_view import asked_again
    from stsfix.plugin.runs import RunOptions
    from stsfix.plugin.terminal.runs import signer_words

    sts = session.settings.sts
    while True:
        report = look()
        looked = session.clock.now()
        if not session.as_json:
            show_preflight(session, report)
        looking = f"preflight{asked_again(report)}"
        session.context = replace(session.context, looking=looking)
        options = RunOptions(
            issuer=report.inventory.issuer,
            validity_days=sts.validity_days,
            retire=sts.retire_old,
            force=force,
        )
        try:
            spec = runs.prepare(report.inventory, report.findings, options, report.renewal)
        except OperationError as error:
            return report_error(session, error, **seen(report))
        names = ", ".join(node.fqdn for node in spec.nodes)
        session.say(f"Signs the new certificate: {signer_words(spec.issuer, spec.writer)}.")
        if not confirmed(session, f"Shut down, snapshot and repair {names} now?"):
            return 0
        if session.clock.now() - looked < STALE:
            return spec, report
        session.say(LOOKED_AGAIN)


def require_answer(session: Session) -> None:
    """Return if the question whether to begin can be answered; asked before any work."""
    if not session.yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(
            "nobody is here to be asked: give --yes", ctx=click.get_current_context()
        )


def confirmed(session: Session, question: str) -> bool:
    """Ask *question* unless --yes was given; a no, or a prompt that was closed, says that nothing
    was changed.
    """
    try:
        if session.yes or click.confirm(question, err=True):
            return True
    except click.Abort:
        if not session.flag():  # who was stopped by a signal is told already
            session.output.note("\nNo answer: nothing was changed.")
        raise
    session.say("Nothing was changed.")
    return False


def _go(session: Session, runs: Runs, run_name: str, on_failure: str | None) -> int:
    """Carry the run on; a failed step is answered as *on_failure* says.

    A step that waits for a person has not failed: nobody is asked, and nothing is taken back.
    """
    session.about(run_name)
    try:
        with session.stoppable():
            runs.carry_on(run_name)
    except (InterruptedRunError, JournalUnwritableError):
        raise
    except DomainLockedError as error:
        _close(session, runs, run_name, error)
        return report_error(session, error, run=_view(session, run_name))
    except RestartByHandError as error:
        return report_error(session, error, run=_view(session, run_name))
    except OperationError as error:
        back = session.journal.read(run_name).phase is Phase.ROLLING_BACK
        if back or not _goes_back(session, error, on_failure or _on_failure()):
            return report_error(session, error, run=_view(session, run_name))
        session.say(f"Rolling back {run_name}.")
        with session.stoppable():
            runs.roll_back(run_name)
        if session.as_json:
            return report_error(session, error, run=_view(session, run_name))
        show_run(session, run_name)
        return exit_code(error)
    show_run(session, run_name)
    return 0


def _close(session: Session, runs: Runs, run_name: str, error: DomainLockedError) -> None:
    """Take the run back that gave way. What keeps it open is noted on *error*: whom it gave way to
    is what the operator has to know in any case.
    """
    try:
        with session.stoppable():
            runs.roll_back(run_name)
    except OperationError as left:
        error.add_note(f"{run_name} is not closed yet: {left}")
        error.add_note(f"Close it when that is mended: {session.context.command('rollback')}")
        return
    session.say(f"Another workstation's run came first; {run_name} is closed.")


def _goes_back(session: Session, error: OperationError, choice: str) -> bool:
    if choice == "stop":
        return False
    session.say(f"The run stopped: {error}.")
    if choice == "rollback":
        return True
    try:
        return click.confirm("Roll back now?", default=False, err=True)
    except click.Abort:  # Ctrl-C or Ctrl-D: how the run stopped is told all the same
        return False


def _view(session: Session, run_name: str, *, known_trust: bool = False) -> RunView:
    """Return the run's picture; *known_trust* adds what domain.toml does not verify any more."""
    from stsfix.plugin.new_trust import with_trust

    stored = session.journal.read(run_name)
    view = view_of(stored, session.context)
    if view.renewal is None or not known_trust:
        return view
    return replace(view, renewal=with_trust(view.renewal, stored, session.settings.trusts))


def show_run(session: Session, run_name: str) -> None:
    """Show one run in full."""
    from stsfix.plugin.terminal.runs import run_lines

    view = _view(session, run_name, known_trust=True)
    if session.as_json:
        session.output.json({"run": view})
        return
    session.show(run_lines(session.cleared(view), width=session.width))


def named(session: Session, runs: Runs, run_name: str | None, asked: str = "") -> str:
    """Return the run that is meant: the one named, else the domain's newest; *asked* is what goes
    on with this command, see `RunContext`.

    Raises:
        RunStateError: It is of another site; whose VMs are whose is seen only later.
    """
    settings = session.settings
    name = run_name or session.journal.latest(settings.sso.domain)
    session.about(name, asked=asked)
    guessed = run_name is None
    runs.require_ours(
        name,
        domain=settings.sso.domain,
        nodes=(*settings.sso.nodes, *(n.fqdn for n in settings.nodes)) if guessed else (),
        hosts=tuple(host.host for host in settings.hosts) if guessed else (),
    )
    return name


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@click.option("--on-failure", type=ON_FAILURE, default=None, help="As for `stsfix run`.")
@session_options
def resume(session: Session, run_name: str | None, *, on_failure: str | None) -> int:
    """Continue a run that stopped or died. A step in doubt is looked at before it is repeated.

    RUN is the newest run of the domain if it is left out.
    """
    with session.runs() as runs:
        name = named(session, runs, run_name)
        runs.require_resumable(name)
        return _go(session, runs, name, on_failure)


def taken_over(
    session: Session, runs: Runs, run_name: str | None, *, releasing: bool
) -> str | None:
    """Take over a run that only its snapshots tell of, and return its name; None if the operator
    said no. The one question is also whether to take it back or to release it: nothing is written
    before it is answered.
    """
    from stsfix.plugin.terminal.runs import adoptable_lines, adoption_question

    while True:
        found = runs.find_adoptable(run_name)
        looked = session.clock.now()
        for line in adoptable_lines(found):
            session.say(line)
        if not confirmed(session, adoption_question(found, releasing=releasing)):
            return None
        if session.clock.now() - looked < STALE:
            return runs.adopt(found, releasing=releasing)
        session.say(LOOKED_AGAIN)


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@ADOPT
@session_options
def rollback(session: Session, run_name: str | None, *, adopt: bool) -> int:
    """Take a run back: every node off, every snapshot reverted, then every node on again.
    If it has written nothing, nodes that are off are only powered on.

    RUN is the newest run of the domain if it is left out.
    """
    require_answer(session)
    with session.runs() as runs:
        if adopt and (run_name := taken_over(session, runs, run_name, releasing=False)) is None:
            return 0
        name = named(session, runs, run_name, "rollback")
        runs.require_reversible(name)
        runs.require_earlier_pins(name)
        stored = session.journal.read(name)
        spec = stored.spec
        for left in filter(None, (databases_to_restore(spec), disks_left_out(spec))):
            session.say(f"No snapshot holds everything: {left}.")
        question = f"Take back {name}? {what_goes_back(stored, session.clock.now())}"
        if not adopt and not confirmed(session, question):
            return 0
        with session.stoppable():
            runs.roll_back(name)
        show_run(session, name)
    return 0


def _all_gone(session: Session, run_name: str, without: tuple[str, ...]) -> bool:
    """Ask for each node that a release shall do without whether its VM is gone for good."""
    nodes = [node.fqdn for node in session.journal.read(run_name).spec.nodes]
    for fqdn in without:
        if fqdn not in nodes:
            raise click.UsageError(
                f"--without {fqdn}: the nodes of {run_name} are {', '.join(nodes)}",
                ctx=click.get_current_context(),
            )
    question = "Is the VM of {} gone for good? If it comes back, so does its snapshot."
    return all(confirmed(session, question.format(fqdn)) for fqdn in without)


def _releasing(*, adopt: bool, unproven: bool) -> str:
    return "release --adopt" if adopt else "release --unproven" if unproven else "release"


@click.command()
@click.argument("run_name", metavar="[RUN]", required=False)
@ADOPT
@click.option(
    "--unproven",
    is_flag=True,
    help="The last way: the run stopped at verify-logins, and you know by other means that logins"
    " work.",
)
@click.option(
    "--without",
    metavar="NODE",
    multiple=True,
    help="The VM of this node is gone for good: delete the snapshots of all others; may be given"
    " more than once.",
)
@session_options
def release(
    session: Session,
    run_name: str | None,
    *,
    adopt: bool,
    unproven: bool,
    without: tuple[str, ...],
) -> int:
    """Delete the run's snapshots, and nobody else's. There is no rollback afterwards.

    RUN is the newest run of the domain if it is left out.
    """
    if adopt and unproven:
        raise click.UsageError(
            "--adopt takes a run over whose proof nobody knows: leave --unproven out",
            ctx=click.get_current_context(),
        )
    require_answer(session)
    with session.runs() as runs:
        if adopt and (run_name := taken_over(session, runs, run_name, releasing=True)) is None:
            return 0
        name = named(session, runs, run_name, _releasing(adopt=adopt, unproven=unproven))
        question = f"Delete the snapshots of {name}? There is no way back then."
        if unproven:
            runs.require_unproven(name)
            question = (
                f"No proof was given that logins work after {name}. Did you see them work on every"
                " node, and delete the only way back?"
            )
        else:
            runs.require_releasable(name, adopted=adopt, without=without)
        if not _all_gone(session, name, without):
            return 0
        if not adopt and not confirmed(session, question):
            return 0
        with session.stoppable():
            released = runs.release(name, adopted=adopt, unproven=unproven, without=without)
        for vm in released.consolidation_needed:
            session.say(f"{vm} needs disk consolidation: do it in the Host Client.")
        show_run(session, name)
    return 0
