"""``stsfix verify``: prove logins on every node, change nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from stsfix.plugin.cli.session import Session, report_error, session_options

if TYPE_CHECKING:
    from stsfix.remediation.ports import Progress


@click.command()
@click.option(
    "--wait",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="Go on trying what fails for so long.",
)
@session_options
def verify(session: Session, *, wait: int) -> int:
    """Get a token from every STS, check its signature, and log in to every vCenter.

    Every way in is tried and shown. Exit code 0: logins work on every node. 51: a way in fails,
    which before a repair is to be expected.
    """
    from stsfix.plugin.sources import find_nodes
    from stsfix.plugin.terminal.runs import proof_lines
    from stsfix.remediation.directory.sts import leaf_of
    from stsfix.remediation.errors import ProofError
    from stsfix.remediation.logins.proofs import fatal
    from stsfix.remediation.logins.verify import verify_logins

    with session.wiring() as wiring:
        nodes = find_nodes(wiring)
        signing = wiring.directory(nodes[0].fqdn).read_sts_entries().signing()
        leaf = leaf_of(signing) if signing is not None else None
        proofs = verify_logins(
            nodes,
            wiring.logins([node.fqdn for node in nodes]),
            expected=frozenset({leaf}) if leaf else None,
            clock=session.clock,
            limit=timedelta(seconds=wait),
            progress=lambda event: session.progress(_short(event)),
            every=session.settings.timeouts.poll,
        )
    failed = fatal(proofs)
    facts = {"ok": not failed, "failed": failed, "proofs": proofs}
    if not session.as_json:
        session.show(proof_lines(session.cleared(proofs), width=session.width))
    elif not failed:
        session.output.json({"exit_code": 0, **facts})
    if not failed:
        preflight = session.context.command("preflight")
        session.say(f"Logins are all that was proven. Which services run: {preflight}")
        return 0
    first = failed[0]
    return report_error(session, ProofError(first.node, first.way, first.detail), **facts)


def _short(event: Progress) -> Progress:
    """Return *event* without the details, which standard output has at the end."""
    return replace(event, text=event.text.partition(":")[0] + " tried")
