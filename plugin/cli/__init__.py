"""The command line. Only click is imported here: each command's module is loaded when called."""

from __future__ import annotations

import importlib
import sys

import click

_COMMANDS = {
    "diagnose": "why nobody can log in; changes nothing",
    "preflight": "inventory and findings; changes nothing",
    "run": "preflight, snapshot, fix, restart, verify",
    "resume": "continue a run that stopped or died",
    "rollback": "take a run back by reverting every node's snapshot",
    "release": "delete the run's snapshots; ends the possibility of rollback",
    "export": "the STS entries a run saved: show, restore",
    "verify": "prove logins on every node, change nothing",
    "certs": "every certificate of the domain with its expiry",
    "runs": "list runs",
    "status": "one run in full",
    "lab": "the embedded lab: up, down, status, scenarios",
    "rehearse": "the whole procedure against the embedded lab",
}
_MODULES = {
    "diagnose": "diagnose",
    "preflight": "preflight",
    "run": "run",
    "resume": "run",
    "rollback": "run",
    "release": "run",
    "export": "export",
    "verify": "verify",
    "certs": "certs",
    "runs": "status",
    "status": "status",
    "lab": "lab",
    "rehearse": "rehearse",
}


class LazyGroup(click.Group):
    """Knows its commands' names and one line of help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order one uses them."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of *cmd_name* and return the command in it."""
        del ctx
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(f"stsfix.plugin.cli.{_MODULES[cmd_name]}")
        command = getattr(module, cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return what *args* name; a name that is none is told with the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stsfix")
def cli() -> None:
    """Repair the expired STS signing certificate of a vCenter SSO domain, for the whole
    domain at once, with a way back.

    Begin with `stsfix rehearse` (no vCenter needed), then `stsfix preflight`.
    """


def main() -> None:
    """Run the command line and exit with the code of docs/exit-codes.md."""
    sys.exit(run_cli(sys.argv[1:]))


def run_cli(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        result = cli.main(args=arguments, prog_name="stsfix", standalone_mode=False, obj=arguments)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return _USAGE
    except click.Abort:
        return _INTERRUPTED
    return result if isinstance(result, int) else 0


_USAGE = 64
_INTERRUPTED = 130
