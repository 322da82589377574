r"""The file system of a Windows node: names in any case, folders, and who may read or write where.

Modelled are two rights only, by what Windows sets up itself: below `PROTECTED` users may read and
only administrators may write; everywhere else anybody may do both. ``icacls`` can keep a folder
for administrators (`Folder.private`). Source: default access lists of Windows Server (KB 4502562
and ``icacls C:\Windows`` on any of them [K]). A file takes the rights of its folder when it is
made.
"""

from __future__ import annotations

import ntpath
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.lab.disk import NodeFile

if TYPE_CHECKING:
    from stsfix.lab.disk import NodeDisk

PROTECTED = ("c:\\windows", "c:\\program files")
OPEN_TO_ALL = ("c:\\windows\\temp",)
PRIVATE_MODE, SHARED_MODE = 0o600, 0o644
"""What `NodeFile.mode` says of a file that only administrators may read, and of any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder that somebody made; *private* keeps it, and what is in it, for administrators."""

    path: str
    private: bool = False


def key(path: str) -> str:
    """Return what tells files apart: the path in lower case, without needless backslashes."""
    return ntpath.normpath(path).lower()


class WindowsFiles:
    """The files of a disk as one user sees them, safe to use from several threads.

    *is_administrator* is whether the user's token has the rights of one: with User Account
    Control the token of most administrators has not.
    """

    def __init__(self, disk: NodeDisk, *, is_administrator: bool = True) -> None:
        self._disk = disk
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self.is_administrator = is_administrator

    def of(self, *, is_administrator: bool) -> WindowsFiles:
        """Return the same files as another user sees them."""
        view = WindowsFiles(self._disk, is_administrator=is_administrator)
        view._lock, view._open = self._lock, self._open
        return view

    def find(self, path: str) -> NodeFile | None:
        """Return the file, None if there is none; whoever asks."""
        with self._lock:
            return self._disk.files.get(key(path))

    def has_folder(self, path: str) -> bool:
        """Tell whether *path* is a folder: one that was made, or that anything is in."""
        wanted = key(path)
        with self._lock:
            return wanted in self._disk.windows_folders or any(
                name.startswith(wanted.rstrip("\\") + "\\")
                for name in (*self._disk.files, *self._disk.windows_folders)
            )

    def read(self, path: str) -> bytes:
        """Return the content of *path*.

        Raises:
            FileNotFoundError: There is no such file.
            PermissionError: It is for administrators only.
        """
        found = self.find(path)
        if found is None:
            raise FileNotFoundError(path)
        if found.mode == PRIVATE_MODE and not self.is_administrator:
            raise PermissionError(path)
        return found.content

    def write(self, path: str, content: bytes, mode: int | None = None) -> None:
        """Replace the file's content; a new one takes the rights of its folder, *mode* or not.

        Raises:
            FileNotFoundError: Its folder is not there.
            PermissionError: Only administrators may write there.
        """
        del mode
        folder = ntpath.dirname(ntpath.normpath(path))
        old = self.find(path)
        if old is None and not self.has_folder(folder):
            raise FileNotFoundError(folder)
        self.require_writable(path)
        with self._lock:
            own = PRIVATE_MODE if self._is_private(key(folder)) else SHARED_MODE
            kept = own if old is None else old.mode
            self._disk.files[key(path)] = NodeFile(content=content, mode=kept)

    def append(self, path: str, content: bytes) -> None:
        """Add to the end of an open file; one that is gone stays gone."""
        with self._lock:
            old = self._disk.files.get(key(path))
            if old is not None:
                self._disk.files[key(path)] = NodeFile(content=old.content + content, mode=old.mode)

    def hold(self, path: str) -> None:
        """A program writes to *path* from now on: nobody can delete it."""
        with self._lock:
            self._open[key(path)] += 1

    def let_go(self, path: str) -> None:
        """The program that held *path* has closed it."""
        with self._lock:
            self._open[key(path)] -= 1

    def delete(self, path: str) -> None:
        """Delete a file.

        Raises:
            FileNotFoundError: There is no such file.
            PermissionError: Only administrators may.
            OSError: A program has it open.
        """
        if self.find(path) is None:
            raise FileNotFoundError(path)
        self.require_writable(path)
        with self._lock:
            if self._open[key(path)]:
                raise OSError(path)
            self._disk.files.pop(key(path), None)

    def make_folder(self, path: str) -> None:
        """Make a folder.

        Raises:
            FileExistsError: It is there.
            PermissionError: Only administrators may.
        """
        if self.has_folder(path):
            raise FileExistsError(path)
        self.require_writable(path)
        with self._lock:
            made = Folder(path=ntpath.normpath(path), private=self._is_private(key(path)))
            self._disk.windows_folders[key(path)] = made

    def make_private(self, path: str) -> None:
        """Keep the folder *path* for administrators, and what is made in it from now on.

        Raises:
            FileNotFoundError: There is no such folder.
            PermissionError: Only administrators may.
        """
        if key(path) not in self._disk.windows_folders:
            raise FileNotFoundError(path)
        self.require_writable(path)
        with self._lock:
            self._disk.windows_folders[key(path)] = Folder(path=ntpath.normpath(path), private=True)

    def delete_folder(self, path: str, *, recursive: bool) -> None:
        """Delete a folder.

        Raises:
            FileNotFoundError: There is no such folder.
            OSError: Something is in it, and *recursive* is False; or a program has it open.
            PermissionError: Only administrators may.
        """
        wanted = key(path)
        if not self.has_folder(path):
            raise FileNotFoundError(path)
        self.require_writable(path)
        with self._lock:
            inside = [name for name in self._disk.files if name.startswith(wanted + "\\")]
            if inside and not recursive:
                raise OSError(path)
            for name in [name for name in inside if not self._open[name]]:
                del self._disk.files[name]
            if any(self._open[name] for name in inside):
                raise OSError(path)
            for name in [
                n for n in self._disk.windows_folders if (n + "\\").startswith(wanted + "\\")
            ]:
                del self._disk.windows_folders[name]

    def require_writable(self, path: str) -> None:
        """Return if the user may change what is at *path*.

        Raises:
            PermissionError: Only administrators may.
        """
        wanted = key(path)
        for_all = any(wanted.startswith(folder + "\\") for folder in OPEN_TO_ALL)
        guarded = any(wanted == f or wanted.startswith(f + "\\") for f in PROTECTED)
        with self._lock:
            private = self._is_private(wanted)
        if not self.is_administrator and (private or (guarded and not for_all)):
            raise PermissionError(path)

    def _is_private(self, wanted: str) -> bool:
        return any(
            folder.private and (wanted + "\\").startswith(name + "\\")
            for name, folder in self._disk.windows_folders.items()
        )
