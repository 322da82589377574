"""What the outermost layer raises; categories and their meaning are in `stsfix.snapshot.errors`.

RefusedError
├── ConfigError      domain.toml is missing or wrong; every problem of the file at once
├── ReportFileError  a report cannot be written where it was asked for
└── SecretError      a password is missing, empty, or its file is not safe
InDoubtError
└── OutOfMemoryError this process got no more memory
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stsfix.snapshot.errors import InDoubtError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem:
    """One thing wrong in a file. *where* is a TOML location such as ``esxi[0].tls``, empty for
    the file as a whole; *reason* is a clause without a full stop and without any secret.
    """

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason


class ConfigError(RefusedError):
    """The configuration file is missing or wrong.

    *problems* are all that is wrong with it, never empty; where there are several, the lines of
    *evidence* tell them.
    """

    def __init__(self, path: str, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        several = tuple(map(str, self.problems)) if len(self.problems) > 1 else ()
        what = f"{path} has {len(several)} problems" if several else f"{path}: {self.problems[0]}"
        super().__init__(what)
        self.path = path
        self.evidence = several


class SecretError(RefusedError):
    """A password is missing, empty, or kept in a file that is not safe.

    *what* says whose it is, *reason* why, and *places* are all the places it could come from.
    Holds nothing of what was read. *evidence* are lines that tell the places, where there is none.
    """

    def __init__(self, what: str, reason: str, places: Iterable[str] = ()) -> None:
        self.places = tuple(places)
        super().__init__(f"{what}: {reason}")
        self.what = what
        self.reason = reason
        self.evidence = tuple(f"it can come from {place}" for place in self.places)


EXPORTS: Final = "exports"
"""Folder in the state folder that holds the exports of runs."""


class ReportFileError(RefusedError):
    """A report cannot be written there: a link, a folder, no permission, no space.

    *path* is as it was before; *reason* is a clause.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class OutOfMemoryError(InDoubtError):
    """This process got no more memory from the workstation, and ended what it was doing."""

    def __init__(self) -> None:
        super().__init__("this workstation has no more memory for stsfix")


def lacks_memory(error: BaseException) -> bool:
    """Tell whether *error* is what Python raises when it gets no more memory, also for a thread."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and str(error) == "can't start new thread"
    )
