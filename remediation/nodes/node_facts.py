"""What one look into a node's guest tells: one script, one tolerant parser; pure.

Each fact stands alone: a command that is missing or says something else costs that fact only.
Source: commands and formats are in public logs and in VMware's own scripts (fixsts, vCert);
VMware documents none of it. Not verified on a real appliance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from stsfix.snapshot.words import first_words, shortened

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MARK: Final = "== stsfix:"
"""What the line before each section begins with."""

_TIMEOUT_S: Final = 20
"""Seconds that a single command may take; vdcadmintool waits for a vmdird that hangs."""

_LINE: Final = 4000
"""Characters of a line that are looked at, so that no pattern has much to search."""

VCHA_PROFILE: Final = "vMon starts the profile HACore"
"""The sign of vCenter HA that is known from a peer (vCert 4, peers.md)."""

GATEWAY_PATH: Final = "/usr/lib/vmware-vmdir/sbin/vmdird"
"""A vCenter gateway says ``embedded`` and has no vmdird (VMware's fixsts.sh tests this path)."""


def _vmafd(question: str) -> str:
    """Return the command that asks vmafd one thing (fixsts.sh, KB 76719: one value a line)."""
    tool = "/usr/lib/vmware-vmafd/bin/vmafd-cli"
    return f"timeout {_TIMEOUT_S} {tool} {question} --server-name localhost"


_COMMANDS: Final = {
    "clock": "date -u +%s.%N",
    "build": "cat /etc/vmware/.buildInfo",
    "node-type": "cat /etc/vmware/deployment.node.type",
    "vmdir-state": f"echo 6 | timeout {_TIMEOUT_S} /usr/lib/vmware-vmdir/bin/vdcadmintool",
    "vmdird": f"test -e {GATEWAY_PATH} && echo installed || echo absent",
    "vcha": "test -e /etc/vmware-vcha && echo /etc/vmware-vcha || echo no folder\n"
    "test -e /storage/vmware-vmon/defaultStartProfile"
    " && cat /storage/vmware-vmon/defaultStartProfile",
    "password": "chage -l root",
    "disks": "df -P -k / /storage/log /storage/db",
    "uptime": "cat /proc/uptime",
    "addresses": "ip -o addr show scope global",
    "pnid": _vmafd("get-pnid"),
    "machine-id": _vmafd("get-machine-id"),
    "dc-name": _vmafd("get-dc-name"),
    "services": "service-control --status --all",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A fact that could not be read, and why: one sentence."""

    reason: str


NOT_ASKED: Final = Unread(reason="no command was run in the node's guest")
NO_VCENTER: Final = Unread(reason="it is no vCenter")


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordAge:
    """When root's password ends: None is never; *must_change* is an administrator's order."""

    expires: date | None = None
    must_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpace:
    """One file system of a node, in bytes; *free_bytes* is what is available to root."""

    mount: str
    capacity_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """vCenter's database: its *kind* as vCenter calls it, and whether it is on the node itself."""

    kind: str
    is_local: bool


OWN_DATABASE: Final = Database(kind="PostgreSQL", is_local=True)
"""An appliance's; 6.5 and later support no other (vSphere 6.5 release notes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a node's guest said of itself.

    *vcha* holds what speaks for vCenter HA, empty if nothing does. *vmdird_installed* is whether
    its program is there. *services* is the output of service-control, for its own parser.
    *pnid* is the name the node was deployed with, *machine_id* the end of its solution users'
    names, *controller* the host of the directory and VMCA that it uses (it may be the name of a
    load balancer). *database* is asked on Windows only: an appliance's is always its own.
    """

    clock: datetime | Unread = NOT_ASKED
    build: str | Unread = NOT_ASKED
    node_type: str | Unread = NOT_ASKED
    vmdir_state: str | Unread = NOT_ASKED
    vmdird_installed: bool | Unread = NOT_ASKED
    vcha: tuple[str, ...] | Unread = NOT_ASKED
    password: PasswordAge | Unread = NOT_ASKED
    disks: tuple[DiskSpace, ...] | Unread = NOT_ASKED
    uptime: timedelta | Unread = NOT_ASKED
    addresses: tuple[str, ...] | Unread = NOT_ASKED
    services: str | Unread = NOT_ASKED
    pnid: str | Unread = NOT_ASKED
    machine_id: str | Unread = NOT_ASKED
    controller: str | Unread = NOT_ASKED
    database: Database | Unread = NOT_ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """A node's clock minus this workstation's (positive: the node is ahead), give or take
    *uncertainty*. *source* says how it was read.
    """

    skew: timedelta
    uncertainty: timedelta
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VCenterAbout:
    """What vCenter's ``/sdk`` tells anybody about itself."""

    version: str
    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """What an appliance's management interface (VAMI) says of the whole: its release, and a colour
    from ``green`` to ``red``, or ``gray`` if it does not know.
    """

    version: str | Unread = NOT_ASKED
    health: str | Unread = NOT_ASKED


def read_between(
    theirs: datetime, before: datetime, after: datetime, *, source: str, resolution: timedelta
) -> ClockReading:
    """Return what a clock that said *theirs* some time from *before* to *after* is ahead."""
    half = abs(after - before) / 2
    middle = min(before, after) + half
    return ClockReading(skew=theirs - middle, uncertainty=half + resolution / 2, source=source)


def script() -> str:
    """Return the script that prints every section; it changes nothing and never stops early."""
    lines = ["export LC_ALL=C"]
    for name, command in _COMMANDS.items():
        # The empty line: a file may end without a line end.
        lines += [f"echo; echo '{MARK}{name}'", command]
    lines += [f"echo; echo '{MARK}end'", ""]
    return "\n".join(lines)


def parse(output: str) -> NodeFacts:
    """Return the facts in the *output* of `script`; any text gives some facts, maybe none."""
    found = read_sections(output)
    return NodeFacts(
        clock=read_fact(found, "clock", _clock),
        build=read_fact(found, "build", _build),
        node_type=read_fact(found, "node-type", read_node_type),
        vmdir_state=read_fact(found, "vmdir-state", read_vmdir_state),
        vmdird_installed=read_fact(found, "vmdird", _installed),
        vcha=read_fact(found, "vcha", _vcha),
        password=read_fact(found, "password", _password),
        disks=read_fact(found, "disks", _disks),
        uptime=read_fact(found, "uptime", _uptime),
        addresses=read_fact(found, "addresses", _addresses),
        services=read_fact(found, "services", lambda text: text.strip() or None),
        pnid=read_fact(found, "pnid", _host),
        machine_id=read_fact(found, "machine-id", _machine_id),
        controller=read_fact(found, "dc-name", _host),
        database=OWN_DATABASE,
    )


def read_sections(output: str) -> dict[str, str]:
    """Return text by section. One that is cut off counts; of two with one name the first."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in output.splitlines():
        if line.startswith(MARK):
            name = line.removeprefix(MARK).strip()
            current = [] if name in found else found.setdefault(name, [])
        elif current is not None:
            current.append(shortened(line, _LINE))
    return {name: "\n".join(lines) for name, lines in found.items()}


def read_fact(found: dict[str, str], name: str, read: Callable[[str], T | None]) -> T | Unread:
    """Return what *read* makes of section *name*; why not, if it is not there or says nothing."""
    if name not in found:
        return Unread(reason=f"the node's answer has no section {name}")
    value = read(found[name])
    if value is not None:
        return value
    said = first_words(found[name], 120)
    printable = "".join(c if c.isprintable() else "?" for c in said)
    return Unread(reason=f"the node said {printable!r}" if printable else "the node said nothing")


def _clock(text: str) -> datetime | None:
    match = re.fullmatch(r"\s*([0-9]{1,11})(?:\.([0-9]{1,9}))?[^0-9]*", text)
    if match is None:
        return None
    seconds, fraction = int(match.group(1)), match.group(2)
    micros = int(fraction.ljust(9, "0")[:6]) if fraction else 500_000  # the middle of the second
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=micros)


def _build(text: str) -> str | None:
    match = re.search(r"^[ \t]*+CLOUDVM_VERSION\s*+:\s*+([0-9][\w.-]*+)", text, re.MULTILINE)
    return match.group(1) if match else None


def read_node_type(text: str) -> str | None:
    """Return the word in deployment.node.type."""
    word = text.strip()
    return word if re.fullmatch(r"[a-z]{1,32}", word) else None


_STATE = re.compile(r"VmDir State is\s++-\s++([A-Za-z][A-Za-z ]{0,30}+)[ \t]*+$", re.MULTILINE)


def read_vmdir_state(text: str) -> str | None:
    """``VmDir State is - Read only``: the state may be two words."""
    match = _STATE.search(text)
    return match.group(1).rstrip() if match else None


def _installed(text: str) -> bool | None:
    return {"installed": True, "absent": False}.get(text.strip())


def _vcha(text: str) -> tuple[str, ...] | None:
    """Return both signs that are there: the vMon profile HACore (vCert 4), and the folder, which
    is general knowledge: vmware-vcha is a service of appliances without vCenter HA, too
    (peers.md (d), normally stopped), and nobody knows whether the folder is.
    """
    lines = [line.strip() for line in text.splitlines()]
    if "/etc/vmware-vcha" not in lines and "no folder" not in lines:
        return None
    signs = ["/etc/vmware-vcha exists"] if "/etc/vmware-vcha" in lines else []
    if any(re.search(r"\bHACore\b", line) for line in lines):
        signs.append(VCHA_PROFILE)
    return tuple(signs)


_EXPIRES = re.compile(r"^[ \t]*+Password expires[ \t]*+:(.++)$", re.MULTILINE)
_DAYS = ("%b %d, %Y", "%Y-%m-%d")
"""chage's own form, and that of newer releases of shadow."""


def _password(text: str) -> PasswordAge | None:
    match = _EXPIRES.search(text)
    if match is None:
        return None
    said = match.group(1).strip()
    if said == "never":
        return PasswordAge()
    if "must be changed" in said:
        return PasswordAge(must_change=True)
    for form in _DAYS:
        try:
            return PasswordAge(expires=datetime.strptime(said, form).replace(tzinfo=UTC).date())
        except ValueError:
            continue
    return None


_DF = re.compile(
    r"^\S++(?:\s++\S++)*?\s++([0-9]{1,15}+)\s++[0-9]{1,15}+\s++([0-9]{1,15}+)\s++[0-9]{1,15}+%\s++(/.*+)$"
)
"""Possessive, and by whole words: a line of blanks is not searched again from each of them."""


def _disks(text: str) -> tuple[DiskSpace, ...] | None:
    found = tuple(
        DiskSpace(
            mount=match.group(3).rstrip(),
            capacity_bytes=int(match.group(1)) * 1024,
            free_bytes=int(match.group(2)) * 1024,
        )
        for line in text.splitlines()
        if (match := _DF.match(line))
    )
    return found or None


def _uptime(text: str) -> timedelta | None:
    match = re.match(r"\s*([0-9]{1,10})(?:\.[0-9]+)?(?:\s|$)", text)
    return timedelta(seconds=int(match.group(1))) if match else None


_ADDRESS = re.compile(r"\binet6?\s+([0-9a-fA-F.:]{2,39})/[0-9]{1,3}\b")


def _addresses(text: str) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(_ADDRESS.findall(text))) or None


def _host(text: str) -> str | None:
    word = text.strip()
    return word.lower() if re.fullmatch(r"[A-Za-z0-9:][A-Za-z0-9.:-]{0,253}", word) else None


def _machine_id(text: str) -> str | None:
    word = text.strip()
    return word if re.fullmatch(r"[0-9a-fA-F-]{8,64}", word) else None
