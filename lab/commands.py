"""The programs of a node besides service-control: coreutils and VMware's own tools."""

from __future__ import annotations

import base64
import posixpath
import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stsfix.lab.coreutils import Coreutils
from stsfix.lab.file_locks import flock
from stsfix.lab.login_commands import LoginCommands
from stsfix.lab.node_status import NodeStatus
from stsfix.lab.service_control import ServiceControl
from stsfix.lab.services import State
from stsfix.lab.shell import NOT_FOUND, USAGE, Shell
from stsfix.lab.shell_builtins import holds
from stsfix.lab.text_commands import TextCommands
from stsfix.lab.vmon_cli import VmonCli
from stsfix.lab.vmware_tools import Reach, VmwareTools

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.services import Board
    from stsfix.lab.shell import Environment, Streams

SEARCHED = ("/bin", "/usr/bin", "/sbin", "/usr/sbin")
"""The PATH of a guest program; VMware's tools are outside it (vsphere.md 2)."""


class Commands:
    """What can be executed on one node, by absolute path; *reach* is what it finds of others."""

    def __init__(
        self,
        disk: NodeDisk,
        board: Board,
        *,
        faults: FaultBook,
        environment: Environment,
        now: Callable[[], datetime],
        reach: Reach | None = None,
    ) -> None:
        self._disk = disk
        self._board = board
        self._environment = environment
        self._now = now
        self._booted = now()
        control = ServiceControl(board, faults=faults, fqdn=disk.fqdn, release=disk.release)
        self._status = NodeStatus(disk, now)
        core = {
            "bash": self._bash,
            "sh": self._bash,
            "cat": self._cat,
            "rm": self._rm,
            "chmod": self._chmod,
            "touch": self._touch,
            "mkdir": self._mkdir,
            "mktemp": self._mktemp,
            "base64": self._base64,
            "test": self._test,
            "sleep": self._sleep,
            "flock": self._flock,
            "hostname": self._hostname,
            "date": self._date,
            "chage": self._status.chage,
            "df": self._status.df,
            "ip": self._status.ip,
            **Coreutils(environment).table,
            **LoginCommands(disk).table(),
            **TextCommands(environment.files, lambda: self._booted).table(),
        }
        self._table: dict[str, Callable[[Sequence[str], Streams], int]] = {}
        for folder in ("/bin", "/usr/bin"):
            self._table |= {f"{folder}/{name}": command for name, command in core.items()}
        vmon = VmonCli(disk, board)
        self._table |= {
            vmon.path: vmon.run,
            "/usr/bin/service-control": control.run,
            "/usr/lib/vmware-vmafd/bin/vmafd-cli": self._vmafd_cli,
        }
        tools = VmwareTools(
            disk,
            environment.files,
            reach or Reach(),
            faults=faults,
            runs=lambda name: board.state(name) is State.RUNNING,
            now=now,
        )
        self._table |= tools.table
        if disk.role.has_directory:
            self._table["/usr/lib/vmware-vmdir/bin/vdcadmintool"] = self._vdcadmintool
        for path in disk.removed:
            self._table.pop(path, None)
        environment.files.is_program = self._table.__contains__

    def find(self, name: str) -> Callable[[Sequence[str], Streams], int] | None:
        """Return the program *name*, looked up on the PATH unless it is a path."""
        if "/" in name:
            return self._table.get(posixpath.normpath(name))
        for folder in SEARCHED:
            if (command := self._table.get(f"{folder}/{name}")) is not None:
                return command
        return None

    def run(self, argv: Sequence[str], streams: Streams) -> int:
        """Run *argv*; 127 if there is no such program."""
        command = self.find(argv[0])
        if command is None:
            reason = "No such file or directory" if "/" in argv[0] else "command not found"
            streams.complain(f"bash: {argv[0]}: {reason}")
            return NOT_FOUND
        try:
            return command(argv[1:], streams)
        except FileNotFoundError as error:
            name = posixpath.basename(argv[0])
            streams.complain(f"{name}: {error}: No such file or directory")
            return 1
        except (ValueError, IndexError):
            streams.complain(f"{argv[0]}: wrong arguments")
            return USAGE

    def _bash(self, words: Sequence[str], streams: Streams) -> int:
        rest = [word for word in words if word not in ("-l", "--noprofile", "--norc")]
        if not rest or rest[0] in ("-s", "/dev/stdin"):
            return self._shell(["bash", *rest[1:]]).run_input(streams)
        if rest[0] == "-c":
            return self._shell(rest[2:] or ["bash"]).run(rest[1], streams)
        script = self._environment.files.find(rest[0])
        if script is None:
            streams.complain(f"bash: {rest[0]}: No such file or directory")
            return NOT_FOUND
        return self._shell(rest).run(script.content.decode(), streams)

    def _shell(self, arguments: Sequence[str]) -> Shell:
        return Shell(self._environment, arguments=arguments)

    def _cat(self, words: Sequence[str], streams: Streams) -> int:
        if not words:
            streams.out.write(streams.stdin)
        code = 0
        for path in words:
            if path == "/proc/uptime":
                streams.say(self._status.uptime())
                continue
            try:
                streams.out.write(self._environment.files.read(path))
            except FileNotFoundError:
                streams.complain(f"cat: {path}: No such file or directory")
                code = 1
        return code

    def _rm(self, words: Sequence[str], streams: Streams) -> int:
        options = "".join(word[1:] for word in words if word.startswith("-"))
        force, files = "f" in options, self._environment.files
        code = 0
        for path in (word.rstrip("/") for word in words if not word.startswith("-")):
            try:
                if "r" in options.lower() and files.is_folder(path):
                    files.delete_folder(path)
                    continue
                files.delete(path)
            except FileNotFoundError:
                if files.is_folder(path):
                    streams.complain(f"rm: cannot remove '{path}': Is a directory")
                    code = 1
                elif not force:
                    streams.complain(f"rm: cannot remove '{path}': No such file or directory")
                    code = 1
        return code

    def _chmod(self, words: Sequence[str], streams: Streams) -> int:
        del streams
        for path in words[1:]:
            content = self._environment.files.read(path)
            self._environment.files.write(path, content, int(words[0], 8))
        return 0

    def _touch(self, words: Sequence[str], streams: Streams) -> int:
        del streams
        for path in words:
            if self._environment.files.find(path) is None:
                self._environment.files.write(path, b"")
        return 0

    def _mkdir(self, words: Sequence[str], streams: Streams) -> int:
        """Any path can be written; what was made is kept, so that it is seen when it is left."""
        del streams
        for path in (word for word in words if not word.startswith("-")):
            self._environment.files.make_folder(path.rstrip("/"))
        return 0

    def _mktemp(self, words: Sequence[str], streams: Streams) -> int:
        """``mktemp [-d] [TEMPLATE]``."""
        named = [word for word in words if not word.startswith("-")]
        template = named[0] if named else "/tmp/tmp.XXXXXXXXXX"  # noqa: S108 - the node's
        if not template.endswith("XXX"):
            streams.complain(f"mktemp: too few X's in template '{template}'")
            return 1
        stem = template.rstrip("X")
        path = stem + secrets.token_hex(8)[: len(template) - len(stem)]
        if "-d" in words:
            self._environment.files.make_folder(path)
        else:
            self._environment.files.write(path, b"", 0o600)
        streams.say(path)
        return 0

    def _base64(self, words: Sequence[str], streams: Streams) -> int:
        """``base64 [-d] [-w0]`` of standard input or a file."""
        named = [word for word in words if word != "0" and not word.startswith("-")]
        content = self._environment.files.read(named[0]) if named else streams.stdin
        if "-d" in words or "--decode" in words:
            return _decode(content, streams)
        text = base64.b64encode(content).decode()
        width = 0 if {"-w0", "-w", "--wrap=0"} & set(words) else 76
        for at in range(0, len(text), width or len(text) or 1):
            streams.out.write(text[at : at + (width or len(text))].encode())
            streams.out.write(b"\n" if width else b"")
        return 0

    def _test(self, words: Sequence[str], streams: Streams) -> int:
        del streams
        return int(not holds(words, self._environment.files))

    def _sleep(self, words: Sequence[str], streams: Streams) -> int:
        del streams
        self._board.pause(float(words[0]))
        return 0

    def _flock(self, words: Sequence[str], streams: Streams) -> int:
        return flock(self._environment.files.locks, self._board.pause, words, streams)

    def _hostname(self, words: Sequence[str], streams: Streams) -> int:
        short = words[:1] == ["-s"]
        streams.say(self._disk.fqdn.partition(".")[0] if short else self._disk.fqdn)
        return 0

    def _date(self, words: Sequence[str], streams: Streams) -> int:
        form = next((word[1:] for word in words if word.startswith("+")), None)
        now = self._now()
        if "-r" in words:
            path = words[words.index("-r") + 1]
            found = self._environment.files.find(path)
            if found is None:
                streams.complain(f"date: {path}: No such file or directory")
                return 1
            changed = self._booted.timestamp() if found.changed is None else found.changed
            now = datetime.fromtimestamp(changed, UTC)
        if form is None:
            streams.say(f"{now:%a %b} {now.day:2d} {now:%H:%M:%S} UTC {now.year}")
        else:
            nanoseconds = f"{now.microsecond * 1000:09d}"
            form = form.replace("%s", str(int(now.timestamp()))).replace("%N", nanoseconds)
            streams.say(now.strftime(form))
        return 0

    def _vmafd_cli(self, words: Sequence[str], streams: Streams) -> int:
        disk = self._disk
        answers = {
            "get-pnid": disk.pnid or disk.fqdn,
            "get-machine-id": disk.machine_id,
            "get-domain-name": disk.domain,
            "get-site-name": disk.site,
            "get-dc-name": disk.psc,
            "get-ls-location": f"https://{disk.psc}/lookupservice/sdk",
            "get-ldu": disk.machine_id,
            "get-domain-state": "1" if disk.role.has_directory else "2",
        }
        answer = answers.get(words[0])
        if answer is None:
            streams.complain(f"vmafd-cli: unknown command {words[0]}")
            return USAGE
        if self._board.state("vmafdd") is not State.RUNNING:
            streams.say(
                "vmafd-cli failed. Error 382312518: possible errors: VMAFD service is not running"
            )
            return 1
        streams.say(answer)
        return 0

    def _vdcadmintool(self, words: Sequence[str], streams: Streams) -> int:
        """Menu entry 6 (state) from standard input; nothing else is modelled."""
        del words
        if streams.stdin.strip() != b"6":
            raise ValueError(streams.stdin)
        if self._board.state("vmdird") is not State.RUNNING:
            streams.say("VmDirGetState failed. (9127)")
            return 1
        streams.say(f"\n VmDir State is - {self._disk.vmdir_state}\n")
        return 0


def _decode(content: bytes, streams: Streams) -> int:
    """Write what base64 *content* stands for, as far as it is valid."""
    text = b"".join(content.split())
    valid = re.match(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3}=*)?", text)
    found = b"" if valid is None else valid[0]
    streams.out.write(base64.b64decode(found.rstrip(b"=") + b"=" * (-len(found.rstrip(b"=")) % 4)))
    if len(text) % 4 or found != text:
        streams.complain("base64: invalid input")
        return 1
    return 0
