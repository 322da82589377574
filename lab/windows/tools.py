"""VMware Tools of a Windows node: logins, programs, files and folders (vsphere.md 2 and 9).

Source: open-vm-tools services/plugins/vix/vixTools.c @1634dfb: the command line is
``"<path>" <arguments>``, started without any shell (L1662); the user's own variables are given
unless the caller gives some (L1807); a temporary file is made in the caller's folder, else in the
user's (L8613).
"""

from __future__ import annotations

import functools
import ntpath
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stsfix.lab.guest_operations import GuestTools
from stsfix.lab.root_login import LOGIN_LIMIT
from stsfix.lab.seams import GuestProgram, GuestRefusedError
from stsfix.lab.shell_streams import Buffer
from stsfix.lab.windows.batch import DosStreams, Start
from stsfix.lab.windows.expansion import Variables
from stsfix.lab.windows.files import WindowsFiles
from stsfix.lab.windows.plan import ENVIRONMENT
from stsfix.lab.windows.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk, WindowsSetup
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.guest_operations import ArgvLog
    from stsfix.lab.services import Board


@contextmanager
def _guest_faults() -> Generator[None]:
    """Name the vim fault of what a file system says no to."""
    try:
        yield
    except FileNotFoundError as error:
        raise GuestRefusedError("FileNotFound") from error
    except FileExistsError as error:
        raise GuestRefusedError("FileAlreadyExists") from error
    except PermissionError as error:
        raise GuestRefusedError("GuestPermissionDenied") from error
    except OSError as error:
        raise GuestRefusedError("FileFault") from error


class WindowsTools(GuestTools):
    """VMware Tools during one boot of a Windows node."""

    def __init__(
        self,
        disk: NodeDisk,
        board: Board,
        setup: WindowsSetup,
        *,
        faults: FaultBook,
        now: Callable[[], datetime],
        argv_log: ArgvLog,
        kept_s: float,
    ) -> None:
        super().__init__(disk, board, faults=faults, now=now, argv_log=argv_log, kept_s=kept_s)
        self._setup = setup
        self._windows_files = WindowsFiles(disk)
        self.programs = Programs(disk, board, faults=faults, now=now, note_start=argv_log.add)

    def start_program(self, user: str, password: str, path: str, arguments: str) -> int:
        """See seams.Guest: Tools starts ``"<path>" <arguments>``, and no shell."""
        with self._allowed("start_program", user, password):
            run = self.programs.find_program(path)
            if run is None:
                raise GuestRefusedError("FileNotFound")
            line = f'"{path}" {arguments}'
            self._argv_log.add(line)
            program = GuestProgram(
                pid=next(self._pids),
                name=ntpath.basename(path),
                cmd_line=line,
                owner=user,
                started=self._now(),
            )
            self._programs[program.pid] = program
            start = Start(
                arguments=arguments, variables=Variables(dict(ENVIRONMENT)), files=self._of(user)
            )
            self.spawn(functools.partial(self._run_program, program, run, start))
            return program.pid

    def write_file(self, user: str, password: str, path: str, content: bytes, mode: int) -> None:
        """See seams.Guest; Windows knows no *mode*."""
        del mode
        with self._allowed("write_file", user, password), _guest_faults():
            self._of(user).write(path, content)

    def read_file(self, user: str, password: str, path: str) -> bytes:
        """See seams.Guest."""
        with self._allowed("read_file", user, password), _guest_faults():
            return self._of(user).read(path)

    def delete_file(self, user: str, password: str, path: str) -> None:
        """See seams.Guest."""
        with self._allowed("delete_file", user, password), _guest_faults():
            self._of(user).delete(path)

    def make_temporary_file(self, user: str, password: str, prefix: str, suffix: str) -> str:
        """See seams.Guest."""
        return self.make_file_in(user, password, prefix, suffix, folder="")

    def make_file_in(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        """See seams.PlacingGuest."""
        with self._allowed("make_temporary_file", user, password), _guest_faults():
            path = self._new_path(user, prefix, suffix, folder)
            self._of(user).write(path, b"")
            return path

    def make_temporary_folder(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        """See seams.FolderGuest."""
        with self._allowed("make_temporary_folder", user, password), _guest_faults():
            path = self._new_path(user, prefix, suffix, folder)
            self._of(user).make_folder(path)
            return path

    def delete_folder(self, user: str, password: str, path: str, *, recursive: bool) -> None:
        """See seams.FolderGuest."""
        with self._allowed("delete_folder", user, password), _guest_faults():
            self._of(user).delete_folder(path, recursive=recursive)

    def read_environment(self, user: str, password: str, names: Sequence[str]) -> list[str]:
        """See seams.FolderGuest."""
        with self._allowed("read_environment", user, password):
            values = Variables(dict(ENVIRONMENT))
            return [f"{n}={values[n]}" for n in names or values if n in values]

    def _new_path(self, user: str, prefix: str, suffix: str, folder: str) -> str:
        own = f"C:\\Users\\{_account(user)}\\AppData\\Local\\Temp"
        if not self._windows_files.has_folder(folder or own):
            raise FileNotFoundError(folder or own)
        return ntpath.join(folder or own, f"{prefix}vmware{next(self._pids)}{suffix}")

    def _log_in(self, user: str, password: str) -> None:
        """Refuse in one way for an unknown user, a wrong password and a locked account."""
        disk = self._disk
        known = {name.lower() for name in (*self._setup.administrators, *self._setup.filtered)}
        if _account(user).lower() not in known or disk.failed_logins >= LOGIN_LIMIT:
            raise GuestRefusedError("InvalidGuestLogin")
        if password != disk.root_password:
            disk.failed_logins += 1
            raise GuestRefusedError("InvalidGuestLogin")
        if disk.root_password_expired:
            raise GuestRefusedError("InvalidGuestLogin")
        disk.failed_logins = 0

    def _of(self, user: str) -> WindowsFiles:
        """Return the files as *user*, whose token may be filtered, sees them."""
        full = {name.lower() for name in self._setup.administrators}
        return self._windows_files.of(is_administrator=_account(user).lower() in full)

    def _run_program(
        self, program: GuestProgram, run: Callable[[Start, DosStreams], int], start: Start
    ) -> None:
        self._board.pause(0.5)
        nowhere = Buffer()
        program.exit_code = run(start, DosStreams(out=nowhere, err=nowhere))
        program.ended = self._now()


def _account(user: str) -> str:
    r"""Return the account's name of ``name``, ``DOMAIN\name`` or ``name@domain``."""
    return user.rpartition("\\")[2].partition("@")[0]
