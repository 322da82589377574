"""VMware Tools of a node: who may do what, programs and files (vsphere.md 2)."""

from __future__ import annotations

import contextlib
import functools
import itertools
import posixpath
import shlex
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.lab.faults import Refused
from stsfix.lab.root_login import Login, log_in
from stsfix.lab.seams import GuestProgram, GuestRefusedError
from stsfix.lab.services import PowerLost
from stsfix.lab.shell import Buffer, Files, Shell, Streams
from stsfix.lab.shell_streams import HungUp

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime

    from stsfix.lab.commands import Commands
    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.services import Board

KEPT_S = 300.0
"""Field seconds that an ended program stays listed (StartProgramInGuest's API page)."""

KEPT_REAL_S = 5.0
"""Real seconds it stays listed at least: a lab at high speed must not outrun its caller."""


@dataclass
class ArgvLog:
    """Every command line a node ever saw, as ``ps`` would have shown it. Tests search it."""

    lines: list[str] = field(default_factory=list)

    def add(self, argv: Sequence[str] | str) -> None:
        """Record one command line."""
        self.lines.append(argv if isinstance(argv, str) else shlex.join(argv))


class GuestTools:
    """VMware Tools during one boot."""

    def __init__(
        self,
        disk: NodeDisk,
        board: Board,
        *,
        faults: FaultBook,
        now: Callable[[], datetime],
        argv_log: ArgvLog,
        kept_s: float,
    ) -> None:
        self.running = False
        self.files = Files(disk, now)
        self.commands: Commands | None = None
        self._disk = disk
        self._board = board
        self._faults = faults
        self._now = now
        self._argv_log = argv_log
        self._kept_s = kept_s
        self._pids = itertools.count(2000)
        self._programs: dict[int, GuestProgram] = {}

    def execute(self, argv: Sequence[str], streams: Streams) -> int:
        """Run a program for a shell of the node; 127 if there is none."""
        self._argv_log.add(argv)
        if self.commands is None:
            raise RuntimeError("commands are set when the node boots")
        return self.commands.run(argv, streams)

    def spawn(self, work: Callable[[], None]) -> threading.Thread:
        """Run *work* in a new thread; it ends when the node loses power."""

        def until_cut() -> None:
            with contextlib.suppress(PowerLost, HungUp):
                work()

        thread = threading.Thread(target=until_cut, daemon=True, name="lab-guest-program")
        thread.start()
        return thread

    def start_program(self, user: str, password: str, path: str, arguments: str) -> int:
        """See seams.Guest: Tools runs ``bash -c '"<path>" <arguments>'``."""
        with self._allowed("start_program", user, password):
            if not self._exists(path):
                raise GuestRefusedError("FileNotFound")
            line = f'"{path}" {arguments}'
            self._argv_log.add(line)
            program = GuestProgram(
                pid=next(self._pids),
                name=posixpath.basename(path),
                cmd_line=line,
                owner=user,
                started=self._now(),
            )
            self._programs[program.pid] = program
            self.spawn(functools.partial(self._run, program))
            return program.pid

    def list_programs(self, user: str, password: str, pids: Sequence[int]) -> list[GuestProgram]:
        """See seams.Guest."""
        with self._allowed("list_programs", user, password):
            now = self._now()
            kept = [
                p
                for p in list(self._programs.values())
                if p.ended is None or (now - p.ended).total_seconds() < self._kept_s
            ]
            return [p for p in kept if not pids or p.pid in pids]

    def write_file(self, user: str, password: str, path: str, content: bytes, mode: int) -> None:
        """See seams.Guest."""
        with self._allowed("write_file", user, password):
            self.files.write(path, content, mode)

    def read_file(self, user: str, password: str, path: str) -> bytes:
        """See seams.Guest."""
        with self._allowed("read_file", user, password):
            try:
                return self.files.read(path)
            except FileNotFoundError as error:
                raise GuestRefusedError("FileNotFound") from error

    def delete_file(self, user: str, password: str, path: str) -> None:
        """See seams.Guest."""
        with self._allowed("delete_file", user, password):
            try:
                self.files.delete(path)
            except FileNotFoundError as error:
                raise GuestRefusedError("FileNotFound") from error

    def make_temporary_file(self, user: str, password: str, prefix: str, suffix: str) -> str:
        """See seams.Guest."""
        with self._allowed("make_temporary_file", user, password):
            path = f"/tmp/{prefix}vmware{next(self._pids)}{suffix}"  # noqa: S108 - the guest's
            self.files.write(path, b"", 0o600)
            return path

    def make_file_in(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        """See seams.PlacingGuest."""
        with self._allowed("make_temporary_file", user, password):
            path = f"{folder}/{prefix}vmware{next(self._pids)}{suffix}"
            self.files.write(path, b"", 0o600)
            return path

    @contextmanager
    def _allowed(self, call: str, user: str, password: str) -> Generator[None]:
        try:
            with self._faults.around("guest", call, self._disk.fqdn):
                if not self.running:
                    raise GuestRefusedError("GuestOperationsUnavailable")
                self._log_in(user, password)
                yield
        except Refused as refusal:
            fault = refusal.rule.detail or "GuestOperationsUnavailable"
            raise GuestRefusedError(fault) from refusal

    def _log_in(self, user: str, password: str) -> None:
        """Refuse in one way for wrong, expired and locked, as VGAuth does (authPosix.c)."""
        if log_in(self._disk, user, password) is not Login.WELCOME:
            raise GuestRefusedError("InvalidGuestLogin")

    def _exists(self, path: str) -> bool:
        return self.commands is not None and self.commands.find(path) is not None and "/" in path

    def _run(self, program: GuestProgram) -> None:
        self._board.pause(0.5)
        nowhere = Buffer()
        program.exit_code = Shell(self).run(program.cmd_line, Streams(out=nowhere, err=nowhere))
        program.ended = self._now()
