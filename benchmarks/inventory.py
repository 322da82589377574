"""How long the inventory of a large estate takes, in what memory, with how many calls.

    .venv/bin/python benchmarks/inventory.py [--hosts 64] [--vms 1000] [--nodes 10] [--rounds 3]

The estate runs in a process of its own; each round is a fresh process. See README.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = Path(__file__).parent
LIMIT_S, LIMIT_MIB = 5.0, 200.0
NAIVE_VMS = 50


@contextmanager
def estate(folder: str, args: argparse.Namespace) -> Generator[subprocess.Popen[str]]:
    """Run the estate until the block ends."""
    counts = [f"--{name}={getattr(args, name)}" for name in ("hosts", "vms", "nodes")]
    process = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, str(HERE / "estate.py"), folder, *counts],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise SystemExit("the estate did not start")
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(timeout=60)


def calls(process: subprocess.Popen[str]) -> dict[str, int]:
    """Return the calls of each host so far."""
    if process.stdin is None or process.stdout is None:
        raise TypeError("no pipes")
    process.stdin.write("calls\n")
    process.stdin.flush()
    found: dict[str, int] = json.loads(process.stdout.readline())
    return found


def measure(folder: str, *more: str) -> dict[str, Any]:
    """Run `look` in a fresh process."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(HERE / "look.py"), f"{folder}/domain.toml", *more],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print one JSON line a round, then the naive way; exit code 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("hosts", 64), ("vms", 1000), ("nodes", 10), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, estate(folder, args) as process:
        measure(folder)  # the estate computes its answers
        best: dict[str, Any] = {}
        for _ in range(args.rounds):
            before = calls(process)
            found = measure(folder)
            after = calls(process)
            found["calls_without_nodes"] = sorted(
                {after[n] - before[n] for n in after if n.endswith(".estate.example")}
            )
            print(json.dumps(found))  # noqa: T201 - the result
            best = min(best or found, found, key=lambda f: float(f["inventory_s"]))
        naive = measure(folder, f"--naive={NAIVE_VMS}")
        whole = naive["naive_s"] / NAIVE_VMS * args.vms * args.hosts
        print(json.dumps(naive | {"extrapolated_s_one_after_the_other": whole}))  # noqa: T201 - same
    return int(best["inventory_s"] > LIMIT_S or best["peak_mib"] > LIMIT_MIB)


if __name__ == "__main__":
    sys.exit(main())
