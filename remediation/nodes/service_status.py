"""What ``service-control`` says: listings and failures. Pure.

Source: output formats of 6.5-8.0 are in peers.md (d), from public logs. Nothing of it is documented
by VMware.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.service_names import bare
from stsfix.remediation.ports import ServiceReport
from stsfix.snapshot.words import first_words, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.service_expectation import Expectation
    from stsfix.remediation.nodes.start_types import StartType

STATUS: Final = "service-control --status --all"
UNNAMED: Final = "a service that is not named"
"""Stands for one of which nothing tells the name."""

STOPPED_LINE: Final = "stsfix: what runs after the stop"
STARTING_LINE: Final = "stsfix: now everything is started"
"""What a restart prints before and after the listing in its middle."""

SAID: Final = 300
"""Characters of a failure's own words that are kept."""

_PENDING = frozenset({"StartPending", "StopPending"})
_HEADER = re.compile(r"^\s*(Running|Stopped|StartPending|StopPending|[A-Z]\w*)\s*:\s*(.*)$")
_NAME = re.compile(r"^[a-z][\w.@-]*$")
_NAMES: Final[Mapping[Platform, re.Pattern[str]]] = MappingProxyType(
    {Platform.APPLIANCE: _NAME, Platform.WINDOWS: re.compile(r"^[A-Za-z][\w-]*$")}
)
_DISPLAY_NAME = re.compile(r"\([^()]*\)")
_EXECUTING = re.compile(r"Error executing (start|stop) on service ([\w.@-]+?)\.(?=\s|$)\s*")
_FAILED = re.compile(r"Service-control failed\. Error:?\s*")
_OF_A_PROFILE = re.compile(r"Failed to (?:start|stop) ([\w.@, -]{1,400}?) services?\b")
_DETAILS = re.compile(r"Details:?\s*")
_MOST: Final = 20
_LOOKED_AT: Final = 300
_DETAIL: Final = 16 * 1024
_WORDING: Final = 1000
"""Failures that are looked at, and characters behind each: of its JSON, of its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """What one listing says. *pending* is every other state than running and stopped. *types* is
    how services are started, by `bare` name, as far as that was asked and told.
    """

    running: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    types: Mapping[str, StartType] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True if no service was listed at all: the output was something else."""
        return not (self.running or self.stopped or self.pending)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFailure:
    """A service that service-control could not start or stop; *said* are its words, on one line.

    *service* is empty if it does not say which.
    """

    service: str
    said: str


def parse_status(text: str, platform: Platform = Platform.APPLIANCE) -> ServiceStatus:
    """Read the groups of ``service-control --status --all``, in any order.

    A header is followed by names on its own or the next lines; 6.x may print display names in
    brackets [K]. Lines before the first header and lines that hold other things than names end
    the group they are in: they are warnings or other commands' output.
    """
    groups: dict[str, list[str]] = {}
    group = ""
    for line in text.splitlines():
        header = _HEADER.match(line)
        names = _DISPLAY_NAME.sub(" ", header.group(2) if header else line).split()
        if header:
            group = header.group(1)
        if not all(_NAMES[platform].match(name) for name in names):
            group = ""
        elif group:
            groups.setdefault(group, []).extend(names)
    pending = [name for key in groups if key in _PENDING for name in groups[key]]
    return ServiceStatus(
        running=_unique(groups.get("Running", [])),
        stopped=_unique(groups.get("Stopped", [])),
        pending=_unique(pending),
    )


def _unique(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def parse_failures(text: str) -> tuple[ServiceFailure, ...]:
    """Return what failed by the words of ``service-control --start`` or ``--stop``.

    Each service once, by its first words that say more than its name. The exit code says nothing
    of the services: they may come up by themselves minutes later (peers.md c13).
    """
    found: dict[str, str] = {}
    for service, said, _ in _failures(text):
        if not found.get(service):
            found[service] = first_words(said, SAID)
    if len(found) > 1:
        found.pop("", None)
    return tuple(ServiceFailure(service=s, said=w) for s, w in list(found.items())[:_MOST])


def parse_unstopped(text: str) -> tuple[str, ...]:
    """Return the services that service-control could not stop by its words, `UNNAMED` for one that
    it does not name; each once.
    """
    found = [name or UNNAMED for name, _, stopping in _failures(text) if stopping]
    named = {bare(name): name for name in reversed(found)}
    if len(named) > 1:
        named.pop(UNNAMED, None)
    return tuple(reversed(named.values()))[:_MOST]


def parse_kept(text: str, platform: Platform = Platform.APPLIANCE) -> tuple[str, ...] | None:
    """Return what ran on after the stop, by the listing that a restart's *text* has between
    `STOPPED_LINE` and `STARTING_LINE`; None if there is none.
    """
    lines = [line.rstrip() for line in text.splitlines()]
    if STOPPED_LINE not in lines or STARTING_LINE not in lines:
        return None
    listing = lines[lines.index(STOPPED_LINE) + 1 : lines.index(STARTING_LINE)]
    status = parse_status("\n".join(listing), platform)
    return None if status.is_empty else status.running


def _failures(text: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the service of each failure, empty if it is not named, what is said of it, and whether
    it could not be stopped.
    """
    for match in itertools.islice(_EXECUTING.finditer(text), _LOOKED_AT):
        rest = text[match.end() : match.end() + _DETAIL]
        details = _DETAILS.match(rest)
        decoded = _decoded(rest[details.end() :]) if details else None
        said = _localized(decoded) if decoded is not None else ""
        yield match[2], said, match[1] == "stop"
    for match in itertools.islice(_FAILED.finditer(text), _LOOKED_AT):
        rest = text[match.end() : match.end() + _DETAIL]
        decoded = _decoded(rest)
        if decoded is not None:
            stopping = str(_detail(decoded).get("id", "")).endswith("failstop")
            yield _argument(decoded), _localized(decoded), stopping
            continue
        line = shortened(rest.partition("\n")[0], _WORDING)
        for name in _named(line) or ("",):
            yield name, line, "Failed to stop" in line


def _named(line: str) -> list[str]:
    """Return the services that "Failed to stop a, b services in profile ALL" names."""
    profile = _OF_A_PROFILE.findall(line)
    names = [name for part in profile for name in re.split(r"[\s,]+", part) if name]
    return [name for name in names if _NAME.match(name) and name not in _WORDS]


_WORDS: Final = frozenset({"services", "service", "in", "profile", "and", "the"})


def _decoded(text: str) -> dict[str, Any] | None:
    """Return the JSON object that *text* begins with, None if it begins with none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _detail(found: dict[str, Any]) -> dict[str, Any]:
    details = found.get("detail")
    first = details[0] if isinstance(details, list) and details else {}
    return first if isinstance(first, dict) else {}


def _localized(found: dict[str, Any]) -> str:
    said = _detail(found).get("localized") or _detail(found).get("translatable") or ""
    return said if isinstance(said, str) else ""


def _argument(found: dict[str, Any]) -> str:
    """Return args[0], which is the service (``install.ciscommon.service.failstart``)."""
    arguments = _detail(found).get("args")
    first = arguments[0] if isinstance(arguments, list) and arguments else ""
    return first if isinstance(first, str) and _NAME.match(first) else ""


def report(
    node: NodePlan,
    status: ServiceStatus,
    expected: Expectation | None = None,
    *,
    kept: tuple[str, ...] = (),
) -> ServiceReport:
    """Return *status* as the report of *node*; what is pending counts as stopped. After a restart
    of which this was *expected*, what runs and did not run before has come up; *kept* could not be
    stopped for it.
    """
    came = () if expected is None else (n for n in status.running if not expected.ran(n))
    return ServiceReport(
        node=node.fqdn,
        running=status.running,
        stopped=(*status.stopped, *status.pending),
        started=tuple(came),
        left=() if expected is None else expected.absent(status).left,
        pending=status.pending,
        kept=kept,
    )
