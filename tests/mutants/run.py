"""Seeds known mistakes into a copy of the tree, one at a time, and reports whether tests see them.

Run it with ``make mutants``; the tree it is started from is read once, at the start. Words after
the script's name choose the mutants in whose name or file one of them stands. A mutant that
survives, whose place in the code is not there any more, or whose tests fail without it, fails the
run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from all_mutants import MUTANTS, ROOT
from mutant import MisplacedError, mutated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mutant import Mutant

COPIED = (".dev", "snapshot", "remediation", "plugin", "lab", "tests", "pyproject.toml")
LIMIT_S = 300
WHOLE_LIMIT_S = 1500
"""Seconds for the tests of one mutant, and for half of all of them."""

_WORKERS = 2
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
"""Where sshd is, too."""

_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


def copy_tree(source: Path, target: Path) -> None:
    """Copy what tests need into *target*: symbolic links as such, and what Python compiled."""
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, symlinks=True)
        else:
            shutil.copy2(source / name, target / name)


def failing(tree: Path, tests: Sequence[str], *, first: bool = True) -> tuple[str, ...]:
    """Return the *first* of *tests* that fails in *tree*, or all of them; a hang is no pass."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-n", "0"]
    command += ["-p", "no:cacheprovider", "--timeout", "60", "--tb=no", "-rfE", *tests]
    command += ["-x"] if first else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".dev", "tests/support"])}
    try:
        ended = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S if first else WHOLE_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ("a test that hangs",)
    if ended.returncode == 0:
        return ()
    named = tuple(_FAILED.findall(ended.stdout))
    return named or (f"no test, pytest ended with {ended.returncode}",)


def judge(mutant: Mutant, pristine: Path) -> tuple[str, str]:
    """Return what became of *mutant* in a copy of *pristine*, and by which test."""
    with tempfile.TemporaryDirectory(prefix="stsfix-mutant-") as folder:
        tree = Path(folder)
        copy_tree(pristine, tree)
        path = tree / mutant.file
        try:
            path.write_text(mutated(mutant, path.read_text("utf-8")), "utf-8")
        except (MisplacedError, FileNotFoundError) as error:
            return "MISPLACED", str(error)
        failed = failing(tree, mutant.tests)
    if not failed:
        return "SURVIVED", " ".join(mutant.tests)
    return ("NO TEST" if failed[0].startswith("no test") else "killed"), failed[0]


def reported(mutant: Mutant, pristine: Path) -> str:
    """Return what became of *mutant*, once it was printed with the seconds that it took."""
    begun = time.monotonic()
    outcome, by = judge(mutant, pristine)
    took = time.monotonic() - begun
    sys.stdout.write(f"{outcome:9} {took:4.0f} s  {mutant.name}\n{'':18}{by}\n")
    sys.stdout.flush()
    return outcome


def broken(chosen: Sequence[Mutant], pristine: Path) -> tuple[str, ...]:
    """Return which tests of *chosen* fail without any of them; each is printed."""
    every = tuple(sorted({test for mutant in chosen for test in mutant.tests}))
    halves = [half for half in (every[::2], every[1::2]) if half]
    with ThreadPoolExecutor(_WORKERS) as pool:
        found = pool.map(partial(failing, pristine, first=False), halves)
        failed = tuple(name for half in found for name in half)
    for name in failed:
        sys.stdout.write(f"BROKEN without any mutant: {name}\n")
    sys.stdout.flush()
    return failed


def main() -> int:
    """Judge every mutant, or those that are asked for; 0 if all were killed."""
    begun = time.monotonic()
    words = sys.argv[1:]
    chosen = [m for m in MUTANTS if not words or any(w in f"{m.name} {m.file}" for w in words)]
    if not chosen:
        sys.stdout.write(f"no mutant's name or file has any of: {', '.join(words)}\n")
        return 1
    missing = {m.needs for m in chosen if m.needs and shutil.which(m.needs, path=_PATH) is None}
    if missing:
        sys.stdout.write(f"not judged: mutants that need {', '.join(sorted(missing))}\n")
    chosen = [m for m in chosen if m.needs not in missing]
    with tempfile.TemporaryDirectory(prefix="stsfix-pristine-") as folder:
        pristine = Path(folder)
        copy_tree(ROOT, pristine)
        failed = broken(chosen, pristine)
        judged = [m for m in chosen if not any(f.startswith(m.tests) for f in failed)]
        with ThreadPoolExecutor(_WORKERS) as pool:
            outcomes = list(pool.map(partial(reported, pristine=pristine), judged))
    killed = outcomes.count("killed")
    minutes = (time.monotonic() - begun) / 60
    sys.stdout.write(f"{killed} of {len(chosen)} mutants killed in {minutes:.1f} minutes\n")
    return 0 if killed == len(chosen) and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
