"""A lab ESXi host for tests, its CA, a scripted guest, and a pyVmomi client that verifies."""

from __future__ import annotations

import contextlib
import functools
import ssl
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyVim import connect as _connect

from ready_keys import another_key
from stsfix.lab import pki
from stsfix.lab.clock import LabClock
from stsfix.lab.esx.host import EsxHost
from stsfix.lab.esx.machine import VirtualMachine
from stsfix.lab.faults import FaultBook
from stsfix.lab.seams import GuestProgram, GuestRefusedError, KeyPair
from stsfix.lab.vmomi import vim

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

pyvim: Any = _connect  # its functions carry no types

PASSWORD = "ESXi-secret-1"
GUEST_USER = "root"
GUEST_PASSWORD = "guest-secret-1"
SPEED = 200.0


class LabCa:
    """A CA that signs hosts of 127.0.0.1."""

    def __init__(self) -> None:
        self._key = another_key()
        self._start, self._end = pki.days_from_now(-1), pki.days_from_now(30)
        self.root = pki.vmca_root(
            self._key,
            domain="vsphere.local",
            host="vc1.lab.example",
            not_before=self._start,
            not_after=self._end,
        )

    def key_pair(self, name: str) -> KeyPair:
        """Return a key pair for *name*, *localhost* and 127.0.0.1."""
        key = another_key()
        leaf = pki.vmca_leaf(
            key,
            issuer=self.root,
            issuer_key=self._key,
            common_name=name,
            not_before=self._start,
            not_after=self._end,
            names=[name, "localhost", "127.0.0.1"],
        )
        return pki.key_pair(key, [leaf])

    def context(self) -> ssl.SSLContext:
        """Return a client context that trusts this CA and nothing else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=pki.pem(self.root).decode())
        return context


@functools.cache  # two RSA keys cost more than most tests
def _trust() -> tuple[LabCa, KeyPair]:
    ca = LabCa()
    return ca, ca.key_pair("esx1.lab.example")


class ScriptedGuest:
    """A guest with files on its disk; programs end at once and append to ``/log``."""

    def __init__(self, *, tools: bool = True, shutdown_s: float = 0.0) -> None:
        self.disk: dict[str, bytes] = {"/etc/state": b"original"}
        self.tools = tools
        self.shutdown_s = shutdown_s
        self.events: list[str] = []
        self.modes: dict[str, int] = {}
        self._up = False
        self._programs: list[GuestProgram] = []

    @property
    def hostname(self) -> str:
        return "vc1.lab.example" if self.tools_running else ""

    @property
    def addresses(self) -> Sequence[str]:
        return ("10.0.0.1", "fe80::1") if self.tools_running else ()

    @property
    def tools_running(self) -> bool:
        return self._up and self.tools

    def boot(self) -> None:
        self._up = True
        self.events.append("boot")

    def cut(self) -> None:
        self._up = False
        self.events.append("cut")

    def shut_down(self, off: Callable[[], None]) -> None:
        def stopped() -> None:
            self._up = False
            off()

        self.events.append("shut_down")
        timer = threading.Timer(self.shutdown_s, stopped)
        timer.daemon = True
        timer.start()

    def _check(self, user: str, password: str) -> None:
        if (user, password) != (GUEST_USER, GUEST_PASSWORD):
            raise GuestRefusedError("InvalidGuestLogin")

    def start_program(self, user: str, password: str, path: str, arguments: str) -> int:
        self._check(user, password)
        if path != "/bin/bash":
            raise GuestRefusedError("FileNotFound")
        now = datetime.now(UTC)
        pid = 1000 + len(self._programs)
        self.disk["/log"] = self.disk.get("/log", b"") + arguments.encode()
        self._programs.append(
            GuestProgram(
                pid=pid,
                name="bash",
                cmd_line=f"{path} {arguments}",
                owner=user,
                started=now,
                ended=now,
                exit_code=3,
            )
        )
        return pid

    def list_programs(self, user: str, password: str, pids: Sequence[int]) -> list[GuestProgram]:
        self._check(user, password)
        return [p for p in self._programs if not pids or p.pid in pids]

    def write_file(self, user: str, password: str, path: str, content: bytes, mode: int) -> None:
        self._check(user, password)
        self.disk[path] = content
        self.modes[path] = mode

    def read_file(self, user: str, password: str, path: str) -> bytes:
        self._check(user, password)
        if path not in self.disk:
            raise GuestRefusedError("FileNotFound")
        return self.disk[path]

    def delete_file(self, user: str, password: str, path: str) -> None:
        self._check(user, password)
        if path not in self.disk:
            raise GuestRefusedError("FileNotFound")
        del self.disk[path]

    def make_temporary_file(self, user: str, password: str, prefix: str, suffix: str) -> str:
        self._check(user, password)
        return self.make_file_in(user, password, prefix, suffix, folder="/tmp")

    def make_file_in(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        self._check(user, password)
        path = f"{folder}/{prefix}{len(self.disk)}{suffix}"
        self.disk[path] = b""
        return path


class EsxLab:
    """A running host with one VM ``vc1`` and ways to talk to it."""

    def __init__(self, ca: LabCa, tls: KeyPair, **options: Any) -> None:
        self.ca = ca
        self.faults = FaultBook()
        self.clock = LabClock(options.pop("speed", SPEED))
        self.host = EsxHost(
            "esx1.lab.example",
            port=0,
            tls=tls,
            clock=self.clock,
            faults=self.faults,
            **({"users": {"root": PASSWORD}} | options),
        )
        self.guest = ScriptedGuest()
        self.vm = self.host.add_vm(VirtualMachine(name="vc1", guest=self.guest))

    @contextlib.contextmanager
    def client(self, user: str = "root", password: str = PASSWORD) -> Generator[Any]:
        """Connect pyVmomi, verified against the lab's CA; yields the service instance."""
        instance = pyvim.SmartConnect(
            host="127.0.0.1",
            port=self.host.port,
            user=user,
            pwd=password,
            sslContext=self.ca.context(),
            httpConnectionTimeout=20,
        )
        try:
            yield instance
        finally:
            with contextlib.suppress(vim.fault.NotAuthenticated, OSError):
                pyvim.Disconnect(instance)
            instance._stub.DropConnections()


@contextlib.contextmanager
def running_host(**options: Any) -> Generator[EsxLab]:
    """Yield a started host; it is stopped at the end. *options* are `EsxHost`'s, and speed."""
    ca, tls = _trust()
    lab = EsxLab(ca, tls, **options)
    lab.host.start()
    try:
        yield lab
    finally:
        lab.host.stop()


def finished(task: Any, *, limit_s: float = 10.0) -> Any:
    """Wait for *task*; return its info, whatever came of it."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        info = task.info
        if info.state in {"success", "error"}:
            return info
        time.sleep(0.005)
    raise TimeoutError(f"{task} still runs after {limit_s} s")


def vm_of(instance: Any, name: str = "vc1") -> Any:
    """Return the VM by its inventory path."""
    return instance.content.searchIndex.FindByInventoryPath(f"ha-datacenter/vm/{name}")
