"""What every command shares: options, configuration, output, and how an error ends it."""

from __future__ import annotations

import functools
import gc
import logging
import os
import shlex
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from stsfix.plugin.diagnostics import RunContext, explain, split_command
from stsfix.plugin.errors import OutOfMemoryError, ReportFileError, lacks_memory
from stsfix.plugin.exit_codes import INTERNAL, exit_code
from stsfix.plugin.hardening import harden
from stsfix.plugin.interrupt import (
    InterruptibleClock,
    StopFlag,
    ends_on_signals,
    stop_on_signals,
)
from stsfix.plugin.logs import logging_to
from stsfix.plugin.output import Output
from stsfix.plugin.progress import ProgressPrinter
from stsfix.plugin.redaction import Redactor, cleared
from stsfix.plugin.text import folded, printable
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.renewal.unfinished import stores_ahead
from stsfix.snapshot.errors import OperationError
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from stsfix.plugin.runs import Runs
    from stsfix.plugin.settings import Settings
    from stsfix.plugin.terminal.runs import Line
    from stsfix.plugin.wiring import Wiring

logger = logging.getLogger(__name__)

F = TypeVar("F", bound="Callable[..., Any]")
T = TypeVar("T")


def default_state_dir() -> Path:
    """Return the platform's folder for the state of programs, with ours in it."""
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support" / "stsfix"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home()) / "stsfix"
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    # A path that is not absolute is to be ignored (XDG Base Directory Specification).
    return (base if base.is_absolute() else _home() / ".local" / "state") / "stsfix"


def _home() -> Path:
    """Return the user's own folder.

    Raises:
        click.UsageError: Nobody says which it is: no HOME, no entry for the user.
    """
    try:
        found = Path.home()
    except RuntimeError:
        found = Path()
    if not found.is_absolute():
        raise click.UsageError("there is no home folder for the journal: name one by --state-dir")
    return found


@dataclass
class Session:
    """One command at work. *context* tells error messages which run they are about."""

    config: Path
    state_dir: Path
    as_json: bool
    yes: bool
    output: Output
    redactor: Redactor
    context: RunContext
    flag: StopFlag

    @functools.cached_property
    def clock(self) -> InterruptibleClock:
        """Wall clock whose sleep ends when a stop is asked for."""
        return InterruptibleClock(SystemClock(), self.flag)

    @functools.cached_property
    def settings(self) -> Settings:
        """The configuration, read once."""
        from stsfix.plugin.config import load_settings

        return load_settings(self.config, come_across=self.context.config is None)

    @functools.cached_property
    def journal(self) -> JournalFile:
        """The runs of the state folder."""
        return JournalFile(self.state_dir, self.clock)

    def show(self, lines: Iterable[Line]) -> None:
        """Write lines for people to standard output, coloured on a terminal."""
        if not sys.stdout.isatty():
            for line in lines:
                self.output.line(printable(line.text))  # a name with a line end forges no line
            return
        from rich.text import Text

        for line in lines:
            text = printable(self.redactor.redact(line.text))
            self.output.drawn(Text(text, style=line.style))

    def cleared(self, seen: T) -> T:
        """Return what peers said without our secrets: for what is cut or wrapped before `show`."""
        return cleared(seen, self.redactor.redact)

    @property
    def width(self) -> int:
        """Columns of standard output; 80 where it is no terminal."""
        return self.output.out.width if sys.stdout.isatty() else 80

    @functools.cached_property
    def progress(self) -> ProgressPrinter:
        """Writes what happens to standard error as it happens."""
        width = _error_width()
        redact = self.redactor.redact
        return ProgressPrinter(self.output.note, self.clock.now, width=width, redact=redact)

    def say(self, text: str) -> None:
        """Write a diagnostic to standard error, wrapped at words on a terminal."""
        told = printable(self.redactor.redact(text))  # before a line's end divides a secret
        self.output.note("\n".join(_wrapped(told, _error_width())))

    @contextmanager
    def wiring(self, *, partial: bool = False) -> Generator[Wiring]:
        """Adapters of the configuration; logged out at the end, whatever happens.

        *partial* leaves out hosts without a password instead of refusing to begin.

        A signal ends the command after it has logged out and cleaned up on the nodes; a second
        one ends it at once.
        """
        from stsfix.plugin.host_keys import ConfirmedKeys, terminal_confirmation
        from stsfix.plugin.secrets import SecretStore, terminal_prompt
        from stsfix.plugin.wiring import Wiring
        from stsfix.remediation.host_keys import HostKeys

        secrets = SecretStore(
            self.settings, os.environ, terminal_prompt(), found=self.redactor.register
        )
        confirm = None if self.yes else terminal_confirmation(self.output.note)
        wiring = Wiring(
            self.settings,
            secrets,
            self.clock,
            self.progress,
            host_keys=HostKeys(ConfirmedKeys(self.state_dir), confirm),
            partial=partial,
        )
        try:
            with ends_on_signals(self.flag, self._tell_end):
                yield wiring
        finally:
            wiring.close()

    def _tell_end(self) -> None:
        # A question in the middle of a run is asked here, too: something may have been changed.
        what = "nothing more is done" if self.context.run else "nothing was changed"
        self.output.note(f"stopping; {what} (once more to exit now)")

    @contextmanager
    def runs(self) -> Generator[Runs]:
        """The runs of the state folder, with adapters and the domain's lock."""
        from stsfix.plugin.runs import Runs

        with self.wiring() as wiring:
            runs = Runs(self.journal, wiring, stop_requested=self.flag)
            with runs.locked():
                yield runs

    @contextmanager
    def stoppable(self) -> Generator[None]:
        """While something is changed, a signal stops the run where it can be resumed."""
        with stop_on_signals(self.flag, self.output.note), self.progress.kept_alive():
            yield

    def about(self, run: str, *, asked: str = "") -> None:
        """Let error messages name *run* and its phase from now on; *asked* see `RunContext`."""
        asked = asked or self.context.asked
        about = replace(self.context, run=run, phase="", asked=asked, off=False, ahead=())
        if run:
            stored = self.journal.read(run)
            about = replace(
                about,
                phase=stored.phase.value,
                off=stored.nodes_may_be_off,
                ahead=stores_ahead(stored.plan, stored.records),
            )
        self.context = about


def session_options(function: F) -> F:
    """Give a command the common options and, first, a `Session`; end it by its error's code.

    What the command returns is its exit code; None means 0.
    """

    @click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="STSFIX_CONFIG",
        default=Path("domain.toml"),
        show_default=True,
        show_envvar=True,
        help="The domain's configuration.",
    )
    @click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="STSFIX_STATE_DIR",
        default=None,
        show_envvar=True,
        show_default="~/.local/state/stsfix, or the platform's folder for state",
        help="Folder of the runs' journal.",
    )
    @click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
    @click.option("--yes", is_flag=True, help="Ask nothing (unattended use).")
    @click.option("-v", "verbose", count=True, help="Log more on standard error (-vv: all calls).")
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        config: Path,
        state_dir: Path | None,
        as_json: bool,
        yes: bool,
        verbose: int,
        **kwargs: Any,
    ) -> int:
        harden()
        redactor = Redactor()
        session = Session(
            config=config,
            state_dir=state_dir or default_state_dir(),
            as_json=as_json,
            yes=yes,
            output=Output(sys.stdout, sys.stderr, os.environ, redactor.redact),
            redactor=redactor,
            context=RunContext(config=_unless_default(config), state_dir=state_dir, typed=_typed()),
            flag=StopFlag(),
        )
        with logging_to(sys.stderr, redactor, verbosity=verbose):
            try:
                code = function(session, *args, **kwargs)
            except OperationError as error:
                return report_error(session, error)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except Exception as error:
                if not lacks_memory(error):
                    logger.exception("a bug in stsfix")  # redacted, unlike Python's own traceback
                    return _report_bug(session)
            else:
                return code if isinstance(code, int) else 0
            return _report_no_memory(session)

    return wrapper  # type: ignore[return-value] # click takes what it returns by decoration


ACCEPT = click.option(
    "--accept",
    "accepted",
    multiple=True,
    metavar="FINDING[:OBJECT]",
    help="Take the risk of a finding that forbids a repair, of one object or of all; may be"
    " given more than once.",
)


def renewal_options(function: F) -> F:
    """Give a command the options that say what a run renews besides the STS credential."""
    for option in (
        click.option(
            "--new-vmca-root",
            is_flag=True,
            help="Give every VMCA whose root ends within 30 days a new one, and renew what the old"
            " one issued.",
        ),
        click.option(
            "--renew",
            type=click.Choice(["expired", "all"]),
            default=None,
            help="Renew machine certificates and solution users with VMCA, too: those that end"
            " within 30 days, or all that VMCA issued.",
        ),
    ):
        function = option(function)
    return function


def report_error(session: Session, error: OperationError, **seen: object) -> int:
    """Say what happened, what state things are in and what to do; return the exit code.

    With ``--json`` this is the command's one document; *seen* is what else belongs into it.
    """
    if session.context.run:
        session.about(session.context.run)
    diagnosis = session.cleared(explain(error, session.context))
    code = exit_code(error)
    if session.as_json:
        _json(
            session,
            {"error": type(error).__name__, "exit_code": code, "diagnosis": diagnosis, **seen},
        )
    session.say(diagnosis.what_happened)
    for line in diagnosis.evidence:
        session.output.note(f"     {line}")
    session.say(diagnosis.state)
    for action in diagnosis.next_actions:
        _show_action(session, action)
    for note in diagnosis.notes:
        session.say(note)
    return code


def _json(session: Session, document: Mapping[str, object]) -> None:
    """Write the one document of a command that failed; if nobody takes it, the texts for people
    still follow.
    """
    try:
        session.output.json(document)
    except ReportFileError as lost:
        session.say(f"The JSON document is lost: {lost}.")


def _report_no_memory(session: Session) -> int:
    """Say that there is no more memory, with less than there was before; return the exit code.

    What took it is held by the error that was just let go, and maybe by other threads still.
    """
    gc.collect()
    error = OutOfMemoryError()
    try:
        return report_error(session, error)
    except MemoryError:  # for the journal, or for a longer text
        os.write(2, f"{error}\n".encode())
        return exit_code(error)


def _report_bug(session: Session) -> int:
    """Say what can be relied on after a bug was logged; return its exit code."""
    if session.as_json:
        _json(session, {"error": "bug", "exit_code": INTERNAL})
    session.say("This is a bug in stsfix; nothing further was done. Please report the lines above.")
    if session.context.run:
        session.say("The run is recorded up to this point. What it can do now:")
        session.output.note(f"     {session.context.command('status')}")
    return INTERNAL


def _show_action(session: Session, action: str) -> None:
    """Show one next action; a command at its end gets a line of its own, to be copied."""
    text, command = split_command(action)
    lines = _wrapped(text, _error_width(), first="  -> ", indent="     ")
    if command:
        lines.append(f"     {command}")
    session.output.note("\n".join(lines))


def _wrapped(text: str, width: int | None, *, first: str = "", indent: str = "") -> list[str]:
    return [first + text] if width is None else folded(text, width, first=first, rest=indent)


def _error_width() -> int | None:
    """Columns of standard error if it is a terminal; lines in a file are left whole."""
    return shutil.get_terminal_size().columns if sys.stderr.isatty() else None


def _typed() -> str:
    """Return the command line that is at work, as it was given."""
    words = click.get_current_context().find_root().obj
    return shlex.join(["stsfix", *words]) if words else ""


def _unless_default(config: Path) -> Path | None:
    """Return *config* if printed commands must name it."""
    source = click.get_current_context().get_parameter_source("config")
    return None if source is ParameterSource.DEFAULT else config
