"""Runs a lab in the foreground: ``python -m stsfix.lab --dir DIR``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stsfix.lab.control import STATE_FILE, ControlServer, is_alive
from stsfix.lab.lab import Lab
from stsfix.lab.ports import BLOCK
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.topology import TOPOLOGIES

if TYPE_CHECKING:
    from collections.abc import Sequence

REFUSED = 3
"""Exit code when another lab lives in the folder."""

LOG_FILE = "lab.log"
"""What the lab's servers say; the passwords of the lab are in none of it."""

_POLL_S = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a lab until SIGTERM, SIGINT or the command quit; return the exit code."""
    options = _parser().parse_args(arguments)
    folder: Path = options.dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_alive(folder):
        sys.stderr.write(f"a lab runs in {folder} already; stsfix lab down stops it\n")
        return REFUSED
    logging.basicConfig(
        filename=folder / LOG_FILE, level=logging.INFO, format="%(asctime)s %(name)s %(message)s"
    )
    lab = Lab.build(
        options.topology,
        options.scenario,
        speed=options.speed,
        seed=options.seed,
        passwords=options.passwords,
        first_port=options.first_port,
    )
    control = ControlServer(lab, folder)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: control.quit_asked.set())
    try:
        _run(lab, control, folder)
    finally:
        control.stop()
        lab.stop()
        (folder / STATE_FILE).unlink(missing_ok=True)
    return 0


def _run(lab: Lab, control: ControlServer, folder: Path) -> None:
    lab.start()
    config = lab.write_config(folder)
    control.start()
    _write_state(folder, lab, control)
    sys.stdout.write(f"ready: {lab.topology.name}, {lab.scenario.name}, {config}\n")
    sys.stdout.flush()
    # A short wait in a loop: a signal handler runs only between two waits on every platform.
    while not control.quit_asked.wait(_POLL_S):
        pass


def _write_state(folder: Path, lab: Lab, control: ControlServer) -> None:
    state: dict[str, Any] = {
        "pid": os.getpid(),
        "control": str(control.path),
        "topology": lab.topology.name,
        "scenario": lab.scenario.name,
        "speed": lab.clock.speed,
        "hosts": {name: host.port for name, host in lab.hosts.items()},
        "nodes": {fqdn: asdict(ports) for fqdn, ports in lab.network.ports.items()},
    }
    # Renamed into place: whoever sees the file sees all of it.
    new = folder / f"{STATE_FILE}.new"
    new.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    new.replace(folder / STATE_FILE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stsfix.lab", description="Run the stsfix lab in the foreground."
    )
    parser.add_argument("--dir", type=Path, required=True, help="where domain.toml goes")
    parser.add_argument("--topology", choices=sorted(TOPOLOGIES), default="elm")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="expired")
    parser.add_argument("--speed", type=float, default=120.0, help="field seconds a second")
    parser.add_argument("--seed", type=int, default=1, help="names, UUIDs, passwords")
    parser.add_argument("--passwords", type=Path, help="TOML: sso, [esxi], [nodes], as secrets")
    parser.add_argument("--first-port", type=int, help=f"first of {BLOCK} ports on 127.0.0.1")
    return parser


if __name__ == "__main__":
    sys.exit(main())
