"""``stsfix certs``: every certificate of the domain with its expiry; changes nothing."""

from __future__ import annotations

from datetime import timedelta

import click

from stsfix.plugin.cli.session import Session, session_options


@click.command()
@click.option("--expired", "by_expiry", is_flag=True, help="The expired first, whatever node.")
@click.option(
    "--soon",
    "soon_days",
    type=click.IntRange(0, 3650),
    default=30,
    show_default=True,
    metavar="DAYS",
    help="From how many days before its end a certificate ends soon.",
)
@session_options
def certs(session: Session, *, by_expiry: bool, soon_days: int) -> int:
    """List every certificate: STS, machine SSL, solution users, VMCA, trusted roots, all stores.

    Exit code 0: all in their time. 1: one ends soon, or something could not be read. 2: one has
    expired. No vCenter login is needed, and nothing is changed.
    """
    from importlib import metadata

    from stsfix.plugin.certs_view import certs_report
    from stsfix.plugin.documents.certs import certs_document
    from stsfix.plugin.sources import preflight_sources
    from stsfix.plugin.terminal.certs import certs_lines
    from stsfix.remediation.discovery.domain import Discovery

    with session.wiring() as wiring:
        inventory = Discovery(preflight_sources(wiring)).discover()
    report = certs_report(inventory, soon=timedelta(days=soon_days))
    if session.as_json:
        session.output.json(certs_document(report, version=metadata.version("stsfix")))
    else:
        shown = session.cleared(report)
        session.show(certs_lines(shown, width=session.width, by_expiry=by_expiry))
    return report.exit_code
