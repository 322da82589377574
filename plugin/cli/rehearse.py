"""``stsfix rehearse``: the whole procedure against the embedded lab; touches nothing else."""

from __future__ import annotations

import difflib
import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")
_MARKS = {
    "act": ("\n== ", "bold"),
    "command": ("$ ", "bold cyan"),
    "output": ("    ", "dim"),
    "held": ("ok  ", "green"),
    "failed": ("NOT TRUE  ", "bold red"),
}


class Near(click.Choice[str]):
    """A choice from a list too long to be printed: a wrong word gets the nearest ones."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return *value* if it is one of the list."""
        if value not in self.choices:
            near = difflib.get_close_matches(value, self.choices, n=3)
            near = near or [name for name in self.choices if value and value in name][:3]
            meant = f"did you mean {', '.join(near)}? " if near else ""
            text = f"there is no {value!r}; {meant}All of them: stsfix lab scenarios"
            self.fail(text, param, ctx)
        return value


def lab_options(function: F) -> F:
    """Give a command the options that describe a lab."""
    from stsfix.lab.scenario import SCENARIOS
    from stsfix.lab.topology import TOPOLOGIES

    scenarios = Near(list(SCENARIOS))
    options = (
        click.option(
            "--topology", type=click.Choice(list(TOPOLOGIES)), default="elm", show_default=True
        ),
        click.option(
            "--scenario",
            type=scenarios,
            metavar="NAME",
            default="expired",
            show_default=True,
            help="What is wrong in it; `stsfix lab scenarios` lists them.",
        ),
        click.option(
            "--speed",
            type=click.FloatRange(min=1, max=100_000),
            metavar="N",
            default=120.0,
            show_default=True,
            help="Seconds of the field that pass in one second.",
        ),
        click.option(
            "--seed",
            type=int,
            default=1,
            show_default=True,
            help="Identifiers and passwords follow from it.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@lab_options
@click.option("-q", "--quiet", is_flag=True, help="Leave out what the commands print.")
@click.option("--json", "as_json", is_flag=True, help="The claims as JSON on standard output.")
def rehearse(
    *, topology: str, scenario: str, speed: float, seed: int, quiet: bool, as_json: bool
) -> int:
    """Rehearse on a lab of this machine: refused logins, run, deliberate failure, rollback,
    run again, release. Exit code 0 only if every claim held.
    """
    from stsfix.plugin.output import Output
    from stsfix.plugin.rehearsal.procedure import Rehearsal

    output = Output(sys.stdout, sys.stderr, os.environ)

    def tell(kind: str, text: str) -> None:
        if quiet and kind == "output":
            return
        mark, style = _MARKS[kind]
        if as_json:
            output.note(mark + text)
        elif sys.stdout.isatty():
            from rich.text import Text

            output.drawn(Text(mark + text, style=style))
        else:
            output.line(mark + text)

    rehearsal = Rehearsal(topology=topology, scenario=scenario, speed=speed, seed=seed, tell=tell)
    held = rehearsal.perform()
    if as_json:
        output.json({"held": held, "claims": rehearsal.claims})
    return 0 if held else 1
