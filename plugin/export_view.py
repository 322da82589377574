"""What an export of STS entries holds, for people and programs; never a private key. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.plugin.terminal.runs import Line, wrapped
from stsfix.remediation.checks.domain import SOON
from stsfix.remediation.pki.certificates import Certificate, classify, key_matches, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from stsfix.remediation.directory.sts_export import StsExport, StsMaterial


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One entry. *leaf_sha256* is of the first certificate, empty without one; *not_after* is
    None if that is no certificate. *key_matches* is None for a chain.
    """

    dn: str
    kind: str
    certificates: int
    leaf_sha256: str
    subject: str
    not_after: datetime | None
    state: str
    key_matches: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportView:
    """A whole export, by FQDN of the node."""

    run: str
    domain: str
    writer: str
    created: datetime
    nodes: dict[str, tuple[EntryView, ...]]


def view_of_export(export: StsExport, now: datetime) -> ExportView:
    """Return the picture of *export*; *now* tells what has expired."""
    return ExportView(
        run=export.run,
        domain=export.domain,
        writer=export.writer,
        created=export.created,
        nodes={
            node: tuple(_entry(entry, now) for entry in entries)
            for node, entries in export.nodes.items()
        },
    )


def _entry(entry: StsMaterial, now: datetime) -> EntryView:
    parsed = parse(entry.certificates[0]) if entry.certificates else None
    leaf = parsed if isinstance(parsed, Certificate) else None
    return EntryView(
        dn=entry.dn,
        kind=entry.kind,
        certificates=len(entry.certificates),
        leaf_sha256=parsed.sha256 if parsed else "",
        subject=leaf.subject if leaf else "",
        not_after=leaf.not_after if leaf else None,
        state=classify(leaf, now, SOON).value if leaf else "holds no certificate",
        key_matches=_key_matches(entry),
    )


def _key_matches(entry: StsMaterial) -> bool | None:
    if entry.kind != "credential":
        return None
    if entry.key is None or not entry.certificates:
        return False
    return key_matches(entry.key.reveal(), entry.certificates[0])


def export_lines(view: ExportView, *, width: int) -> Iterator[Line]:
    """Yield the export, node by node."""
    yield Line(f"Export of run {view.run}", "bold")
    yield from wrapped(
        f"SSO domain {view.domain}, saved {view.created:%Y-%m-%d %H:%M:%S} UTC; the node that is"
        f" written to is {view.writer}",
        width,
    )
    for node, entries in view.nodes.items():
        yield Line("")
        yield Line(node, "bold")
        for entry in entries:
            yield from _lines(entry, width)


def _lines(entry: EntryView, width: int) -> Iterator[Line]:
    name = entry.dn.partition(",")[0].partition("=")[2]
    key = "" if entry.key_matches is None else ", key belongs to it"
    if entry.key_matches is False:
        key = ", key does NOT belong to it"
    yield from wrapped(f"{name}: {entry.state}{key}", width, indent="  ", hang="    ")
    if entry.not_after is not None:
        text = f"{entry.subject}, until {entry.not_after:%Y-%m-%d}, {entry.certificates} in chain"
        yield from wrapped(text, width, indent="    ", hang="  ")
        yield Line(f"    sha256:{entry.leaf_sha256}")
