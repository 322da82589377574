"""One appliance: what happens in a node's VM from power on to power off."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.lab.commands import Commands
from stsfix.lab.faults import Dropped, Refused
from stsfix.lab.guest_operations import KEPT_REAL_S, KEPT_S, ArgvLog, GuestTools
from stsfix.lab.programs import NetworkReach, NodeParts
from stsfix.lab.seams import GuestRefusedError
from stsfix.lab.services import Board, PowerLost
from stsfix.lab.ssh import SshDaemon, SshNode
from stsfix.lab.windows.tools import WindowsTools

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from stsfix.lab.clock import LabClock
    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.programs import Network
    from stsfix.lab.seams import GuestProgram

KERNEL_S = 40.0
"""Field seconds from power on until VMware Tools runs."""

SHUTDOWN_HASTE = 0.8
"""At shutdown systemd stops services side by side: faster than service-control."""

HALT_S = 12.0
"""Field seconds of a shutdown besides the services."""


class _Run:
    """One boot: everything that is gone when power is."""

    def __init__(self, appliance: Appliance) -> None:
        disk = appliance.disk
        self.is_appliance = disk.windows is None
        self.parts = NodeParts(disk, appliance.network)
        self.board = Board(
            disk,
            clock=appliance.clock,
            faults=appliance.faults,
            programs=self.parts.programs,
            gates=self.parts.gates,
        )
        self.tools = _tools(appliance, self.board)
        self.sshd = SshDaemon(
            SshNode(
                disk=disk,
                board=self.board,
                tools=self.tools,
                faults=appliance.faults,
                argv_log=appliance.argv_log,
                now=appliance.now,
            ),
            appliance.network.ports[disk.fqdn].ssh,
            appliance.network.loop,
        )
        self.parts.vami.wire(self.board, self.tools, self.sshd)
        self.settled = threading.Event()
        self.shutting_down = False

    def open(self) -> None:
        """Let in who comes by SSH or to the management interface; Windows has neither."""
        if self.is_appliance:
            self.sshd.start()
            self.parts.vami.start()

    def close(self) -> None:
        """Cut their connections and let nobody in any more."""
        self.sshd.close()
        self.parts.vami.close()


def _tools(appliance: Appliance, board: Board) -> GuestTools:
    disk, faults, now = appliance.disk, appliance.faults, appliance.now
    kept_s = max(appliance.clock.real(KEPT_S), KEPT_REAL_S)
    if disk.windows is not None:
        return WindowsTools(
            disk,
            board,
            disk.windows,
            faults=faults,
            now=now,
            argv_log=appliance.argv_log,
            kept_s=kept_s,
        )
    tools = GuestTools(
        disk, board, faults=faults, now=now, argv_log=appliance.argv_log, kept_s=kept_s
    )
    reach = NetworkReach(appliance.network)
    tools.commands = Commands(disk, board, faults=faults, environment=tools, now=now, reach=reach)
    return tools


class Appliance:
    """The guest of a node's VM (seams.Guest): an appliance, or Windows if its disk says so.

    Tools runs 40 field seconds after power on; the services follow in their order, about 200
    field seconds in all. Everything it keeps is on `disk`.

    Fault rules of protocol ``guest``, target the FQDN: the names of the guest operations
    (``start_program``, ``read_file`` ...; *detail* names the vim fault), ``shut_down`` (refused:
    nothing happens), ``service-control --start`` and the like, and ``start <service>``.
    """

    def __init__(self, disk: NodeDisk, network: Network) -> None:
        self.disk = disk
        self.network = network
        self.argv_log = ArgvLog()
        self.installed = frozenset(disk.paths())
        self._lock = threading.Lock()
        self._run: _Run | None = None

    @property
    def clock(self) -> LabClock:
        """The lab's clock."""
        return self.network.clock

    @property
    def faults(self) -> FaultBook:
        """The lab's faults."""
        return self.network.faults

    def now(self) -> datetime:
        """Return the time on the node's own clock, aware UTC."""
        return self.clock.now() + timedelta(seconds=self.disk.clock_offset_s)

    @property
    def hostname(self) -> str:
        """See seams.Guest."""
        return self.disk.fqdn if self.tools_running else ""

    @property
    def addresses(self) -> Sequence[str]:
        """See seams.Guest."""
        return ("127.0.0.1",) if self.tools_running else ()

    @property
    def tools_running(self) -> bool:
        """See seams.Guest."""
        run = self._run
        return run is not None and run.tools.running

    @property
    def board(self) -> Board | None:
        """The services of this boot, None while off."""
        run = self._run
        return None if run is None else run.board

    @property
    def parts(self) -> NodeParts | None:
        """The servers of this boot, None while off."""
        run = self._run
        return None if run is None else run.parts

    def wait_settled(self, real_seconds: float) -> bool:
        """Wait until the boot's services were all started or failed; False if not in time."""
        run = self._run
        return run is not None and run.settled.wait(real_seconds)

    @property
    def settled(self) -> bool:
        """True when the boot is over."""
        return self.wait_settled(0)

    def boot(self) -> None:
        """See seams.Guest."""
        with self._lock:
            if self._run is not None:
                return
            self._run = run = _Run(self)
        self._in_background(run, self._boot, "boot")

    def cut(self) -> None:
        """See seams.Guest."""
        run = self._run
        if run is not None:
            self._cut(run)

    def _cut(self, run: _Run) -> None:
        """End *run*; a boot after it is not touched."""
        with self._lock:
            if self._run is run:
                self._run = None
        run.tools.running = False
        run.close()
        run.board.cut()

    def shut_down(self, off: Callable[[], None]) -> None:
        """See seams.Guest. Without effect while a shutdown is under way already."""
        with self._lock:
            run = self._run
            if run is None or run.shutting_down:
                return
            run.shutting_down = True

        def work(found: _Run) -> None:
            try:
                with self.faults.around("guest", "shut_down", self.disk.fqdn):
                    self._shut_down(found)
            except (Refused, Dropped):
                found.shutting_down = False
                return
            self._cut(found)
            off()

        self._in_background(run, work, "shutdown")

    def start_program(self, user: str, password: str, path: str, arguments: str) -> int:
        """See seams.Guest."""
        return self._tools().start_program(user, password, path, arguments)

    def list_programs(self, user: str, password: str, pids: Sequence[int]) -> list[GuestProgram]:
        """See seams.Guest."""
        return self._tools().list_programs(user, password, pids)

    def write_file(self, user: str, password: str, path: str, content: bytes, mode: int) -> None:
        """See seams.Guest."""
        self._tools().write_file(user, password, path, content, mode)

    def read_file(self, user: str, password: str, path: str) -> bytes:
        """See seams.Guest."""
        return self._tools().read_file(user, password, path)

    def delete_file(self, user: str, password: str, path: str) -> None:
        """See seams.Guest."""
        self._tools().delete_file(user, password, path)

    def make_temporary_file(self, user: str, password: str, prefix: str, suffix: str) -> str:
        """See seams.Guest."""
        return self._tools().make_temporary_file(user, password, prefix, suffix)

    def make_file_in(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        """See seams.PlacingGuest."""
        return self._tools().make_file_in(user, password, prefix, suffix, folder=folder)

    def make_temporary_folder(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        """See seams.FolderGuest."""
        tools = self._folder_tools()
        return tools.make_temporary_folder(user, password, prefix, suffix, folder=folder)

    def delete_folder(self, user: str, password: str, path: str, *, recursive: bool) -> None:
        """See seams.FolderGuest."""
        self._folder_tools().delete_folder(user, password, path, recursive=recursive)

    def read_environment(self, user: str, password: str, names: Sequence[str]) -> list[str]:
        """See seams.FolderGuest."""
        return self._folder_tools().read_environment(user, password, names)

    def _folder_tools(self) -> WindowsTools:
        """Return the Tools of Windows; new folders and variables of appliances are not modelled."""
        tools = self._tools()
        if not isinstance(tools, WindowsTools):
            raise GuestRefusedError("OperationNotSupportedByGuest")
        return tools

    def _tools(self) -> GuestTools:
        run = self._run
        if run is None:
            raise GuestRefusedError("GuestOperationsUnavailable")
        return run.tools

    def _in_background(self, run: _Run, work: Callable[[_Run], None], name: str) -> None:
        def until_cut() -> None:
            try:
                work(run)
            except PowerLost:
                return

        thread = threading.Thread(
            target=until_cut, daemon=True, name=f"lab-{name}-{self.disk.fqdn}"
        )
        thread.start()

    def _boot(self, run: _Run) -> None:
        run.board.pause(KERNEL_S)
        run.tools.running = self.disk.tools_installed
        run.open()
        run.board.boot_all()
        run.settled.set()

    @staticmethod
    def _shut_down(run: _Run) -> None:
        run.board.begin_shutdown()
        run.board.pause(HALT_S / 2)
        run.board.stop_each(reversed(run.board.services), haste=SHUTDOWN_HASTE)
        run.tools.running = False
        run.close()
        run.board.pause(HALT_S / 2)
