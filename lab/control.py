"""The control channel of a lab in the foreground: JSON lines over a unix socket.

One request a connection: a JSON object with "command", answered by one JSON object with "ok".
Commands: status, judge, faults-add (with "rule"; one that kills has a "pid"), faults-clear, power
(with "node" and "state": on, off or cut), quit.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stsfix.lab import judge
from stsfix.lab.esx.machine import VmRefusedError
from stsfix.lab.faults import Effect, Rule, When

if TYPE_CHECKING:
    from stsfix.lab.lab import Lab

STATE_FILE = "lab.json"
SOCKET_NAME = "control.sock"
_LONGEST_PATH = 100
"""sun_path has 104 bytes on macOS and 108 on Linux."""

_MAX_REQUEST = 1 << 20


class LabNotRunningError(Exception):
    """No lab answers in that folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no lab runs in {folder}")
        self.folder = folder


def read_state(folder: Path) -> dict[str, Any] | None:
    """Return what ``lab.json`` of *folder* says; None if there is none or it is unreadable."""
    try:
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def is_alive(folder: Path) -> bool:
    """Tell whether the lab named by *folder*'s ``lab.json`` answers."""
    try:
        return bool(request(folder, "status", limit_s=5.0).get("ok"))
    except LabNotRunningError:
        return False


def request(
    folder: Path, command: str, *, limit_s: float = 60.0, **arguments: Any
) -> dict[str, Any]:
    """Send one command to the lab of *folder* and return its answer.

    Args:
        folder: Where the lab wrote its files.
        command: See the module.
        limit_s: Real seconds to wait for the answer.
        arguments: What the command takes.

    Raises:
        LabNotRunningError: No lab answers there.
    """
    state = read_state(folder)
    if state is None or "control" not in state:
        raise LabNotRunningError(folder)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(limit_s)
            connection.connect(str(state["control"]))
            connection.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
            answer = connection.makefile("rb").readline(_MAX_REQUEST)
            found = json.loads(answer)
    except (OSError, ValueError) as error:
        raise LabNotRunningError(folder) from error
    if not isinstance(found, dict):
        raise LabNotRunningError(folder)
    return found


class ControlServer:
    """Answers `request` for one lab. *quit_asked* is set by the command quit."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.quit_asked = threading.Event()
        self._lab = lab
        self.path = folder / SOCKET_NAME
        self._private: Path | None = None
        if len(os.fsencode(self.path)) > _LONGEST_PATH:
            self._private = Path(tempfile.mkdtemp(prefix="stsfix-lab-"))
            self.path = self._private / SOCKET_NAME
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen; a socket that a dead lab left is replaced.

        Raises:
            OSError: The socket cannot be made.
        """
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(str(self.path))
        finally:
            os.umask(before)
        listener.listen(8)
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, daemon=True, name="lab-control")
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and remove the socket."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)
        self.path.unlink(missing_ok=True)
        if self._private is not None:
            self._private.rmdir()

    def _accept(self) -> None:
        while (listener := self._listener) is not None:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                line = connection.makefile("rb").readline(_MAX_REQUEST)
                connection.sendall(json.dumps(self.answer(line)).encode() + b"\n")

    def answer(self, line: bytes) -> dict[str, Any]:
        """Return the answer to one request line."""
        try:
            asked = json.loads(line)
            answer = {"ok": True} | self._answer(asked["command"], asked)
        except (ValueError, KeyError, TypeError, VmRefusedError) as error:
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        return answer

    def _answer(self, command: str, asked: dict[str, Any]) -> dict[str, Any]:
        match command:
            case "status":
                return status(self._lab)
            case "judge":
                return judge.summary(self._lab)
            case "faults-add":
                self._lab.faults.add(_rule(asked["rule"]))
                return {}
            case "faults-clear":
                self._lab.faults.clear()
                return {}
            case "power":
                self._lab.set_power(asked["node"], asked["state"])
                return {}
            case "quit":
                self.quit_asked.set()
                return {}
            case _:
                raise ValueError(f"unknown command {command}")


def _rule(fields: dict[str, Any]) -> Rule:
    given = dict(fields)
    if "when" in given:
        given["when"] = When(given["when"])
    if "effect" in given:
        given["effect"] = Effect(given["effect"])
    if given.get("effect") is Effect.MEANWHILE or "others" in given:
        raise ValueError("what others do meanwhile is for scenarios and tests only")
    if given.get("effect") is Effect.KILL:
        given["others"] = partial(_kill, _process(given.pop("pid", None)))
    return Rule(**given)


def _process(pid: object) -> int:
    if type(pid) is not int or pid <= 1 or pid == os.getpid():
        raise ValueError(f"{pid!r} is no process of somebody who calls the lab")
    return pid


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def status(lab: Lab) -> dict[str, Any]:
    """Return what ``stsfix lab status`` shows."""
    nodes = {}
    for fqdn, node in lab.nodes.items():
        board = node.board
        nodes[fqdn] = {
            "role": node.disk.role.value,
            "host": lab.host_of(fqdn),
            "power": lab.machines[fqdn].power,
            "settled": node.settled,
            "running": [] if board is None else board.running(),
            "stopped": [] if board is None else board.missing(),
        }
    return {
        "pid": os.getpid(),
        "topology": lab.topology.name,
        "scenario": lab.scenario.name,
        "speed": lab.clock.speed,
        "nodes": nodes,
        "hosts": {name: host.port for name, host in lab.hosts.items()},
    }
