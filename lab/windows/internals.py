"""The commands that are inside cmd.exe. Source: as in `stsfix.lab.windows.expansion`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stsfix.lab.windows.expansion import BatchSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.shell_streams import Streams
    from stsfix.lab.windows.batch import Cmd


class LeaveBatch(Exception):  # noqa: N818 - control flow of the interpreted cmd.exe
    """``exit /b``, or another batch file took over."""


class LeaveCmd(Exception):  # noqa: N818 - control flow of the interpreted cmd.exe
    """``exit``: the whole cmd.exe ends."""


_IN_USE = "The process cannot access the file because it is being used by another process."

_NEVER_SET = frozenset({"echo", "rem", "rd", "rmdir", "endlocal", "exit", "title"})
"""Commands that leave ERRORLEVEL alone when they succeed (dbenham, stackoverflow 34987885)."""


def keeps_errorlevel(name: str, code: int) -> bool:
    """Tell whether ERRORLEVEL stays what it was after the command *name* ended with *code*."""
    return name == "call" or (name in _NEVER_SET and code == 0)


def _echo(cmd: Cmd, rest: str, streams: Streams) -> int:
    word = rest.strip().lower()
    if word in ("on", "off"):
        cmd.echo = word == "on"
    elif not rest.strip() and not rest.startswith((".", "(", ":", "/", "+", "[", "]")):
        streams.say(f"ECHO is {'on' if cmd.echo else 'off'}.")
    else:
        streams.say(rest[1:])
    return 0


def _set(cmd: Cmd, rest: str, streams: Streams) -> int:
    text = rest.lstrip()
    if text.lower().startswith(("/a", "/p")):
        raise BatchSyntaxError("set /a and set /p are not in the lab's subset of cmd.exe")
    if text.startswith('"'):
        text = text[1:].rpartition('"')[0] or text[1:]
    name, equals, value = text.partition("=")
    if equals:
        cmd.variables[name] = value
        return 0
    names = [n for n in cmd.variables if n.upper().startswith(name.strip().upper())]
    for found in names:
        streams.say(f"{found}={cmd.variables[found]}")
    if not names:
        streams.complain(f"Environment variable {name.strip()} not defined")
    return int(not names)


def _setlocal(cmd: Cmd, rest: str, streams: Streams) -> int:
    del streams
    cmd.saved.append((cmd.variables.copy(), cmd.delayed))
    options = rest.lower().split()
    if "enabledelayedexpansion" in options:
        cmd.delayed = True
    if "disabledelayedexpansion" in options:
        cmd.delayed = False
    return 0


def _endlocal(cmd: Cmd, rest: str, streams: Streams) -> int:
    del rest, streams
    if cmd.saved:
        cmd.variables, cmd.delayed = cmd.saved.pop()
    return 0


def _call(cmd: Cmd, rest: str, streams: Streams) -> int:
    text = rest.strip()
    if text.startswith(":"):
        raise BatchSyntaxError("call of a label is not in the lab's subset of cmd.exe")
    return cmd.external(text, streams, called=True)


def _exit(cmd: Cmd, rest: str, streams: Streams) -> int:
    del streams
    match = re.fullmatch(r"\s*(/b)?\s*(-?\d+)?\s*", rest, re.IGNORECASE)
    if match is None:
        raise BatchSyntaxError("The syntax of the command is incorrect.")
    if match[2] is not None:
        cmd.errorlevel = int(match[2])
    raise LeaveBatch if match[1] and cmd.arguments is not None else LeaveCmd


def _type(cmd: Cmd, rest: str, streams: Streams) -> int:
    try:
        streams.out.write(cmd.files.read(cmd.full_path(rest)))
    except FileNotFoundError:
        streams.complain("The system cannot find the file specified.")
        return 1
    except PermissionError:
        streams.complain("Access is denied.")
        return 1
    return 0


def _del(cmd: Cmd, rest: str, streams: Streams) -> int:
    path = cmd.full_path(_without_switches(rest))
    try:
        cmd.files.delete(path)
    except FileNotFoundError:
        streams.complain(f"Could Not Find {path}")
    except PermissionError:
        streams.complain(f"{path}\nAccess is denied.")
    except OSError:
        streams.complain(f"{path}\n{_IN_USE}")
    return 0  # also when it failed


def _rd(cmd: Cmd, rest: str, streams: Streams) -> int:
    switches = {word.lower() for word in rest.split() if word.startswith("/")}
    path = cmd.full_path(_without_switches(rest))
    try:
        cmd.files.delete_folder(path, recursive="/s" in switches)
    except FileNotFoundError:
        streams.complain("The system cannot find the file specified.")
        return 2
    except PermissionError:
        streams.complain("Access is denied.")
        return 5
    except OSError:
        streams.complain(_IN_USE if "/s" in switches else "The directory is not empty.")
        return 32 if "/s" in switches else 145
    return 0


def _md(cmd: Cmd, rest: str, streams: Streams) -> int:
    path = cmd.full_path(rest)
    try:
        cmd.files.make_folder(path)
    except FileExistsError:
        streams.complain(f"A subdirectory or file {path} already exists.")
        return 1
    except PermissionError:
        streams.complain("Access is denied.")
        return 1
    return 0


def _cd(cmd: Cmd, rest: str, streams: Streams) -> int:
    path = _without_switches(rest).strip()
    if not path:
        streams.say(cmd.folder)
        return 0
    folder = cmd.full_path(path)
    if not cmd.files.has_folder(folder):
        streams.complain("The system cannot find the path specified.")
        return 1
    cmd.folder = folder
    return 0


def _goto(cmd: Cmd, rest: str, streams: Streams) -> int:
    del cmd, streams
    if rest.strip().lower() == ":eof":
        raise LeaveBatch
    raise BatchSyntaxError("goto is not in the lab's subset of cmd.exe")


def _nothing(cmd: Cmd, rest: str, streams: Streams) -> int:
    del cmd, rest, streams
    return 0


def _without_switches(rest: str) -> str:
    return re.sub(r"^(?:\s*/\w+)+\s*", "", rest)


INTERNALS: dict[str, Callable[[Cmd, str, Streams], int]] = {
    "call": _call,
    "cd": _cd,
    "chdir": _cd,
    "del": _del,
    "echo": _echo,
    "endlocal": _endlocal,
    "erase": _del,
    "exit": _exit,
    "goto": _goto,
    "md": _md,
    "mkdir": _md,
    "rd": _rd,
    "rem": _nothing,
    "rmdir": _rd,
    "set": _set,
    "setlocal": _setlocal,
    "title": _nothing,
    "type": _type,
}
