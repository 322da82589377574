"""What VMware's command line tools of a node have in common: files, arguments, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from stsfix.lab.shell_streams import Files, Streams

_WIN32 = {
    2: "ERROR_FILE_NOT_FOUND",
    5: "ERROR_ACCESS_DENIED",
    11: "ERROR_BAD_FORMAT",
    13: "ERROR_INVALID_DATA",
    87: "ERROR_INVALID_PARAMETER",
    123: "ERROR_INVALID_NAME",
    183: "ERROR_ALREADY_EXISTS",
    1168: "ERROR_NOT_FOUND",
    1326: "ERROR_LOGON_FAILURE",
    1355: "ERROR_NO_SUCH_DOMAIN",
    4312: "ERROR_OBJECT_NOT_FOUND",
    5023: "ERROR_INVALID_STATE",
}
_OWN = {
    1021: "Cannot connect to vmafd service.",
    90017: "Not able to decode certificate",
    90018: "Private key does not match certificate",
}

FILE_NOT_FOUND = 2
ACCESS_DENIED = 5
BAD_FORMAT = 11
INVALID_DATA = 13
INVALID_PARAMETER = 87
INVALID_NAME = 123
ALREADY_EXISTS = 183
CANNOT_CONNECT_VMAFD = 1021
NOT_FOUND = 1168
LOGON_FAILURE = 1326
OBJECT_NOT_FOUND = 4312
INVALID_STATE = 5023
CERT_IO_FAILURE = 90017
KEY_MISMATCH = 90018


class ToolError(Exception):
    """A tool ends with *code*; *said* is what it printed to its error output before."""

    def __init__(self, code: int, *said: str) -> None:
        super().__init__(code)
        self.code = code
        self.said = said


def error_text(code: int) -> str:
    """Return what VmAfdGetErrorString makes of *code* (vmafd/common/misc.c)."""
    if code in _OWN:
        return _OWN[code]
    name = _WIN32.get(code)
    if name is None:
        return f"Operation failed with error ({code})."
    return f"Operation failed with error {name} ({code})"


def exit_code(code: int) -> int:
    """Return what is left of *code* as an exit status."""
    return code & 0xFF


def run_tool(
    work: Callable[[], None],
    streams: Streams,
    *,
    usage: str,
    misused: Collection[int],
    failure: Callable[[int], str],
) -> int:
    """Do the *work* of a tool and return its exit status.

    Args:
        work: Raises ToolError where the tool gives up.
        streams: Those of the tool.
        usage: What is printed when it was called in a wrong way.
        misused: Codes of such calls.
        failure: Gives the last line of the error output, by code.
    """
    try:
        work()
    except ToolError as error:
        for line in error.said:
            streams.complain(line)
        if error.code in misused:
            streams.out.write(usage.encode())
        streams.complain(failure(error.code))
        return exit_code(error.code)
    return 0


def take_options(
    words: Sequence[str], *, valued: Sequence[str], flags: Sequence[str] = ()
) -> dict[str, str]:
    """Return options by name, without dashes; flags have the value "1".

    Raises:
        ToolError: INVALID_PARAMETER for one that is unknown or has no value.
    """
    found: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        name = word.lstrip("-")
        if word.startswith("-") and name in flags:
            found[name] = "1"
        elif word.startswith("--") and name in valued and left:
            found[name] = left.pop(0)
        else:
            raise ToolError(INVALID_PARAMETER)
    return found


def read_input(path: str, files: Files, streams: Streams) -> bytes:
    """Return the content of *path*, which may be /dev/stdin.

    Raises:
        FileNotFoundError: There is no such file.
    """
    return streams.stdin if path in ("/dev/stdin", "-") else files.read(path)


def write_output(
    path: str, content: bytes, files: Files, streams: Streams, *, mode: int | None = None
) -> None:
    """Write *content* to *path*, which may be a device; *mode* is that of the file."""
    if path in ("/dev/stdout", "/dev/fd/1"):
        streams.out.write(content)
    elif path == "/dev/stderr":
        streams.err.write(content)
    elif path != "/dev/null":
        files.write(path, content, mode)


def required(options: Mapping[str, str], *names: str) -> list[str]:
    """Return the values of options that must be there.

    Raises:
        ToolError: INVALID_PARAMETER, one is missing.
    """
    if any(not options.get(name) for name in names):
        raise ToolError(INVALID_PARAMETER)
    return [options[name] for name in names]
