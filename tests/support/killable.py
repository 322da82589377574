"""Commands in processes of their own that die by SIGKILL at a chosen record of the journal.

The process is the product's own: settings, wiring, runs and journal. Only the journal it is
given counts its records and kills. At a remote call it is killed by the lab, which knows when one
arrives. A fork server has the adapters imported already, so that a process costs milliseconds.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import multiprocessing
import os
import random
import signal
import sys
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from ready_keys import FOR_COMMANDS, ready_key
from stsfix.plugin import export_file
from stsfix.plugin.config import load_settings
from stsfix.plugin.exit_codes import exit_code
from stsfix.plugin.runs import RunOptions, Runs
from stsfix.plugin.secrets import SecretStore
from stsfix.plugin.wiring import Wiring
from stsfix.remediation.checks.renewal import NOTHING, Wish, renewal_of
from stsfix.remediation.directory import ldap_session
from stsfix.remediation.directory.sts_export import seal
from stsfix.remediation.journal import Journal, JournalFile
from stsfix.remediation.pki.issuer import OwnCaIssuer, VmcaIssuer
from stsfix.remediation.records import spec_from_json, spec_to_json
from stsfix.remediation.transports.vmca import CertoolAuthority
from stsfix.snapshot.errors import OperationError
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from stsfix.plugin.settings import Settings
    from stsfix.remediation.model import NodePlan, RunSpec
    from stsfix.remediation.ports import Issuer, NodeShell
    from stsfix.remediation.ports_certificates import CertificateAuthority
    from stsfix.remediation.records import Record
    from stsfix.remediation.steps.context import StepContext
    from stsfix.snapshot.secret import Secret

Command = Literal["run", "resume", "rollback", "release"]
KILLED = -signal.SIGKILL
_AT_ONCE_S = 20.0
PRELOAD = [
    "killable",
    "stsfix.snapshot.esxi",
    "stsfix.snapshot.guest",
    "stsfix.remediation.directory.vmdir",
    "stsfix.remediation.logins.node_logins",
    "stsfix.remediation.logins.vcenter",
    "stsfix.remediation.pki.issuer",
    "stsfix.remediation.transports.service_control",
    "stsfix.remediation.transports.chosen",
    "stsfix.remediation.transports.windows",
    "stsfix.remediation.transports.guest",
    "stsfix.remediation.transports.psql",
    "stsfix.remediation.web.node_front",
    "stsfix.plugin.export_file",
    "vmware.vapi.vsphere.client",
    "vmware.vapi.protocol.client.rpc.requests_provider",
    "com.vmware.cis_client",
    "com.vmware.vapi.std_client",
]


@dataclass(frozen=True, slots=True)
class Death:
    """Die at record number *record* (from 0), before it is durable or right after; or, with
    *after_put*, right after the first file was put on a node.
    """

    record: int = -1
    durable: bool = False
    after_put: bool = False


class KillingJournal(Journal):
    """Counts what this process appends, to however many journals, and kills it by SIGKILL at
    one of the records.
    """

    death: Death | None = None
    appended: ClassVar[int] = 0

    def append(self, record: Record) -> None:
        """Append, or die."""
        if self.death is not None and self.appended == self.death.record:
            if self.death.durable:
                super().append(record)
            os.kill(os.getpid(), signal.SIGKILL)
        KillingJournal.appended += 1
        super().append(record)


KEYS = tuple(ready_key(number) for number in FOR_COMMANDS)
"""Keys that were made before: making them is not what dies here."""


class DyingShell:
    """The product's way to nodes; dies as soon as a file is there."""

    def __init__(self, shell: NodeShell) -> None:
        self._shell = shell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shell, name)

    def put(
        self, node: NodePlan, path: str, content: bytes | Secret[bytes], *, mode: int = 0o600
    ) -> None:
        """Put the file, and die."""
        self._shell.put(node, path, content, mode=mode)
        os.kill(os.getpid(), signal.SIGKILL)


class WrongClock(SystemClock):
    """A workstation's clock that is *ahead*, or behind; waits last as long as ever."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        """Return what the workstation takes for the time."""
        return super().now() + self._ahead


class QuickWiring(Wiring):
    """The product's wiring, with keys that were made before; *dies_after_put* see `Death`."""

    dies_after_put = False

    @cached_property
    def authority(self) -> CertificateAuthority:
        """VMCA of the nodes, by a way that may die."""
        if not self.dies_after_put:
            return super().authority
        return CertoolAuthority(cast("NodeShell", DyingShell(self.shell)), self.clock)

    def issuer(self, spec: RunSpec) -> Issuer:
        """Return the issuer of *spec* with ready keys; rarely the same ones twice, as in the
        field.
        """
        keys = iter(random.sample(KEYS, 2))
        if spec.issuer == "own-ca":
            return OwnCaIssuer(self.settings.sso.domain, keys.__next__)
        found = super().issuer(spec)
        assert isinstance(found, VmcaIssuer)
        return dataclasses.replace(found, new_key=keys.__next__)

    def step_context(self, spec: RunSpec, folder: Path) -> StepContext:
        """Return what steps work with; keys of other certificates are ready, too."""
        found = super().step_context(spec, folder)
        tools = dataclasses.replace(found.renewal, new_key=lambda: random.choice(KEYS))
        return dataclasses.replace(found, renewal=tools)


def execute(
    config: Path,
    state: Path,
    command: Command,
    death: Death | None = None,
    *,
    wish: Wish = NOTHING,
    stop_requested: Callable[[], bool] = lambda: False,
    ahead: timedelta = timedelta(0),
) -> None:
    """Do what *command* does, with the product's own parts, on a workstation whose clock is
    *ahead*; *wish* is what a run renews besides.

    Raises:
        OperationError: What the product says.
    """
    clock = WrongClock(ahead)
    settings = load_settings(config)
    wiring = QuickWiring(settings, SecretStore(settings, {}), clock, lambda _: None)
    wiring.dies_after_put = death is not None and death.after_put

    def opened(file: JournalFile, run: str, journal_clock: object) -> Journal:
        journal = KillingJournal(file, run, clock)
        journal.death = death
        return journal

    file = JournalFile(state, clock)
    runs = Runs(file, wiring, stop_requested=stop_requested, open_journal=opened)
    try:
        with runs.locked():
            _command(runs, file, command, settings, wish)
    finally:
        wiring.close()


def after_steps(steps: int | None) -> Callable[[], bool]:
    """Return what asks a run to stop after its next *steps*, None for never."""
    left = iter(range(steps)) if steps is not None else itertools.count()
    return lambda: next(left, None) is None


QUICKER: tuple[tuple[ModuleType, str, object], ...] = (
    (ldap_session, "LOST_LOGIN_S", 1.0),
    (export_file, "seal", functools.partial(seal, cost=2**4)),
)
"""What a matrix changes in the product, as module, name and value. Nodes of a lab are 2000 times as
quick, and forget failed logins as quickly; half a second for each seal makes passphrases hard to
guess, and a matrix an hour longer.
"""


def carry_out(
    config: str,
    state: str,
    command: Command,
    death: Death | None,
    *,
    wish: Wish,
    steps: int | None,
) -> None:
    """Do what *command* does, or only its next *steps*, and exit with its code; the target of a
    process.
    """
    stop = after_steps(steps)
    for module, name, value in QUICKER:
        setattr(module, name, value)
    try:
        execute(Path(config), Path(state), command, death, wish=wish, stop_requested=stop)
    except OperationError as error:
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
        sys.stdout.flush()
        os._exit(exit_code(error))
    os._exit(0)


def _command(
    runs: Runs, file: JournalFile, command: Command, settings: Settings, wish: Wish
) -> None:
    config, domain = settings.path, settings.sso.domain
    if command == "run":
        spec = _spec(runs, config.with_name("spec.json"), wish)
        runs.start(spec, "{}")
        runs.carry_on(spec.run)
    elif command == "resume":
        runs.carry_on(file.latest(domain))
    elif command == "rollback":
        runs.roll_back(file.latest(domain))
    else:
        runs.release(file.latest(domain))


def _spec(runs: Runs, saved: Path, wish: Wish) -> RunSpec:
    """Return what to do: by preflight the first time, which only reads, then as saved."""
    if saved.exists():
        return spec_from_json(saved.read_text())
    inventory, findings = runs.look(wish=wish)
    options = RunOptions(issuer=inventory.issuer, validity_days=3650, retire=True, force=False)
    spec = runs.prepare(inventory, findings, options, renewal_of(inventory, wish))
    saved.write_text(spec_to_json(spec))
    return spec


class Killable:
    """Starts `carry_out` in processes of a fork server and returns how they ended.

    *wish* is what runs renew besides the STS credential.
    """

    def __init__(self, wish: Wish = NOTHING) -> None:
        self._wish = wish
        self._begun = threading.Event()
        self._process: Any = None
        self._number = 0
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOAD)
        # The server imports what it preloads with Python's own path, not with this process's
        # (CPython 3.11), and says nothing about what it could not import.
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        try:
            forkserver.ensure_running()
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before

    def __call__(
        self,
        config: Path,
        state: Path,
        command: Command,
        death: Death | None = None,
        *,
        steps: int | None = None,
    ) -> int:
        """Return the exit code, `KILLED` if it died as told or by a `killer`."""
        process = self._context.Process(
            target=carry_out,
            args=(str(config), str(state), command, death),
            kwargs={"wish": self._wish, "steps": steps},
        )
        self._begun.clear()
        process.start()
        self._process = process
        self._number += 1
        self._begun.set()
        process.join(100)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError(f"{command} hangs")
        return process.exitcode

    def killer(self) -> Callable[[], None]:
        """Return what kills the process that is started next, and no other: to be called in a
        thread of the lab that the process has called. It returns once the process is dead,
        also if it had ended before.
        """
        number = self._number + 1

        def kill() -> None:
            assert self._begun.wait(_AT_ONCE_S)
            process = self._process
            if self._number != number or connection.wait([process.sentinel], 0):
                return
            os.kill(process.pid, signal.SIGKILL)
            assert connection.wait([process.sentinel], _AT_ONCE_S)

        return kill
