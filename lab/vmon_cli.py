"""``vmon-cli`` of a node: which services vMon has, and how each is started.

Source: what ``--status`` prints is in public notes of 6.7 to 8.0. In the field it needs some of the
variables of a login shell (public scripts for 6.5); this one does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.vami_services import Operations, VmonServices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.services import Board
    from stsfix.lab.shell import Streams

PATHS = ("/usr/sbin/vmon-cli", "/usr/lib/vmware-vmon/vmon-cli")
"""Since 6.7, and on 6.5 (peers.md d)."""


INSTALLED = ("MANUAL", "AUTOMATIC")


class VmonCli:
    """One node's vmon-cli."""

    def __init__(self, disk: NodeDisk, board: Board) -> None:
        self._disk = disk
        self._services = VmonServices(disk, board, Operations(disk, board, lambda _: None))

    @property
    def path(self) -> str:
        """Where it is."""
        return PATHS[self._disk.release < (6, 7)]

    def run(self, words: Sequence[str], streams: Streams) -> int:
        """Run ``vmon-cli`` with the arguments *words*."""
        match list(words):
            case ["--list" | "-l"]:
                for name in self._services.services:
                    streams.say(name)
                return 0
            case ["--status" | "-s", name] if name in self._services.services:
                self._say(name, streams)
                return 0
            case ["--status" | "-s", name]:
                streams.complain(f"Invalid service name: {name}")
                return 4
            case ["--update" | "-U", name, "--starttype" | "-S", kind]:
                return self._update(name, kind, streams)
            case _:
                streams.complain("usage: vmon-cli [--list] [--status SERVICE] [--update SERVICE]")
                return 2

    def _update(self, name: str, kind: str, streams: Streams) -> int:
        """Disable a service, or let it be as it was installed again."""
        service = self._services.services.get(name)
        if service is None or kind not in ("DISABLED", INSTALLED[service.automatic]):
            streams.complain(f"This vmon-cli does not make {name} {kind}")
            return 4
        change = self._disk.disabled.add if kind == "DISABLED" else self._disk.disabled.discard
        change(service.name)
        streams.say("Completed Update service request.")
        return 0

    def _say(self, name: str, streams: Streams) -> None:
        info = self._services.get(name)
        runs = info["state"] == "STARTED"
        streams.say(f"Name: {name}")
        streams.say(f"Starttype: {info['startup_type']}")
        streams.say(f"RunState: {info['state']}")
        streams.say("RunAsUser: root")
        streams.say("CurrentRunStateDuration(ms): 2824623")
        streams.say(f"HealthState: {'HEALTHY' if runs else 'UNHEALTHY'}")
        streams.say("FailStop: FALSE")
        streams.say(f"MainProcessId: {'15679' if runs else 'N/A'}")
