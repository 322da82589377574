"""How vMon starts each service of an appliance: by itself, by hand, or never. Pure.

Source: `Starttype` of ``vmon-cli --status NAME`` in public notes of 6.7 to 8.0, where ``--list``
prints names, one a line; that it needs these variables where no login shell ran is in public
scripts for 6.5 that call it by guest operations. The three words are those of VMware's API
``appliance.vmon.service``: "during starting all services or issuing explicit start", "issuing an
explicit start", "will not start unless the startup type changes". systemd's units (directory,
certificate authority, before 7.0 the STS) are not vMon's, so nothing tells theirs.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

from stsfix.remediation.nodes.service_names import bare

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK: Final = "== stsfix: how each service is started"
"""The line before what `SCRIPT` prints."""

_LIMIT_S: Final = 20
"""Seconds for all services together: what is not told by then is not known."""

_WORK: Final = (
    "tool=/usr/sbin/vmon-cli; test -e $tool || tool=/usr/lib/vmware-vmon/vmon-cli; "
    "for name in $($tool --list 2>/dev/null); do $tool --status $name 2>/dev/null; done"
)
SCRIPT: Final = "\n".join(
    [
        f"echo '{MARK}'",
        "export VMWARE_PYTHON_PATH=/usr/lib/vmware/site-packages VMWARE_LOG_DIR=/var/log",
        "export VMWARE_CFG_DIR=/etc/vmware VMWARE_DATA_DIR=/storage",
        f"timeout {_LIMIT_S} /bin/bash -c '{_WORK}' < /dev/null",
    ]
)
"""For bash; it changes nothing, and prints nothing after the mark where there is no vmon-cli."""

_LINE: Final = re.compile(r"^\s*(Name|Starttype)\s*:\s*([\w.@-]{1,80})\s*$", re.ASCII)


class StartType(enum.StrEnum):
    """How vMon starts a service."""

    AUTOMATIC = "AUTOMATIC"
    MANUAL = "MANUAL"
    DISABLED = "DISABLED"


def start_type(word: str) -> StartType | None:
    """Return the type that *word* names, None if it names none."""
    return StartType.__members__.get(word)


def split_types(output: str) -> tuple[str, Mapping[str, StartType]]:
    """Return what was printed before `MARK`, and how each service is started, by its bare name."""
    before, _, after = output.partition(MARK)
    found: dict[str, StartType] = {}
    name = ""
    for line in after.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        if match[1] == "Name":
            name = bare(match[2])
        elif name and (kind := start_type(match[2])) is not None:
            found[name] = kind
            name = ""
    return before, found
