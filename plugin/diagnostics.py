"""What an error means for the operator: what happened, what state things are in, what to do.

Pure. `str(error)` is one sentence with the data; the advice of each class is in
`stsfix.plugin.advice`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from stsfix.plugin.advice import ADVICE
from stsfix.plugin.advice_causes import BACK
from stsfix.plugin.advice_run import OWN_STATE
from stsfix.plugin.text import capitalised, printable
from stsfix.remediation.errors_run import DomainLockedError, OlderJournalError, UndoFailedError
from stsfix.remediation.left_off import LEFT_OFF
from stsfix.remediation.renewal.unfinished import ahead_words
from stsfix.snapshot.errors import (
    FaultError,
    InDoubtError,
    OperationError,
    RefusedError,
    StoppedError,
    TransientError,
)

_STATES: tuple[tuple[type[OperationError], str, str], ...] = (
    (RefusedError, "What was refused changed nothing", ""),
    (TransientError, "Nothing was changed by it", "; nothing further was done"),
    (FaultError, "It did not work", ", and nothing further was done"),
    (InDoubtError, "It may or may not have been done", "; nothing further was done"),
    (StoppedError, "Nothing further was done: a person has to look first", ""),
    (OperationError, "Nothing further was done", ""),
)
"""What each category tells of the state, and what to add unless other nodes went on."""


_ANYWHERE = ("preflight", "run", "runs", "verify")
_OF_A_RUN = ("resume", "rollback", "release", "status", "export show", "export restore")


def _placeholder(command: str) -> str:
    return command.replace(" ", "_")


_SNAPSHOTS_GO = frozenset({"releasing", "released"})
_ONLY_IN_A_RUN = tuple(f"{{{_placeholder(name)}}}" for name in _OF_A_RUN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What the command was working on, so that the commands it prints can be copied.

    *config* and *state_dir* are as given on the command line, None for their defaults. *run* and
    *phase* (a `stsfix.remediation.records.Phase` value) are empty while there is no run. *asked* is
    the command that was given, if repeating it is what goes on with it whatever the phase. *typed*
    is the whole command line as it was given, *looking* the preflight that looks at the same. *off*
    tells that the run shut nodes down and did not see all of them on again; *ahead* are nodes whose
    stores a renewal left ahead of the directory.
    """

    config: Path | None = None
    state_dir: Path | None = None
    run: str = ""
    phase: str = ""
    asked: str = ""
    typed: str = ""
    looking: str = "preflight"
    off: bool = False
    ahead: tuple[str, ...] = ()

    def command(self, name: str) -> str:
        """Return the exact command line of ``stsfix name``, with the run if it takes one; *name*
        may have options behind it, quoted as a shell wants them.
        """
        words = ["stsfix", *shlex.split(name)]
        if self.run and name.partition(" --")[0] in _OF_A_RUN:
            words.append(self.run)
        if self.config is not None:
            words += ["-c", str(self.config)]
        if self.state_dir is not None:
            words += ["--state-dir", str(self.state_dir)]
        return shlex.join(words)

    def adopt(self) -> str:
        """Return the command that takes the run back from its snapshots alone, with a state folder
        beside the one that was named and is not to be believed; in the working folder if none was.
        """
        folder = (self.state_dir or Path("stsfix")).resolve()
        beside = folder.parent / f"{folder.name or 'stsfix'}-adopted"
        return f"{replace(self, state_dir=beside).command('rollback')} --adopt"

    def again(self) -> str:
        """Return the command that was given; a preflight where it is not known."""
        return self.typed or self.command(self.looking)

    def goes_back(self) -> bool:
        """Tell whether a rollback is what goes on anyway."""
        return bool(self.run) and self.go_on() == self.command("rollback")

    def impossible(self) -> tuple[str, ...]:
        """Return the placeholders of commands that would be refused: without a run those of runs;
        where snapshots are gone, the rollback; of an adopted run, what needs its export.
        """
        if not self.run:
            return _ONLY_IN_A_RUN
        if self.phase in _SNAPSHOTS_GO:
            return ("{rollback}",)
        return ("{export_show}", "{export_restore}") if self.phase == "adopted" else ()

    def go_on(self) -> str:
        """Return the command that goes on where this one stopped."""
        if not self.run:
            return self.again()
        if self.asked:
            return self.command(self.asked)
        match self.phase:
            case "restoring":
                return self.command("export restore")
            case "rolling-back" | "adopted":
                return self.command("rollback")
            case "releasing" | "repaired" | "rolled-back" | "restored" | "released":
                return self.command("release")
            case _:
                return self.command("resume")


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """An error in words, safe to show on a terminal. *next_actions* is in order, never empty.

    *evidence* are lines that others said or wrote, such as the last of a service's log; *notes*
    what else went wrong or is to be known, after the next actions.
    """

    what_happened: str
    state: str
    next_actions: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def explain(error: OperationError, context: RunContext | None = None) -> Diagnosis:
    """Return what *error* means and what to do next; without *context* commands are general."""
    context = context or RunContext()
    text = str(error)
    return Diagnosis(
        what_happened=printable(f"{capitalised(text)}."),
        state=printable(_state(error, context)),
        next_actions=tuple(printable(action) for action in _actions(error, context)),
        evidence=tuple(printable(line) for line in getattr(error, "evidence", ())),
        notes=tuple(printable(note) for note in _notes(error)),
    )


def _notes(error: BaseException) -> tuple[str, ...]:
    """Return the notes of *error*, and of what an undo failed with."""
    own = tuple(getattr(error, "__notes__", ()))
    below = error.__cause__ if isinstance(error, UndoFailedError) else None
    return own if below is None else (*own, *_notes(below))


_COMMAND = re.compile(
    r": (?=stsfix |service-control --|cd /d |openssl |/usr/lib/|for k in |shutdown -h "
    r"|tls = |ssh_host_key = |chmod |cd )"
)


def split_command(action: str) -> tuple[str, str]:
    """Return the words of a next action, and what is to be copied whole at its end, a command or a
    line of domain.toml; empty if it has none.
    """
    found = list(_COMMAND.finditer(action))
    if not found:
        return action, ""
    last = found[-1]
    return action[: last.start() + 1], action[last.end() :]


def _state(error: OperationError, context: RunContext) -> str:
    cause = error.__cause__
    if isinstance(error, UndoFailedError) and type(cause) in OWN_STATE:
        return _state(cast("OperationError", cause), context)
    own = next((OWN_STATE[c].format(e=error) for c in type(error).__mro__ if c in OWN_STATE), None)
    text, further = next((t, f) for category, t, f in _STATES if isinstance(error, category))
    sentence = own or (f"{text}." if context.ahead else f"{text}{further}.")
    if not context.run:
        # Nothing is changed outside a run; a lost answer may have left something of a look.
        return sentence if isinstance(error, InDoubtError) else "Nothing was changed."
    if isinstance(error, OlderJournalError):
        return sentence  # what else is said of the state is from that journal
    phase = f" ({context.phase})" if context.phase else ""
    off = f" {capitalised(LEFT_OFF)}." if context.off else ""
    ahead = f" {capitalised(ahead_words(context.ahead))}." if context.ahead else ""
    return f"{sentence} Run {context.run}{phase} is recorded up to this point.{off}{ahead}"


def _actions(error: OperationError, context: RunContext) -> tuple[str, ...]:
    if isinstance(error, UndoFailedError) and isinstance(error.__cause__, OperationError):
        back = RunContext(
            config=context.config,
            state_dir=context.state_dir,
            run=context.run,
            phase="rolling-back",
        )
        return _actions(error.__cause__, back)
    advice = next((ADVICE[c] for c in type(error).__mro__ if c in ADVICE), None)
    if advice is None:
        return (f"Look at the run: {context.command('status')}",)
    lines = advice if isinstance(advice, tuple) else advice(error)
    if isinstance(error, DomainLockedError) and not context.run:
        context = replace(context, run=error.open_run)
    possible = [line for line in lines if not any(part in line for part in context.impossible())]
    lines = tuple(possible) or lines
    if context.goes_back():
        lines = tuple(line for line in lines if line != BACK)
    commands = {_placeholder(name): context.command(name) for name in (*_ANYWHERE, *_OF_A_RUN)}
    commands |= {"preflight": context.command(context.looking), "again": context.again()}
    commands["adopt"] = context.adopt()
    commands["newest"] = context.command("status")  # worth a look without a run as well
    told = _Told(error)
    return tuple(line.format(e=told, go_on=context.go_on(), **commands) for line in lines)


class _Told:
    """The data of *error* as next actions show it: what others said cannot pass for a command
    that is to be copied, see `split_command`.
    """

    def __init__(self, error: OperationError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> str:
        return _COMMAND.sub(":", str(getattr(self._error, name)))
