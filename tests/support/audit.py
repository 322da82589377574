"""Audits the installed dependencies with pip-audit; says what was not audited, and why.

First it asks for a version that is known to be vulnerable. An index that knows nothing of it has no
advisories, and one that cannot be reached has none for us: "not done" is said, and is no failure.
Everything else that is no result is one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LIMIT_S: Final = 180
OWN: Final = "stsfix"
KNOWN: Final = "requests==2.19.1"
"""Its CVE-2018-18074 is of 2018: no index forgets it."""

_NOT_REACHED: Final = re.compile(
    r"^requests\.exceptions\.(?:ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError):"
    r"|Could not connect to PyPI|PyPI is not redirecting|your network may be blocking",
    re.MULTILINE,
)
"""What pip-audit 2.10 ends with if it could not ask (``_cli.py``, ``_service/pypi.py``)."""
_SHOWN: Final = 200
"""Characters of its last line that are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How pip-audit ended; *code* is None if it was stopped after `LIMIT_S`."""

    code: int | None
    out: str = ""
    err: str = ""


class NotDoneError(Exception):
    """No advisories are to be had here."""


class BrokenError(Exception):
    """pip-audit did not work."""


def dependencies(ended: Ended) -> list[dict[str, Any]]:
    """Return what pip-audit says of each dependency but ours.

    Raises:
        NotDoneError: It could not reach the index.
        BrokenError: It gave no result for another reason.
    """
    lines = [line for line in ended.err.splitlines() if line.strip()]
    last = lines[-1][:_SHOWN] if lines else "it said nothing"
    try:
        found = list(json.loads(ended.out)["dependencies"])
    except (ValueError, LookupError, TypeError):
        if _NOT_REACHED.search(ended.err):
            raise NotDoneError(f"the index was not reached ({last})") from None
        raise BrokenError(f"pip-audit ended with {ended.code}: {last}") from None
    if ended.code != int(any(entry.get("vulns") for entry in found)):
        raise BrokenError(f"pip-audit ended with {ended.code}: {last}")
    return [entry for entry in found if entry["name"] != OWN]


def require_advisories(ended: Ended) -> None:
    """Return if the answer about `KNOWN` has an advisory.

    Raises:
        NotDoneError: It has none, so the index has none of anything.
        BrokenError: pip-audit did not work.
    """
    if not any(entry.get("vulns") for entry in dependencies(ended)):
        raise NotDoneError(f"the index knows no advisory of {KNOWN}, of which there are some")


def findings(ended: Ended) -> tuple[list[str], bool]:
    """Return one line for each advisory and one in all, and whether there is any advisory.

    Raises:
        NotDoneError: The index was not reached.
        BrokenError: pip-audit did not work, or audited nothing.
    """
    audited = dependencies(ended)
    skipped = [entry["name"] for entry in audited if "skip_reason" in entry]
    found = [entry for entry in audited if entry.get("vulns")]
    lines = [
        f"{entry['name']} {entry['version']}: {advisory['id']},"
        f" fixed in {', '.join(advisory['fix_versions']) or 'none yet'}"
        for entry in found
        for advisory in entry["vulns"]
    ]
    checked = len(audited) - len(skipped)
    if not checked:
        raise BrokenError("every dependency was skipped by an index that has advisories")
    text = f"; not audited: {', '.join(skipped)}" if skipped else ""
    total = f"{checked} dependencies, {len(found)} with known vulnerabilities{text}"
    return [*lines, total], bool(found)


def main() -> int:
    """Audit; 1 if there is a known vulnerability, or no result for no good reason."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            known = Path(folder) / "known.txt"
            known.write_text(f"{KNOWN}\n", "ascii")
            require_advisories(_run("--no-deps", "--disable-pip", "-r", str(known)))
        lines, is_vulnerable = findings(_run("--local"))
    except NotDoneError as error:
        say(f"audit: not done, {error}")
        return 0
    except BrokenError as error:
        say(f"audit: {error}")
        return 1
    for line in lines:
        say(f"audit: {line}")
    return int(is_vulnerable)


def _run(*words: str) -> Ended:
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    try:
        ended = subprocess.run(
            [*command, "--timeout", "15", *words],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ended(code=None, err=f"stopped after {LIMIT_S} s")
    return Ended(code=ended.returncode, out=ended.stdout, err=ended.stderr)


def say(text: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
