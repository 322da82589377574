"""Audits the installed dependencies with pip-audit; says what was not audited.

Ends with 1 only if a known vulnerability was found: where the advisories cannot be had (no network
but a package index), that is said and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys

LIMIT_S = 180
OWN = "stsfix"


def main() -> int:
    """Run pip-audit and print one line for each finding, and one in all."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    try:
        ended = subprocess.run(
            [*command, "--timeout", "15", "--local"],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        audited = [e for e in json.loads(ended.stdout)["dependencies"] if e["name"] != OWN]
    except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
        say(f"audit: not done, the advisories cannot be had here ({type(error).__name__})")
        return 0
    found = [entry for entry in audited if entry.get("vulns")]
    for entry in found:
        for advisory in entry["vulns"]:
            fixed = ", ".join(advisory["fix_versions"]) or "none yet"
            say(f"audit: {entry['name']} {entry['version']}: {advisory['id']}, fixed in {fixed}")
    skipped = sum("skip_reason" in entry for entry in audited)
    checked = len(audited) - skipped
    if not checked:
        say("audit: not done, the advisories cannot be had here (every dependency was skipped)")
        return 0
    text = f"; {skipped} could not be audited" if skipped else ""
    say(f"audit: {checked} dependencies, {len(found)} with known vulnerabilities{text}")
    return 1 if found else 0


def say(text: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
