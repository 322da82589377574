"""``stsfix diagnose``: why nobody can log in; changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stsfix.plugin.cli.session import Session, session_options

if TYPE_CHECKING:
    from stsfix.remediation.diagnosis.model import Diagnosis


@click.command()
@session_options
def diagnose(session: Session) -> int:
    """Read logs, pages, certificates, clocks and services, and name the cause.

    Nothing is changed. What cannot be read is left out and told, a host or node without a
    password too; only the SSO administrator's password is needed.

    Exit code 0: nothing wrong was found. 1: nothing in what could be read. 2: a cause was found.
    """
    from stsfix.plugin.documents.diagnosis import EXIT_CODES, diagnosis_document
    from stsfix.plugin.sources import diagnosis_sources
    from stsfix.plugin.terminal.diagnosis import diagnosis_lines
    from stsfix.remediation.diagnosis.diagnose import diagnose as judge
    from stsfix.remediation.diagnosis.investigate import investigate

    with session.wiring(partial=True) as wiring:
        found: Diagnosis = judge(investigate(diagnosis_sources(wiring)))
    command = session.context.command
    if session.as_json:
        session.output.json(diagnosis_document(found, command=command))
    else:
        session.show(diagnosis_lines(session.cleared(found), width=session.width, command=command))
    return EXIT_CODES[found.outcome]
