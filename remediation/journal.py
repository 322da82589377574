"""The record of runs on the operator's machine: SQLite, durable before anything counts.

One database in the state folder, mode 0600, WAL with ``synchronous=FULL``: a commit that returned
is on the disk (sqlite.org/pragma.html#pragma_synchronous). Tables are append-only by use: nothing
here updates or deletes. Readers (`status`, other processes) open their own connection.
"""

from __future__ import annotations

import difflib
import fcntl
import json
import os
import sqlite3
import stat
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stsfix.remediation.errors_run import (
    DomainLockedError,
    JournalUnwritableError,
    PlanChangedError,
    RunNotFoundError,
)
from stsfix.remediation.journal_rows import decoded, encoded
from stsfix.remediation.left_off import may_be_off
from stsfix.remediation.records import (
    ALLOWED,
    Phase,
    Record,
    StepRecord,
    StepState,
    lacks_proof_only,
    phase,
    released_unproven,
    spec_from_json,
    spec_to_json,
)
from stsfix.remediation.relocation import current_spec
from stsfix.remediation.state_folder import intruders
from stsfix.snapshot.broken import in_words

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from stsfix.remediation.model import RunSpec
    from stsfix.snapshot.ports import Clock

SCHEMA_VERSION = 1
PRIVATE = 0o600
_TRIES = 3
_SCHEMA = """
CREATE TABLE runs (
    run TEXT PRIMARY KEY, domain TEXT NOT NULL, created TEXT NOT NULL, version TEXT NOT NULL,
    plan TEXT NOT NULL, spec TEXT NOT NULL, inventory TEXT NOT NULL
);
CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES runs (run),
    at TEXT NOT NULL, kind TEXT NOT NULL, step TEXT NOT NULL, name TEXT NOT NULL,
    value TEXT NOT NULL
);
CREATE INDEX records_by_run ON records (run, seq);
"""
_APPEND = "INSERT INTO records (run, at, kind, step, name, value) VALUES (?, ?, ?, ?, ?, ?)"


class TransitionError(ValueError):
    """A record does not follow the step's last one: a bug; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One run as the journal has it."""

    spec: RunSpec
    plan: tuple[str, ...]
    created: datetime
    version: str
    inventory: dict[str, Any]
    records: tuple[Record, ...]

    @property
    def phase(self) -> Phase:
        """What the run is now."""
        return phase(self.plan, self.records)

    @property
    def lacks_proof_only(self) -> bool:
        """True if everything before the proof of logins is done, and that failed."""
        return lacks_proof_only(self.plan, self.records)

    @property
    def released_unproven(self) -> bool:
        """True if it is, or is being, released without a proof of logins."""
        return released_unproven(self.plan, self.records)

    @property
    def nodes_may_be_off(self) -> bool:
        """True if it has shut nodes down and not seen all of them on again."""
        return may_be_off(self.plan, self.records)


class JournalFile:
    """All runs of one state folder. Creating it makes the folder (0700) and the file (0600).

    Raises:
        JournalUnwritableError: Folder or file cannot be made, others may write into the folder,
            or a newer stsfix made the file.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.path = folder / "journal.sqlite"
        self.folder = folder
        self._clock = clock
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_own(folder)
            _make_private(self.path)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise JournalUnwritableError(str(self.path), in_words(error)) from error

    def _prepare(self) -> None:
        with closing(self.connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise JournalUnwritableError(
                    str(self.path), f"it has format {version}, made by a newer stsfix"
                )
            if version == 0:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")

    def connect(self) -> sqlite3.Connection:
        """Open a connection whose commits are durable; the caller closes it."""
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 5000")
        return connection

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        try:
            with closing(self.connect()) as connection:
                yield connection
        except sqlite3.Error as error:
            raise JournalUnwritableError(str(self.path), str(error)) from error

    def create(
        self,
        spec: RunSpec,
        plan: Sequence[str],
        *,
        version: str,
        inventory: str,
        records: Sequence[Record] = (),
    ) -> Journal:
        """Write a new run and return its journal, open for writing. The *records* it begins with
        are there with it or not at all.

        Raises:
            JournalUnwritableError: It could not be made durable; there is no such run.
        """
        now = self._clock.now().isoformat()
        row = (spec.run, spec.domain, now, version, json.dumps(list(plan)))
        try:
            with closing(self.connect()) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (*row, spec_to_json(spec), inventory),
                )
                rows = [(spec.run, now, *encoded(record)) for record in records]
                connection.executemany(_APPEND, rows)
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise JournalUnwritableError(str(self.path), str(error)) from error
        return Journal(self, spec.run, self._clock)

    def names(self, domain: str | None = None) -> tuple[str, ...]:
        """Return the names of all runs (of *domain*) in the order in which they were begun,
        whatever the clock of this workstation said then.
        """
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT run FROM runs WHERE domain = coalesce(?, domain) ORDER BY rowid", (domain,)
            ).fetchall()
        return tuple(name for (name,) in rows)

    def read(self, run: str) -> StoredRun:
        """Return one run with all its records.

        Raises:
            RunNotFoundError: No such run.
            PlanChangedError: Another version of stsfix wrote what this one does not know.
            JournalUnwritableError: The file cannot be read.
        """
        with self._reading() as connection:
            row = connection.execute(
                "SELECT plan, spec, created, version, inventory FROM runs WHERE run = ?", (run,)
            ).fetchone()
            if row is None:
                raise self._not_found(run)
            rows = connection.execute(
                "SELECT at, kind, step, name, value FROM records WHERE run = ? ORDER BY seq",
                (run,),
            ).fetchall()
        plan, spec, created, version, inventory = row
        try:
            records = tuple(decoded(*fields) for fields in rows)
            return StoredRun(
                spec=current_spec(spec_from_json(spec), records),
                plan=tuple(json.loads(plan)),
                created=datetime.fromisoformat(created),
                version=version,
                inventory=json.loads(inventory),
                records=records,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise PlanChangedError(f"something of {run} ({error})", version) from error

    def latest(self, domain: str | None = None) -> str:
        """Return the name of the newest run (of *domain*).

        Raises:
            RunNotFoundError: There is none.
        """
        names = self.names(domain)
        if names:
            return names[-1]
        raise RunNotFoundError("", str(self.folder), domain=domain or "")

    def _not_found(self, run: str) -> RunNotFoundError:
        near = difflib.get_close_matches(run, self.names(), n=1)
        return RunNotFoundError(run, str(self.folder), near="".join(near))

    def holder(self, domain: str) -> str:
        """Return which living process holds *domain* in this state folder, empty if none does."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            handle = os.open(self.folder / f"{domain}.lock", flags)
        except OSError:
            return ""
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(handle)
        finally:
            os.close(handle)  # lets go, too
        return ""

    def _taken(self, handle: int) -> bool:
        """Take a lock; whoever only asks for its `holder` has it for a moment."""
        for _ in range(_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            self._clock.sleep(0.05)
        return False

    @contextmanager
    def locked(self, domain: str, holder: str) -> Generator[None]:
        """Hold the lock of *domain* on this state folder; it dies with the process.

        Raises:
            DomainLockedError: A living process holds it; it is named.
            JournalUnwritableError: The lock's file cannot be opened; it is no link and no pipe.
        """
        path = self.folder / f"{domain}.lock"
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            handle = os.open(path, flags, 0o600)
        except OSError as error:
            raise JournalUnwritableError(str(path), error.strerror or "no such file") from error
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise JournalUnwritableError(str(path), "it is no ordinary file")
            if not self._taken(handle):
                raise DomainLockedError(domain, _holder(handle))
            with suppress(OSError):  # only a name for others to read; the disk may be full
                os.ftruncate(handle, 0)
                os.pwrite(handle, holder.encode(), 0)
            yield
        finally:
            os.close(handle)


def _holder(handle: int) -> str:
    """Return who says in a lock's file that he holds it."""
    return os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"


def _require_own(folder: Path) -> None:
    """Return if nobody else can put files into *folder* or take ours away."""
    if reason := intruders(folder):
        raise JournalUnwritableError(str(folder), reason, untrusted=True)


def _make_private(path: Path) -> None:
    """Make *path* an ordinary file of mode 0600, which it may have lost in a copy."""
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    handle = os.open(path, flags, PRIVATE)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise JournalUnwritableError(str(path), "it is no ordinary file")
        if stat.S_IMODE(mode) != PRIVATE:
            os.fchmod(handle, PRIVATE)
    finally:
        os.close(handle)


class Journal:
    """One run's records, open for appending by one process (see `JournalFile.locked`)."""

    def __init__(self, file: JournalFile, run: str, clock: Clock) -> None:
        self.run = run
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        self._unwritable = False
        stored = file.read(run)
        self._spec = stored.spec
        self.plan = stored.plan
        self._records = list(stored.records)
        self._connection = file.connect()

    @property
    def spec(self) -> RunSpec:
        """What is done to whom, every VM where it was seen last."""
        return current_spec(self._spec, self.records)

    @property
    def records(self) -> tuple[Record, ...]:
        """Everything recorded so far, oldest first."""
        with self._lock:
            return tuple(self._records)

    def append(self, record: Record) -> None:
        """Make *record* durable; it counts only after this returned.

        Raises:
            TransitionError: The state does not follow the step's last; nothing written.
            JournalUnwritableError: The record may or may not be there. Nothing can be
                appended any more: after a failed fsync a later one proves nothing.
        """
        with self._lock:
            if self._unwritable:
                raise JournalUnwritableError(str(self._file.path), "an earlier write failed")
            self._check(record)
            at = self._clock.now()
            try:
                self._connection.execute(_APPEND, (self.run, at.isoformat(), *encoded(record)))
            except sqlite3.Error as error:
                self._unwritable = True
                raise JournalUnwritableError(str(self._file.path), str(error)) from error
            self._records.append(record)

    def _check(self, record: Record) -> None:
        if not isinstance(record, StepRecord):
            return
        last = StepState.PENDING
        for earlier in self._records:
            if isinstance(earlier, StepRecord) and earlier.step == record.step:
                last = earlier.state
        if (last, record.state) not in ALLOWED:
            raise TransitionError(f"{record.step}: {last} -> {record.state}")

    def close(self) -> None:
        """Close the file; records stay readable."""
        self._connection.close()
