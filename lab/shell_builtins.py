"""The builtins of the lab's shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stsfix.lab.shell_syntax import parse
from stsfix.lab.shell_words import ShellSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.lab.shell import Shell
    from stsfix.lab.shell_streams import Files, Streams

_SIGNALS = frozenset({"HUP", "INT", "TERM", "QUIT", "PIPE", "ERR"})
_CONVERSION = re.compile(r"%(?:%|-?0?\d*[sdxq])")
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "r": "\r", '"': '"', "0": "\0"}
_LONG_OPTIONS = {"errexit": "e", "nounset": "u", "pipefail": "pipefail"}


class ExitShell(Exception):  # noqa: N818 - control flow of the interpreted shell
    """``exit`` was called, or a failure under ``set -e``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class LeaveLoop(Exception):  # noqa: N818 - control flow of the interpreted shell
    """``break``, or ``continue`` when *again*, of *levels* loops."""

    def __init__(self, levels: int, *, again: bool) -> None:
        super().__init__(levels)
        self.levels = levels
        self.again = again


def _exit(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``exit [CODE]``."""
    del streams
    raise ExitShell(int(words[0]) & 0xFF if words else shell.code)


def _echo(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``echo [-n] WORD...``."""
    del shell
    newline = not (words and words[0] == "-n")
    text = " ".join(words if newline else words[1:])
    streams.out.write((text + "\n" * newline).encode())
    return 0


def _printf(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``printf FORMAT WORD...`` with %s, %d, %x, %q, %% and widths."""
    del shell
    form = _unescape(words[0])
    left = list(words[1:])
    while True:
        before = len(left)
        streams.out.write(_CONVERSION.sub(lambda found: _converted(found[0], left), form).encode())
        if not left or len(left) == before:
            return 0


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), text, flags=re.DOTALL)


def _converted(conversion: str, left: list[str]) -> str:
    if conversion == "%%":
        return "%"
    value = left.pop(0) if left else ""
    kind = conversion[-1]
    if kind in "dx":
        return conversion % int(value or 0)
    if kind == "q":
        plain = re.fullmatch(r"[\w@%+=:,./-]+", value)
        return value if plain else re.sub(r"([^\w@%+=:,./-])", r"\\\1", value) or "''"
    return conversion % value


def _umask(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``umask [MODE]``."""
    if not words:
        streams.say(f"{shell.umask:04o}")
    else:
        shell.umask = int(words[0], 8)
    return 0


def _set(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``set`` with ``-e``, ``-u``, ``-o pipefail`` and their opposites; others change nothing."""
    del streams
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            shell.arguments[1:] = left
            break
        names = {letter for letter in word[1:] if letter in "eu"}
        if word[1:].endswith("o") and left:
            names |= {_LONG_OPTIONS.get(left.pop(0), "")}
        if word.startswith("-"):
            shell.options |= names
        elif word.startswith("+"):
            shell.options -= names
    return 0


def _eval(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``eval WORD...``: in this shell, as if it stood in the script."""
    shell.code = 0
    try:
        shell.execute(parse(" ".join(words)), streams)
    except ShellSyntaxError as error:
        streams.complain(f"bash: eval: {error}")
        return 2
    return shell.code


def _wait(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``wait``: for every background command of this shell."""
    del words, streams
    for job in shell.jobs:
        job.join()
    return 0


def _export(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``export NAME=VALUE``."""
    del streams
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            shell.variables[name] = value
    return 0


def _unset(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``unset NAME...``."""
    del streams
    for word in words:
        shell.variables.pop(word, None)
    return 0


def _shift(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``shift [COUNT]``."""
    del streams
    count = int(words[0]) if words else 1
    if count > len(shell.arguments) - 1:
        return 1
    del shell.arguments[1 : 1 + count]
    return 0


def _trap(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``trap COMMAND EXIT``; a node sends no signals, so commands for those never run."""
    action, *events = [word for word in words if word != "--"]
    for event in events:
        name = event.removeprefix("SIG")
        if name in ("EXIT", "0"):
            shell.at_exit = "" if action == "-" else action
        elif name not in _SIGNALS:
            streams.complain(f"bash: trap: {event}: invalid signal specification")
            return 1
    return 0


def _read(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``read [-r] NAME...``: one line of the input, split at blanks unless ``IFS=``."""
    names = [word for word in words if word not in ("-r", "-s")] or ["REPLY"]
    line = streams.source.read_line()
    text = line.decode("utf-8", "replace").removesuffix("\n")
    if shell.variables.get("IFS", " ") == "":
        values = [text]
    else:
        values = text.strip().split(None, len(names) - 1)
    for number, name in enumerate(names):
        shell.variables[name] = values[number] if number < len(values) else ""
    return int(not line.endswith(b"\n"))


def _break(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``break [LEVELS]``."""
    del shell, streams
    raise LeaveLoop(int(words[0]) if words else 1, again=False)


def _continue(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``continue [LEVELS]``."""
    del shell, streams
    raise LeaveLoop(int(words[0]) if words else 1, again=True)


def _true(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``true``, ``:`` and ``cd`` (paths are absolute here)."""
    del shell, words, streams
    return 0


def _false(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``false``."""
    del shell, words, streams
    return 1


def _test(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``test EXPRESSION``."""
    del streams
    return int(not holds(words, shell.environment.files))


def _bracket(shell: Shell, words: Sequence[str], streams: Streams) -> int:
    """``[ EXPRESSION ]``."""
    if not words or words[-1] != "]":
        streams.complain("bash: [: missing `]'")
        return 2
    return int(not holds(words[:-1], shell.environment.files))


_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
}


def holds(words: Sequence[str], files: Files) -> bool:
    """Tell whether the expression of ``test`` is true.

    Raises:
        ValueError: It is none that the lab knows.
    """
    match list(words):
        case []:
            return False
        case [text]:
            return bool(text)
        case ["!", *rest]:
            return not holds(rest, files)
        case [operator, operand]:
            return _about(operator, operand, files)
        case [left, "=" | "==" | "!=" as operator, right]:
            return (left == right) is (operator != "!=")
        case [left, operator, right] if operator in _COMPARISONS:
            return _COMPARISONS[operator](int(left), int(right))
        case _:
            raise ValueError(words)


def _about(operator: str, operand: str, files: Files) -> bool:
    if operator in ("-n", "-z"):
        return bool(operand) is (operator == "-n")
    found = files.find(operand)
    folder = found is None and files.is_folder(operand)
    program = files.is_program(operand)
    answers = {
        "-d": folder,
        "-e": folder or program or found is not None,
        "-f": program or found is not None,
        "-r": folder or program or found is not None,
        "-w": folder or found is not None,
        "-s": program or (found is not None and bool(found.content)),
        "-x": folder or program or (found is not None and bool(found.mode & 0o111)),
    }
    if operator not in answers:
        raise ValueError(operator)
    return answers[operator]


BUILTINS: dict[str, Callable[[Shell, Sequence[str], Streams], int]] = {
    "exit": _exit,
    "echo": _echo,
    "printf": _printf,
    "umask": _umask,
    "set": _set,
    "eval": _eval,
    "wait": _wait,
    "export": _export,
    "unset": _unset,
    "shift": _shift,
    "trap": _trap,
    "read": _read,
    "break": _break,
    "continue": _continue,
    "true": _true,
    ":": _true,
    "cd": _true,
    "false": _false,
    "test": _test,
    "[": _bracket,
}
