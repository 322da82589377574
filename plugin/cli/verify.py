"""``stsfix verify``: prove logins on every node, change nothing."""

from __future__ import annotations

from datetime import timedelta

import click

from stsfix.plugin.cli.session import Session, session_options
from stsfix.plugin.exit_codes import exit_code


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

    Every way in is tried and shown; the exit code is 0 only if all work.
    """
    from stsfix.plugin.render import proof_lines  # noqa: PLC0415
    from stsfix.remediation.errors import ProofError  # noqa: PLC0415
    from stsfix.remediation.sts import leaf_of  # noqa: PLC0415
    from stsfix.remediation.verify import verify_logins  # noqa: PLC0415

    with session.wiring() as wiring:
        nodes = wiring.find_nodes()
        signing = wiring.directory(nodes[0].fqdn).read_sts_entries().signing()
        leaf = leaf_of(signing) if signing is not None else None
        proofs = verify_logins(
            nodes,
            wiring.logins([node.fqdn for node in nodes]),
            expected=frozenset({leaf}) if leaf else None,
            clock=session.clock,
            limit=timedelta(seconds=wait),
            progress=session.progress,
            every=session.settings.timeouts.poll,
        )
    if session.as_json:
        session.output.json({"proofs": proofs})
    else:
        session.show(proof_lines(proofs, width=session.width))
    failed = next((proof for proof in proofs if not proof.ok), None)
    if failed is None:
        return 0
    return exit_code(ProofError(failed.node, failed.way, failed.detail))
