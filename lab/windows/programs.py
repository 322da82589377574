"""The programs of a Windows node: those of Windows that scripts need, and VMware's own.

Source: Microsoft's documentation of each program (learn.microsoft.com, windows commands; WMI's
CIM_DATETIME); VMware's paths are those of its PSC administration guides 6.5 and 6.7 and of its own
scripts (vc_log4j_mitigator.py, Lightwave's certificate-manager). Output texts are English Windows.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.lab.service_control import ServiceControl
from stsfix.lab.services import State
from stsfix.lab.windows.batch import Cmd, Start, argv
from stsfix.lab.windows.files import key
from stsfix.lab.windows.plan import CIS_HOME, PYTHON, SYSTEM32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.services import Board
    from stsfix.lab.shell_streams import Streams

ACCESS_DENIED = 5
_SWITCH = re.compile(r"\s*/(?:[dqsu]|v:(?:on|off)|e:(?:on|off)|[ck])(?=[\s/\"]|$)", re.IGNORECASE)


class Programs:
    """What can be executed on one node, by full path (`batch.Machine`)."""

    def __init__(
        self,
        disk: NodeDisk,
        board: Board,
        *,
        faults: FaultBook,
        now: Callable[[], datetime],
        note_start: Callable[[str], None],
    ) -> None:
        self._disk = disk
        self._board = board
        self._now = now
        self._booted = now()
        self._note_start = note_start
        self._control = ServiceControl(board, faults=faults, fqdn=disk.fqdn, release=disk.release)
        system = {
            "cmd.exe": self._cmd,
            "chcp.com": self._chcp,
            "find.exe": _find,
            "findstr.exe": _findstr,
            "hostname.exe": self._hostname,
            "icacls.exe": _icacls,
            "reg.exe": self._reg,
            "wbem\\wmic.exe": self._wmic,
        }
        self._table = {key(f"{SYSTEM32}\\{name}"): run for name, run in system.items()}
        self._table[key(PYTHON)] = self._python
        if disk.role.has_directory:
            self._table[key(f"{CIS_HOME}\\vmdird\\vdcadmintool.exe")] = self._vdcadmintool
            self._table[key(f"{CIS_HOME}\\vmdird\\vmdird.exe")] = self._vdcadmintool

    def find_program(self, path: str) -> Callable[[Start, Streams], int] | None:
        """See `batch.Machine`."""
        return self._table.get(key(path))

    def note_start(self, line: str) -> None:
        """See `batch.Machine`."""
        self._note_start(line)

    def _cmd(self, start: Start, streams: Streams) -> int:
        """``cmd [/d] [/s] [/v:on|off] /c COMMAND``: as ``cmd /?`` tells of quotes."""
        rest, switches = start.arguments, set()
        while (match := _SWITCH.match(rest)) is not None:
            switches.add(match[0].strip().lower())
            rest = rest[match.end() :]
            if match[0].strip().lower() in ("/c", "/k"):
                break
        cmd = Cmd(self, start.files, start.variables, delayed="/v:on" in switches)
        if "/c" not in switches:
            for line in streams.stdin.decode("ascii", "replace").splitlines():
                cmd.run_line(line, streams)
            return cmd.errorlevel
        return cmd.run_line(self._unquoted(rest.lstrip(), is_plain="/s" in switches), streams)

    def _unquoted(self, text: str, *, is_plain: bool) -> str:
        if not text.startswith('"'):
            return text
        inner = text[1 : text.find('"', 1)]
        keeps = (
            not is_plain
            and text.count('"') == 2  # noqa: PLR2004 - cmd /?: exactly two quotes
            and not re.search(r"[&<>()@^|]", inner)
            and " " in inner
            and self._is_executable(inner)
        )
        if keeps:
            return text
        head, _, tail = text[1:].rpartition('"')
        return head + tail

    def _is_executable(self, path: str) -> bool:
        return self.find_program(path) is not None or key(path) in self._disk.files

    @staticmethod
    def _chcp(start: Start, streams: Streams) -> int:
        if argv(start.arguments):
            streams.complain("Parameter format not correct")
            return 1
        streams.say("Active code page: 437")
        return 0

    def _hostname(self, start: Start, streams: Streams) -> int:
        del start
        streams.say(self._disk.fqdn.partition(".")[0])
        return 0

    def _reg(self, start: Start, streams: Streams) -> int:
        """``reg query KEY /v NAME``."""
        words = argv(start.arguments)
        if [word.lower() for word in words[:3:2]] != ["query", "/v"] or len(words[3:]) != 1:
            streams.complain('ERROR: Invalid syntax.\nType "REG QUERY /?" for usage.')
            return 1
        path = words[1].replace("HKLM", "HKEY_LOCAL_MACHINE", 1)
        value = self._disk.registry.get(path.lower(), {}).get(words[3])
        if value is None:
            text = "The system was unable to find the specified registry key or value."
            streams.complain(f"ERROR: {text}")
            return 1
        streams.say("")
        streams.say(path)
        streams.say(f"    {words[3]}    REG_SZ    {value}")
        streams.say("")
        return 0

    def _wmic(self, start: Start, streams: Streams) -> int:
        """``wmic os get ...`` and ``wmic logicaldisk where DriveType=3 get ...``, as ``/value``.

        It waits for its standard input; with none it is a console's, and the program hangs.
        """
        words = argv(start.arguments)
        if words[-1:] != ["/value"]:
            streams.complain("Invalid GET Expression.")
            return 44135
        asked = words[-2].split(",")
        rows = self._computer() if words[0].lower() == "os" else self._drives()
        for row in rows:
            lines = ["", "", *(f"{name}={row[name]}" for name in asked if name in row), "", ""]
            streams.out.write("".join(f"{line}\r\r\n" for line in lines).encode())
        return 0

    def _computer(self) -> list[dict[str, str]]:
        """Local time, an hour ahead of UTC: who takes it for UTC is an hour wrong."""
        zone = timedelta(minutes=60)
        moments = {"LocalDateTime": self._now(), "LastBootUpTime": self._booted}
        return [{n: f"{t + zone:%Y%m%d%H%M%S.%f}+060" for n, t in moments.items()}]

    def _drives(self) -> list[dict[str, str]]:
        size = 107_374_182_400
        return [
            {"DeviceID": drive, "FreeSpace": str(free * 1024), "Size": str(size)}
            for drive, free in self._disk.free_kib.items()
            if drive.endswith(":")
        ]

    def _python(self, start: Start, streams: Streams) -> int:
        """VMware's Python with service-control, its only program here."""
        words = argv(start.arguments)
        if not words or key(words[0]) != key(f"{CIS_HOME}\\bin\\service-control"):
            streams.complain(f"python: can't open file '{' '.join(words[:1])}'")
            return 2
        if not start.files.is_administrator:
            streams.complain("OSError: [WinError 5] Access is denied")
            return 1
        return self._control.run(words[1:], streams)

    def _vdcadmintool(self, start: Start, streams: Streams) -> int:
        """Menu entry 6 (state) from standard input; nothing else is modelled."""
        del start
        if streams.stdin.strip() != b"6":
            streams.complain("Invalid option")
            return 1
        if self._board.state("VMWareDirectoryService") is not State.RUNNING:
            streams.say("VmDirGetState failed. (9127)")
            return 1
        streams.say(f"\r\n VmDir State is - {self._disk.vmdir_state}\r\n")
        return 0


def _lines(start: Start, streams: Streams, paths: Sequence[str]) -> list[str] | None:
    if not paths:
        content = streams.stdin
    else:
        found = start.files.find(paths[0])
        if found is None:
            return None
        content = start.files.read(paths[0])
    text = content.decode("ascii", "replace")
    return [line.rstrip("\r") for line in text.split("\n")[: -1 if text.endswith("\n") else None]]


def _find(start: Start, streams: Streams) -> int:
    """``find [/i] "TEXT"`` of standard input."""
    words = argv(start.arguments)
    any_case = [w.lower() for w in words[:1]] == ["/i"]
    wanted = words[int(any_case)]
    lines = _lines(start, streams, ()) or []
    hits = [x for x in lines if wanted in x or (any_case and wanted.lower() in x.lower())]
    for line in hits:
        streams.say(line)
    return int(not hits)


def _findstr(start: Start, streams: Streams) -> int:
    """``findstr [/b] [/i] [/c:TEXT]... [WORDS] [FILE]``, without regular expressions."""
    words = argv(start.arguments)
    switches = {word.lower() for word in words if word.startswith("/") and ":" not in word}
    texts = [word[3:] for word in words if word.lower().startswith("/c:")]
    rest = [word for word in words if not word.startswith("/")]
    if not texts:
        texts, rest = rest[0].split(" "), rest[1:]
    if switches - {"/b", "/i"}:
        streams.complain("FINDSTR: this switch is not in the lab's subset")
        return 2
    lines = _lines(start, streams, rest)
    if lines is None:
        streams.complain(f"FINDSTR: Cannot open {rest[0]}")
        return 1
    fold = str.lower if "/i" in switches else str
    matches = str.startswith if "/b" in switches else str.__contains__
    hits = [line for line in lines if any(matches(fold(line), fold(text)) for text in texts)]
    for line in hits:
        streams.say(line)
    return int(not hits)


def _icacls(start: Start, streams: Streams) -> int:
    """``icacls FOLDER /inheritance:r /grant:r *SID:(OI)(CI)F ...``: for administrators only."""
    path, *options = argv(start.arguments)
    granted = {word for word in options if word.startswith("*S-1-5-")}
    known = {"*S-1-5-32-544:(OI)(CI)F", "*S-1-5-18:(OI)(CI)F"}
    if {o.lower() for o in options if o not in granted} != {"/inheritance:r", "/grant:r"}:
        streams.complain("Invalid parameter")
        return 87
    if granted - known:
        streams.complain("the lab knows administrators and the system only")
        return 1332
    try:
        start.files.make_private(path)
    except FileNotFoundError:
        streams.complain(f"{path}: The system cannot find the file specified.")
        return 2
    except PermissionError:
        streams.complain(f"{path}: Access is denied.")
        return ACCESS_DENIED
    streams.say(f"processed file: {path}")
    streams.say("Successfully processed 1 files; Failed processing 0 files")
    return 0
