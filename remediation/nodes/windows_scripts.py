r"""The batch scripts that run on a Windows node, and what the first of them tells. Pure.

Source: VMware's PSC administration guides 6.5 (p. 149) and 6.7 (p. 135) for paths and names of
services; VMware's own vc_log4j_mitigator.py (2021) for VMWARE_CIS_HOME, VMWARE_CFG_DIR,
deployment.node.type, service-control.bat and the registry key of the release; its defaults are
those of Lightwave's certificate-manager and of silent installs. The place of vdcadmintool.exe and
the keys of vcdb.properties are in public notes only. Not verified on a real Windows vCenter.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.nodes.node_facts import (
    MARK,
    Database,
    DiskSpace,
    NodeFacts,
    Unread,
    read_fact,
    read_node_type,
    read_sections,
    read_vmdir_state,
)
from stsfix.remediation.nodes.service_status import STARTING_LINE, STOPPED_LINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUNNING_LINE: Final = "stsfix: a restart is running"
_MARK_FILE: Final = "%SystemRoot%\\stsfix-restart.running"
"""Only administrators can make it there."""

_SET: Final = (
    "@echo off",
    "setlocal enableextensions disabledelayedexpansion",
    'set "home=%VMWARE_CIS_HOME%"',
    'if not defined home set "home=%ProgramFiles%\\VMware\\vCenter Server"',
    'set "cfg=%VMWARE_CFG_DIR%"',
    'if not defined cfg set "cfg=%ProgramData%\\VMware\\vCenterServer\\cfg"',
    'set "logs=%VMWARE_LOG_DIR%"',
    'if not defined logs set "logs=%ProgramData%\\VMware\\vCenterServer\\logs"',
)

_CONTROL: Final = (
    '"%SystemRoot%\\System32\\cmd.exe" /d /s /c ""%home%\\bin\\service-control.bat" {verb}"'
)
"""In a cmd.exe of its own: whatever the batch file ends with, it ends nothing of ours."""

_DB: Final = '"%cfg%\\vmware-vpx\\vcdb.properties"'
_HERE: Final = ("localhost", "127.0.0.1", "(local)", "%COMPUTERNAME%")
_ENDS: Final = (":", ";", "/", "\\")

_FACTS: Final = {
    "clock": 'wmic os get LastBootUpTime,LocalDateTime /value < nul | findstr "="',
    "version": 'reg query "HKLM\\SOFTWARE\\VMware, Inc.\\vCenter Server" /v ProductVersion',
    "node-type": 'type "%cfg%\\deployment.node.type"',
    "vmdird": 'if exist "%home%\\vmdird\\vmdird.exe" (echo installed) else (echo absent)',
    "drives": "echo %SystemDrive% %home:~0,2% %cfg:~0,2% %logs:~0,2%",
    "disks": (
        'wmic logicaldisk where DriveType=3 get DeviceID,FreeSpace,Size /value < nul | findstr "="'
    ),
    # Never a whole line of it: the file holds the database's password.
    "database": f"findstr /b /i /c:dbtype {_DB}",
    "database-host": f"findstr /b /i /c:url {_DB} | findstr /i "
    + " ".join(f'/c:"//{host}{end}"' for host in _HERE for end in _ENDS)
    + " > nul && echo here || echo elsewhere",
    "services": _CONTROL.format(verb="--status --all"),
    # Last: it waits for a vmdird that hangs, and nothing here can end it.
    "vmdir-state": 'echo 6| "%home%\\vmdird\\vdcadmintool.exe"',
}


_NOT_ON_WINDOWS: Final = Unread(reason="it is not asked on Windows nodes")


def facts_script() -> str:
    """Return the script that prints every section; it changes nothing and never stops early."""
    lines = list(_SET)
    for name, command in _FACTS.items():
        lines += ["echo.", f"echo {MARK}{name}", command]
    return "\n".join([*lines, "echo.", f"echo {MARK}end", ""])


def parse_facts(output: str) -> NodeFacts:
    """Return the facts in the *output* of `facts_script`; any text gives some, maybe none.

    vCenter HA exists on appliances only (vSphere 6.7 Availability guide), and passwords of
    Windows accounts end by rules that no command tells for all of them.
    """
    found = read_sections(output)
    return NodeFacts(
        clock=read_fact(found, "clock", _clock),
        build=read_fact(found, "version", _version),
        node_type=read_fact(found, "node-type", read_node_type),
        vmdir_state=read_fact(found, "vmdir-state", read_vmdir_state),
        vmdird_installed=read_fact(
            found, "vmdird", lambda text: {"installed": True, "absent": False}.get(text.strip())
        ),
        vcha=(),
        password=_NOT_ON_WINDOWS,
        disks=read_fact(found, "disks", lambda text: _disks(text, _drives(found))),
        uptime=read_fact(found, "clock", _uptime),
        addresses=_NOT_ON_WINDOWS,
        services=read_fact(found, "services", lambda text: text.strip() or None),
        pnid=_NOT_ON_WINDOWS,
        machine_id=_NOT_ON_WINDOWS,
        controller=_NOT_ON_WINDOWS,
        database=read_fact(found, "database", lambda text: _database(text, found)),
    )


def status_script() -> str:
    """Return the script that lists all services, and says if a restart of ours still runs."""
    return "\n".join(
        [
            *_SET,
            f'if exist "{_MARK_FILE}" echo {RUNNING_LINE}',
            _CONTROL.format(verb="--status --all"),
            "",
        ]
    )


def restart_script(by_name: Sequence[str] = ()) -> str:
    """Return the script that stops everything, lists what runs on, starts everything, the services
    *by_name* too, and lists the services.

    All of it is one line: cmd.exe reads the next one from a file that may be gone by then, and
    services that were stopped have to be started whatever happens here. service-control's exit
    code is not asked: it fails although the services come up by themselves later (peers.md c13).
    """
    work = " & ".join(
        [
            _CONTROL.format(verb="--stop --all"),
            f"echo {STOPPED_LINE}",
            _CONTROL.format(verb="--status --all"),
            f"echo {STARTING_LINE}",
            *(_CONTROL.format(verb=f"--start {name}") for name in ("--all", *by_name)),
            f'del /f /q "{_MARK_FILE}"',
            _CONTROL.format(verb="--status --all"),
        ]
    )
    return "\n".join([*_SET, f'> "{_MARK_FILE}" echo %DATE% %TIME%', work, ""])


_MOMENT: Final = re.compile(r"([0-9]{14})\.([0-9]{6})([+-][0-9]{3})$")
"""CIM_DATETIME: the last number are minutes that local time is ahead of UTC."""


def _clock(text: str) -> datetime | None:
    return _moment(_values(text).get("LocalDateTime", ""))


def _uptime(text: str) -> timedelta | None:
    values = _values(text)
    now = _moment(values.get("LocalDateTime", ""))
    booted = _moment(values.get("LastBootUpTime", ""))
    return None if now is None or booted is None or now < booted else now - booted


def _moment(text: str) -> datetime | None:
    match = _MOMENT.match(text)
    if match is None:
        return None
    try:
        local = datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return local + timedelta(microseconds=int(match[2])) - timedelta(minutes=int(match[3]))
    except (ValueError, OverflowError):
        return None


def _values(text: str) -> dict[str, str]:
    pairs = [line.partition("=") for line in text.splitlines()]
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


_PRODUCT: Final = re.compile(
    r"^[ \t]*+ProductVersion[ \t]++REG_SZ[ \t]++([0-9][\w.-]*+)[ \t]*+$", re.MULTILINE
)


def _version(text: str) -> str | None:
    match = _PRODUCT.search(text)
    return match[1] if match else None


def _drives(found: Mapping[str, str]) -> frozenset[str]:
    return frozenset(word.upper() for word in found.get("drives", "").split())


def _disks(text: str, drives: frozenset[str]) -> tuple[DiskSpace, ...] | None:
    """Only drives that Windows or vCenter is on: others may be as full as they like."""
    groups: list[dict[str, str]] = []
    for name, value in (line.split("=", 1) for line in text.splitlines() if "=" in line):
        if name.strip() == "DeviceID":
            groups.append({})
        if groups:
            groups[-1][name.strip()] = value.strip()
    disks = tuple(
        DiskSpace(
            mount=group["DeviceID"],
            capacity_bytes=int(group["Size"]),
            free_bytes=int(group["FreeSpace"]),
        )
        for group in groups
        if group["DeviceID"].upper() in drives
        and _is_size(group.get("Size", ""))
        and _is_size(group.get("FreeSpace", ""))
    )
    return disks or None


def _is_size(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", text) is not None


_DBTYPE: Final = re.compile(
    r"^[ \t]*+dbtype[ \t]*+=[ \t]*+([\w .-]{1,40}+)[ \t]*+$", re.MULTILINE | re.IGNORECASE
)


def _database(text: str, found: Mapping[str, str]) -> Database | None:
    match = _DBTYPE.search(text)
    place = found.get("database-host", "").strip()
    if match is None or place not in {"here", "elsewhere"}:
        return None
    return Database(kind=match[1].rstrip(), is_local=place == "here")
