"""One look into a node's logs: one script, bounded, and one tolerant parser. Pure.

Of each log the last `TAIL_BYTES` are searched, so a log of any size costs the same; of each kind
of line the last few are kept, so a flood of one kind hides no other. Nothing is written and
nothing is kept on the node. Lines are other people's text: a password in one would be shown, so
only lines of the kinds in `log_signatures` leave the node.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from stsfix.remediation.diagnosis.log_lines import LocalDate, line_time
from stsfix.remediation.diagnosis.log_signatures import SIGNATURES, Signature
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes.node_logs import LOGS, LogFile
from stsfix.snapshot.words import CUT, cut_elsewhere, shortened

TAIL_BYTES: Final = 4 * 1024 * 1024
LINES_KEPT: Final = 4
LINE_BYTES: Final = 1200
OUTPUT_LIMIT: Final = 512 * 1024
"""More than every section full: what is cut is told."""

RUN_LIMIT: Final = timedelta(seconds=180)
"""Tails of about twenty files, each read some times from the page cache, on a slow appliance."""

_TIMEOUT_S: Final = 20
_MARK: Final = "== stsfix-log:"
_NUMBER: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuote:
    """One line of one log. *text* is as written, cut at `LINE_BYTES`; *written* is what the line
    says of its time; *changed* when the file was written last, by the node's clock.
    """

    path: str
    signature: str
    text: str
    written: LocalDate | None
    changed: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReading:
    """What a node's logs tell. *read* and *missing* are names of logs; what could not be read is
    *unread*. Quotes are in the order of the logs, the oldest line of each kind first.
    """

    quotes: tuple[LogQuote, ...] = ()
    read: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unread: tuple[UnreadPart, ...] = ()

    def of(self, *signatures: str) -> tuple[LogQuote, ...]:
        """Return the quotes of these kinds."""
        return tuple(quote for quote in self.quotes if quote.signature in signatures)


def script(nonce: str) -> str:
    """Return the script; it changes nothing, never stops early and ends within its limits.

    *nonce* (letters and digits) is in each mark between sections: a log may hold any other line.
    """
    mark = f"{_MARK}{nonce} "
    lines = ["export LC_ALL=C"]
    for log in LOGS:
        path = shlex.quote(log.path)
        lines += [f"echo; echo '{mark}file {log.name}'", f"stat -L -c '%s %Y' {path} 2>&1"]
        for signature in SIGNATURES:
            if log.name in signature.logs:
                lines += [f"echo; echo '{mark}lines {log.name} {signature.id}'"]
                lines += [_search(path, signature.pattern)]
    lines += [f"echo; echo '{mark}end'", ""]
    return "\n".join(lines)


def _search(path: str, pattern: str) -> str:
    return (
        f"timeout {_TIMEOUT_S} tail -c {TAIL_BYTES} -- {path} 2>/dev/null"
        f" | grep -aE -e {shlex.quote(pattern)} | tail -n {LINES_KEPT} | cut -b 1-{LINE_BYTES}"
    )


def parse(output: str, nonce: str) -> LogReading:
    """Return what the *output* of `script` tells; any text gives a reading, maybe an empty one."""
    sections = _sections(output, f"{_MARK}{nonce} ")
    quotes: list[LogQuote] = []
    read: list[str] = []
    missing: list[str] = []
    unread: list[UnreadPart] = []
    for log in LOGS:
        state = _state(sections.get(f"file {log.name}"))
        if isinstance(state, str):
            unread.append(UnreadPart(what=log.name, reason=state))
        elif state is None:
            missing.append(log.name)
        else:
            read.append(log.name)
            quotes += _quotes(log, state, sections)
    if "end" not in sections:
        unread.append(UnreadPart(what="the rest of the logs", reason="the answer was cut off"))
    return LogReading(
        quotes=tuple(quotes), read=tuple(read), missing=tuple(missing), unread=tuple(unread)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    changed: datetime | None


def _sections(output: str, mark: str) -> dict[str, list[str]]:
    """Return lines by section; of two with one name the first counts."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in output.split("\n"):
        if line.startswith(mark):
            name = line.removeprefix(mark).strip()
            current = [] if name in found else found.setdefault(name, [])
        elif current is not None and line.strip():
            current.append(shortened(cut_elsewhere(line, LINE_BYTES), LINE_BYTES))
    if "end" not in found and current:
        current[-1] += CUT
    return found


def _state(lines: list[str] | None) -> _File | str | None:
    """Return what stat said of a file: None if it is not there, a sentence if it is unknown."""
    if lines is None:
        return "the node's answer has no section for it"
    said = " ".join(" ".join(lines).split())
    match = re.fullmatch(rf"[0-9]{{1,{_NUMBER}}} (-?[0-9]{{1,{_NUMBER}}})", said)
    if match is not None:
        return _File(changed=_moment(int(match[1])))
    if "No such file" in said or "Not a directory" in said:
        return None
    printable = shortened("".join(c if c.isprintable() else "?" for c in said), 120)
    return f"the node said {printable!r}" if printable else "the node said nothing"


def _moment(seconds: int) -> datetime | None:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _quotes(log: LogFile, file: _File, sections: dict[str, list[str]]) -> list[LogQuote]:
    """Only lines that hold what they were searched for: an answer may be anything. A line of two
    kinds is of the first: the kinds are sorted by how much they tell.
    """
    return [
        LogQuote(
            path=log.path,
            signature=signature.id,
            text=line,
            written=line_time(line),
            changed=file.changed,
        )
        for signature in SIGNATURES
        if log.name in signature.logs
        for line in sections.get(f"lines {log.name} {signature.id}", [])[-LINES_KEPT:]
        if _kind(log.name, line) is signature
    ]


def _kind(log: str, line: str) -> Signature | None:
    fitting = (s for s in SIGNATURES if log in s.logs and re.search(s.pattern, line))
    return next(fitting, None)
