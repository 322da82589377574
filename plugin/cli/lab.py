"""``stsfix lab up | down | status | scenarios``: a lab that stays up in the background."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stsfix.plugin.cli.rehearse import lab_options

if TYPE_CHECKING:
    from stsfix.lab.control import LabNotRunningError

START_LIMIT_S = 120.0


@click.group()
def lab() -> None:
    """The embedded lab: an SSO domain on loopback, made to be broken and repaired."""


_FOLDER = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("lab-state"),
    show_default=True,
    help="Where the lab keeps its files.",
)


@lab.command(short_help="Start a lab in the background.")
@_FOLDER
@lab_options
@click.option(
    "--passwords",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the passwords from this file (as a secrets file) [default: from the seed].",
)
@click.option("--first-port", type=click.IntRange(1024, 65000), help="First of 100 ports.")
def up(
    *,
    folder: Path,
    topology: str,
    scenario: str,
    speed: float,
    seed: int,
    passwords: Path | None,
    first_port: int | None,
) -> int:
    """Start a lab, write its domain.toml and secrets, and print the next command."""
    from stsfix.lab.control import is_alive
    from stsfix.plugin.hardening import harden
    from stsfix.remediation.state_folder import intruders

    harden()  # the lab's files are for their owner, too
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if reason := intruders(folder):  # a link in it would be written through
        click.echo(f"{folder} is no place for a lab: {reason}", err=True)
        return 1
    if is_alive(folder):
        click.echo(f"a lab is already up in {folder}\n  -> {_command('down', folder)}", err=True)
        return 1
    words = ["--dir", str(folder), "--topology", topology, "--scenario", scenario]
    words += ["--speed", str(speed), "--seed", str(seed)]
    words += ["--passwords", str(passwords)] if passwords else []
    words += ["--first-port", str(first_port)] if first_port else []
    # It stays up for long: passwords of real domains have no place in its environment.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STSFIX_")}
    with (folder / "lab.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "stsfix.lab", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    if not _await_up(process, folder):
        click.echo((folder / "lab.log").read_text(errors="replace").strip(), err=True)
        click.echo("the lab did not come up", err=True)
        return 1
    click.echo(f"{topology} lab up in {folder} (scenario {scenario}, process {process.pid})")
    words = ["stsfix", "preflight", "-c", str(folder / "domain.toml")]
    words += ["--state-dir", str(folder / "state")]
    click.echo(f"next: {shlex.join(words)}")
    return 0


@lab.command(short_help="List what can be wrong in a lab.")
@click.argument("word", default="")
def scenarios(*, word: str) -> int:
    """List the scenarios, with what is special in each; with WORD those that it occurs in."""
    from stsfix.lab.scenario import SCENARIOS

    found = {
        name: scenario.text
        for name, scenario in SCENARIOS.items()
        if word.lower() in f"{name} {scenario.text}".lower()
    }
    for name, text in found.items():
        click.echo(f"{name:<32}  {text}")
    if not found:
        click.echo(f"no scenario has to do with {word!r}", err=True)
    return 0 if found else 1


def _command(name: str, folder: Path) -> str:
    return shlex.join(["stsfix", "lab", name, "--dir", str(folder)])


def _await_up(process: subprocess.Popen[bytes], folder: Path) -> bool:
    from stsfix.lab.control import is_alive

    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if is_alive(folder) and (folder / "domain.toml").exists():
            return True
        time.sleep(0.1)
    return False


def _not_running(error: LabNotRunningError) -> int:
    words = shlex.quote(str(error.folder))
    click.echo(f"{error}\n  -> Start one: stsfix lab up --dir {words}", err=True)
    click.echo("  -> Or name the folder of one that runs with --dir", err=True)
    return 1


@lab.command()
@_FOLDER
def down(*, folder: Path) -> int:
    """Stop the lab; its files stay."""
    from stsfix.lab.control import LabNotRunningError, is_alive, request

    try:
        request(folder, "quit")
    except LabNotRunningError as error:
        return _not_running(error)
    deadline = time.monotonic() + START_LIMIT_S
    while is_alive(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    click.echo(f"lab in {folder} is down")
    return 0


@lab.command()
@_FOLDER
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(*, folder: Path, as_json: bool) -> int:
    """Show power, services and hosts of the lab."""
    from stsfix.lab.control import LabNotRunningError, request
    from stsfix.plugin.output import Output

    try:
        answer = request(folder, "status")
    except LabNotRunningError as error:
        return _not_running(error)
    output = Output(sys.stdout, sys.stderr, os.environ)
    if as_json:
        output.json(answer)
        return 0
    output.line(f"{answer['topology']}, {answer['scenario']}, speed {answer['speed']:g}")
    for fqdn, node in answer["nodes"].items():
        stopped = ", ".join(node["stopped"]) or "none"
        output.line(f"{fqdn}  {node['role']}  {node['power']}  on {node['host']}")
        output.line(f"    {len(node['running'])} services run; stopped: {stopped}")
    return 0
