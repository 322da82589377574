"""What every command shares: options, configuration, output, and how an error ends it."""

from __future__ import annotations

import functools
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stsfix.plugin.diagnostics import RunContext, explain
from stsfix.plugin.exit_codes import exit_code
from stsfix.plugin.hardening import harden
from stsfix.plugin.interrupt import InterruptibleClock, StopFlag, stop_on_signals
from stsfix.plugin.logs import logging_to
from stsfix.plugin.output import Output
from stsfix.plugin.redaction import Redactor
from stsfix.plugin.text import printable
from stsfix.remediation.journal import JournalFile
from stsfix.snapshot.errors import OperationError
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from stsfix.plugin.render import Line
    from stsfix.plugin.runs import Runs
    from stsfix.plugin.settings import Settings
    from stsfix.plugin.wiring import Wiring
    from stsfix.remediation.ports import Progress

F = TypeVar("F", bound="Callable[..., Any]")


def default_state_dir() -> Path:
    """Return the platform's folder for the state of programs, with ours in it."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "stsfix"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "stsfix"
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "stsfix"


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
        from stsfix.plugin.config import load_settings  # noqa: PLC0415 - only when needed

        return load_settings(self.config)

    @functools.cached_property
    def journal(self) -> JournalFile:
        """The runs of the state folder."""
        return JournalFile(self.state_dir, self.clock)

    def show(self, lines: Iterable[Line]) -> None:
        """Write lines for people to standard output, coloured on a terminal."""
        if not sys.stdout.isatty():
            for line in lines:
                self.output.line(line.text)
            return
        from rich.text import Text  # noqa: PLC0415 - 50 ms that --help must not pay

        for line in lines:
            self.output.out.print(Text(line.text, style=line.style), soft_wrap=True)

    @property
    def width(self) -> int:
        """Columns of standard output; 80 where it is no terminal."""
        return self.output.out.width if sys.stdout.isatty() else 80

    def progress(self, event: Progress) -> None:
        """Write one line of progress to standard error."""
        parts = (f"{event.step:<18}", event.subject, event.text)
        self.output.note(printable("  ".join(part for part in parts if part.strip())))

    @contextmanager
    def wiring(self) -> Generator[Wiring]:
        """Adapters of the configuration; logged out at the end, whatever happens."""
        from stsfix.plugin.secrets import SecretStore, terminal_prompt  # noqa: PLC0415
        from stsfix.plugin.wiring import Wiring  # noqa: PLC0415 - imports the adapters

        secrets = SecretStore(
            self.settings, os.environ, terminal_prompt(), found=self.redactor.register
        )
        wiring = Wiring(self.settings, secrets, self.clock, self.progress)
        try:
            yield wiring
        finally:
            wiring.close()

    @contextmanager
    def runs(self) -> Generator[Runs]:
        """The runs of the state folder, with adapters, the domain's lock and signal handling."""
        from stsfix.plugin.runs import Runs  # noqa: PLC0415

        with self.wiring() as wiring:
            runs = Runs(self.journal, wiring, stop_requested=self.flag)
            with runs.locked(), stop_on_signals(self.flag, self.output.note):
                yield runs

    def about(self, run: str) -> None:
        """Let error messages name *run* and its phase from now on."""
        phase = self.journal.read(run).phase.value if run else ""
        self.context = RunContext(
            config=self.config, state_dir=self.context.state_dir, run=run, phase=phase
        )


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
        help="The domain's configuration.",
    )
    @click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="STSFIX_STATE_DIR",
        default=None,
        help="Folder of the runs' journal [default: the platform's].",
    )
    @click.option("--json", "as_json", is_flag=True, help="Data as JSON on standard output.")
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
            output=Output(sys.stdout, sys.stderr, os.environ),
            redactor=redactor,
            context=RunContext(config=config, state_dir=state_dir),
            flag=StopFlag(),
        )
        with logging_to(sys.stderr, redactor, verbosity=verbose):
            try:
                code = function(session, *args, **kwargs)
            except OperationError as error:
                return report_error(session, error)
        return code if isinstance(code, int) else 0

    return wrapper  # type: ignore[return-value] # click takes what it returns by decoration


def report_error(session: Session, error: OperationError) -> int:
    """Say what happened, what state things are in and what to do; return the exit code."""
    if session.context.run:
        session.about(session.context.run)
    diagnosis = explain(error, session.context)
    code = exit_code(error)
    if session.as_json:
        session.output.json(
            {"error": type(error).__name__, "exit_code": code, "diagnosis": diagnosis}
        )
    session.output.note(f"{diagnosis.what_happened}\n{diagnosis.state}")
    for action in diagnosis.next_actions:
        session.output.note(f"  -> {action}")
    for note in getattr(error, "__notes__", ()):
        session.output.note(printable(note))
    return code
