"""``service-control`` of a node: arguments, output and exit codes as in the field.

Source: output formats, failure texts and their JSON are in peers.md (d), from public logs; the
exit code is not zero on failure (peers test for that), RC in the text is vMon's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stsfix.lab.faults import Dropped, Refused
from stsfix.lab.services import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.lab.faults import FaultBook
    from stsfix.lab.service import Service
    from stsfix.lab.services import Board
    from stsfix.lab.shell import Streams

WAIT_TEXT = "Operation not cancellable. Please wait for it to finish..."
STATUS_ORDER = (State.START_PENDING, State.STOP_PENDING, State.STOPPED, State.RUNNING)
STATUS_ORDER_6 = (State.RUNNING, State.START_PENDING, State.STOP_PENDING, State.STOPPED)


class ServiceControl:
    """One node's service-control; *fqdn* is what fault rules name."""

    def __init__(
        self, board: Board, *, faults: FaultBook, fqdn: str, release: tuple[int, ...]
    ) -> None:
        self._board = board
        self._faults = faults
        self._fqdn = fqdn
        self._release = release

    def run(self, words: Sequence[str], streams: Streams) -> int:
        """Run ``service-control`` with the arguments *words*."""
        rest = [word for word in words if word != "--ignore"]
        if not rest:
            streams.complain("usage: service-control [--start|--stop|--restart|--status|--list]")
            return 2
        verb, names = rest[0], rest[1:]
        if verb in ("--list", "--list-services"):
            for service in self._board.services:
                streams.say(service.name)
            return 0
        if verb == "--status":
            return self._status(names, streams)
        if verb not in ("--start", "--stop", "--restart") or not names:
            streams.complain(f"service-control: error: unrecognized arguments: {' '.join(words)}")
            return 2
        return self._change(verb, names, streams)

    def _change(self, verb: str, names: Sequence[str], streams: Streams) -> int:
        streams.say(WAIT_TEXT)
        try:
            with self._faults.around("guest", f"service-control {verb}", self._fqdn):
                code = 0
                if verb in ("--stop", "--restart"):
                    code = self._stop(names, streams)
                if not code and verb in ("--start", "--restart"):
                    code = self._start(names, streams)
                return code
        except (Refused, Dropped) as refusal:
            streams.say(f"Service-control failed. Error: {refusal}")
            return 1

    def _status(self, names: Sequence[str], streams: Streams) -> int:
        everything = not names or names[0] == "--all"
        chosen = {service.name for service in self._board.services}
        if not everything:
            found = self._chosen(names, streams)
            if found is None:
                return 1
            chosen = {service.name for service in found}
        for state in STATUS_ORDER_6 if self._release < (7,) else STATUS_ORDER:
            listed = [name for name in self._board.names(state) if name in chosen]
            if listed:
                streams.say(f"{state}:\n " + " ".join(listed))
        return 0

    def _stop(self, names: Sequence[str], streams: Streams) -> int:
        if names[0] != "--all":
            found = self._chosen(names, streams)
            if found is None:
                return 1
            for service in found:
                self._stop_one(service, streams)
            return 0
        self._board.end_boot()
        services = list(reversed(self._board.services))
        streams.say("Performing stop operation on profile: ALL...")
        self._board.stop_each(service for service in services if service.profile)
        streams.say("Successfully stopped profile: ALL.")
        for service in services:
            if not service.profile:
                self._stop_one(service, streams)
        return 0

    def _stop_one(self, service: Service, streams: Streams) -> None:
        streams.say(f"Performing stop operation on service {service.name}...")
        self._board.stop(service)
        streams.say(f"Successfully stopped service {service.name}")

    def _start(self, names: Sequence[str], streams: Streams) -> int:
        if names[0] != "--all":
            found = self._chosen(names, streams)
            if found is None:
                return 1
            return max(self._start_one(service, streams) for service in found)
        wanted = self._board.wanted()
        for service in wanted:
            if not service.profile and self._start_one(service, streams):
                return 1
        streams.say("Performing start operation on profile: ALL...")
        failed = [s.key for s in wanted if s.profile and not self._board.start(s)]
        if failed:
            self._say_profile_failed(failed, streams)
            return 1
        streams.say("Successfully started profile: ALL.")
        return 0

    def _start_one(self, service: Service, streams: Streams) -> int:
        streams.say(f"Performing start operation on service {service.name}...")
        if self._board.start(service):
            streams.say(f"Successfully started service {service.name}")
            return 0
        details = json.dumps(_failure(service.key), indent=4)
        streams.say(f"Error executing start on service {service.key}. Details {details}")
        colon = "" if self._release < (6, 7) else ":"
        streams.say(f"Service-control failed. Error{colon} {details}")
        return 1

    def _say_profile_failed(self, failed: Sequence[str], streams: Streams) -> None:
        colon = "" if self._release < (6, 7) else ":"
        streams.say(
            f"Service-control failed. Error{colon} Failed to start services in profile ALL. "
            f"RC=4, stderr=Failed to start {', '.join(failed)} services. Error: Operation timed out"
        )

    def _chosen(self, names: Sequence[str], streams: Streams) -> list[Service] | None:
        found = []
        for name in names:
            service = self._board.find(name)
            if service is None:
                streams.say(f"Service-control failed. Error: Service {name} is not registered")
                return None
            found.append(service)
        return found


def _failure(key: str) -> dict[str, object]:
    text = "An error occurred while starting service '{}'"
    return {
        "detail": [
            {
                "id": "install.ciscommon.service.failstart",
                "translatable": text.format("%(0)s"),
                "args": [key],
                "localized": text.format(key),
            }
        ],
        "componentKey": None,
        "problemId": None,
        "resolution": None,
    }
