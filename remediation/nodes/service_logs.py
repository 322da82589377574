"""The last errors that services which do not start wrote into their logs: script and parser. Pure.

Bounded: a few services, a few lines of the end of each log, each cut. What looks like a secret in a
line is replaced before it goes anywhere.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stsfix.remediation.nodes.node_logs import logs_of
from stsfix.snapshot.words import CUT, cut_elsewhere, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.nodes.node_logs import LogFile

SERVICES: Final = 6
LINES: Final = 3
LINE: Final = 300
"""Characters of a line that are kept."""

_LINE_BYTES: Final = 1000
_TAIL_BYTES: Final = 1024 * 1024
_TIMEOUT_S: Final = 20
_MARK: Final = "== stsfix-service-log:"
_PATTERN: Final = "ERROR|FATAL|SEVERE|PANIC|CRITICAL|error|fatal|panic|Exception|Failed|failed"
_KEPT: Final = re.compile(r"[^\x20-\x7e\u00a0-\uffff]")

_SECRETS: Final = (
    re.compile(
        r"(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|credential|authorization|cookie|"
        r"session[-_ ]?id|api[-_ ]?key|private[-_ ]?key)\w*[\"']?\s*(?:[=:]|is)\s*[\"']?)"
        r"(?!\*\*\*)(?:(?:basic|bearer)\s+)?[^\s\"',;&<>)\]}]+"
    ),
    re.compile(r"(?i)(\bbasic |\bbearer )[A-Za-z0-9+/=._~-]{8,}"),
    re.compile(r"(://[^\s:/@]+:)[^\s@/]+(?=@)"),
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExcerpt:
    """The last error lines of one log, oldest first. *service* is as service-control lists it."""

    service: str
    path: str
    lines: tuple[str, ...]


def chosen(services: Sequence[str]) -> tuple[tuple[str, LogFile], ...]:
    """Return which log is looked into for which of *services*, each log once."""
    found: dict[str, tuple[str, LogFile]] = {}
    for service in services[:SERVICES]:
        for log in logs_of(service)[:1]:
            found.setdefault(log.path, (service, log))
    return tuple(found.values())


def script(services: Sequence[str], nonce: str) -> str:
    """Return the script that prints the last errors of the logs of *services*.

    *nonce* (letters and digits) is in each mark: a log may hold any other line.
    """
    lines = ["export LC_ALL=C"]
    for number, (_, log) in enumerate(chosen(services)):
        path, pattern = shlex.quote(log.path), shlex.quote(_PATTERN)
        lines.append(f"echo; echo '{_MARK}{nonce} {number}'")
        lines.append(
            f"timeout {_TIMEOUT_S} tail -c {_TAIL_BYTES} -- {path} 2>/dev/null"
            f" | grep -aE -e {pattern} | tail -n {LINES} | cut -b 1-{_LINE_BYTES}"
        )
    lines += [f"echo; echo '{_MARK}{nonce} end'", ""]
    return "\n".join(lines)


def parse(output: str, services: Sequence[str], nonce: str) -> tuple[LogExcerpt, ...]:
    """Return what the *output* of `script` holds; logs without an error are left out."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    mark = f"{_MARK}{nonce} "
    for line in output.split("\n"):
        if line.startswith(mark):
            current = found.setdefault(line.removeprefix(mark).strip(), [])
        elif re.search(_PATTERN, line):  # an answer may be anything
            current.append(line)
    if "end" not in found and current:
        current[-1] += CUT
    excerpts = []
    for number, (service, log) in enumerate(chosen(services)):
        lines = tuple(redacted(line) for line in found.get(str(number), [])[-LINES:])
        if lines:
            excerpts.append(LogExcerpt(service=service, path=log.path, lines=lines))
    return tuple(excerpts)


def redacted(line: str) -> str:
    """Return *line*, printable and cut, with stars in place of what looks like a secret."""
    text = shortened(cut_elsewhere(line, _LINE_BYTES), 4 * LINE)
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return shortened(_KEPT.sub(" ", text), LINE).rstrip()
