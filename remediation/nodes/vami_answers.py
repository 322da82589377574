"""What an appliance's management interface (VAMI, port 5480) answers, and in which order services
are restarted through it. Pure, and tolerant of any answer.

Source: lists of a real 7.0.2 in the documentation of Ansible's vmware.vmware_rest
(appliance_services_info, appliance_vmon_service_info); VMware's API documentation of
``appliance.services`` (6.7) and ``appliance.vmon.service`` (6.5). Lists are wrapped in ``value``,
as pairs of ``key`` and ``value``, or as objects by name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stsfix.remediation.nodes.service_names import CORE, bare
from stsfix.remediation.nodes.service_status import ServiceStatus
from stsfix.remediation.nodes.start_types import start_type
from stsfix.snapshot.words import first_words, shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

SESSION: Final = "/rest/com/vmware/cis/session"
UNITS: Final = "/rest/appliance/services"
VMON: Final = "/rest/appliance/vmon/service"
VERSION: Final = "/rest/appliance/system/version"
HEALTH: Final = "/rest/appliance/health/system"

COLOURS: Final = ("green", "yellow", "orange", "red", "gray")
"""Levels of appliance.health, from netdata's and VMware's API pages (vsphere.md 4)."""

BASE_UNITS: Final = ("vmafdd", "vmdird", "vmcad", "vmdnsd", "vmware-sts-idmd", "vmware-stsd")
"""systemd's units that service-control restarts with vMon's services, in the order it starts them
(peers.md (d)). Not lwsmd, which the login of root may need; not vmware-vmon and never applmgmt:
they are what answers here.
"""

_STARTED_EARLY: Final = (
    "observability",
    "rhttpproxy",
    "envoy",
    "vpostgres",
    "sts",
    "trustmanagement",
    "lookupsvc",
    "certificateauthority",
    "certificatemanagement",
    "cis-license",
    "vpxd-svcs",
    "vpxd",
    "vapi-endpoint",
)
"""vMon's services that others need, in this order [K]; the rest follows, the client last."""

_LAST: Final = "vsphere-ui"
ANSWERS_HERE: Final = "applmgmt"
"""The interface itself, which is never stopped through it."""

_NAME = re.compile(r"[a-z][\w.@-]{0,80}")
_TEXT: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class VamiService:
    """One service. *state* is STARTED, STOPPED, STARTING or STOPPING; *startup* is vMon's
    AUTOMATIC, MANUAL or DISABLED, empty for a unit of systemd. *path* is where it is controlled.
    """

    name: str
    state: str
    startup: str
    path: str


def parse_services(body: bytes, folder: str) -> tuple[VamiService, ...]:
    """Return the services that the answer to a list below *folder* holds, in its order."""
    return tuple(
        VamiService(
            name=name,
            state=_word(fields.get("state")),
            startup=_word(fields.get("startup_type")),
            path=f"{folder}/{name}",
        )
        for name, fields in _pairs(_value(body))
        if _NAME.fullmatch(name)
    )


def _pairs(found: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(found, dict):
        pairs = list(found.items())
    elif isinstance(found, list):
        pairs = [(p.get("key"), p.get("value")) for p in found if isinstance(p, dict)]
    else:
        pairs = []
    for key, value in pairs:
        if isinstance(key, str) and isinstance(value, dict):
            yield key, value


def parse_text(body: bytes, key: str = "") -> str:
    """Return the text that an answer holds, or its field *key*; empty if it is something else."""
    found = _value(body)
    if key:
        found = found.get(key) if isinstance(found, dict) else None
    return shortened(found, _TEXT) if isinstance(found, str) else ""


def parse_health(body: bytes) -> str:
    """Return the colour that a health answer holds, in lower case; empty if it is something else.

    Bare, wrapped in ``value``, or a field ``level`` of an object (appliance.health 6.5 to 8.0).
    """
    colour = (parse_text(body) or parse_text(body, "level")).lower()
    return colour if colour in COLOURS else ""


def parse_error(body: bytes) -> tuple[str, str]:
    """Return the kind of a standard error (``not_found``) and its words; empty if it is none."""
    found = _decoded(body)
    kind = found.get("type") if isinstance(found, dict) else None
    value = found.get("value") if isinstance(found, dict) else None
    messages = value.get("messages") if isinstance(value, dict) else None
    texts = [
        message["default_message"]
        for message in messages or ()
        if isinstance(message, dict) and isinstance(message.get("default_message"), str)
    ]
    name = kind.rpartition(".")[2] if isinstance(kind, str) else ""
    return shortened(name, _TEXT), first_words("; ".join(texts), _TEXT)


def _value(body: bytes) -> Any:
    found = _decoded(body)
    return found["value"] if isinstance(found, dict) and set(found) == {"value"} else found


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _word(value: object) -> str:
    return value if isinstance(value, str) and value.isupper() else ""


def controlled(
    units: Sequence[VamiService], vmon: Sequence[VamiService]
) -> tuple[VamiService, ...]:
    """Return the services that a restart of everything restarts, in the order of their start."""
    known = {unit.name: unit for unit in units}
    base = [known[name] for name in BASE_UNITS if name in known]
    own = [service for service in vmon if bare(service.name) != ANSWERS_HERE]
    return (*base, *sorted(own, key=lambda service: (_rank(service.name), service.name)))


def _rank(name: str) -> int:
    if bare(name) in _STARTED_EARLY:
        return _STARTED_EARLY.index(bare(name))
    return len(_STARTED_EARLY) + (bare(name) == _LAST)


def has_sts(services: Sequence[VamiService]) -> bool:
    """Tell whether the STS is among *services*: a unit before 7.0, one of vMon's since."""
    return any(bare(service.name) in {"sts", "stsd"} for service in services)


def wanted(services: Sequence[VamiService], ran: Collection[str] = ()) -> tuple[VamiService, ...]:
    """Return which of *services* have to run after a restart: what runs, what *ran* before an
    earlier attempt that broke off, what vMon starts by itself, and the units without which nobody
    logs in.
    """
    before = {bare(name) for name in ran}
    return tuple(
        service
        for service in services
        if service.startup != "DISABLED"
        and (
            service.state == "STARTED"
            or bare(service.name) in before
            or service.startup == "AUTOMATIC"
            or (not service.startup and bare(service.name) in CORE)
        )
    )


def status_of(services: Sequence[VamiService]) -> ServiceStatus:
    """Return the states as a listing; what is not told counts as pending."""
    return ServiceStatus(
        running=tuple(s.name for s in services if s.state == "STARTED"),
        stopped=tuple(s.name for s in services if s.state == "STOPPED"),
        pending=tuple(s.name for s in services if s.state not in {"STARTED", "STOPPED"}),
        types={bare(s.name): kind for s in services if (kind := start_type(s.startup))},
    )
