"""The inventory of a preflight report as HTML tables. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.plugin.certificate_view import day, validity_words
from stsfix.plugin.page.markup import Markup, element, joined
from stsfix.plugin.page.shapes import health_class, inline_icon
from stsfix.plugin.preflight_view import (
    LOCKDOWN_WORDS,
    POWER_WORDS,
    node_state,
    shortened,
    version_words,
)
from stsfix.plugin.text import counted
from stsfix.remediation.directory import dn
from stsfix.remediation.directory.replication import LagState
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.nodes.service_names import unusually_stopped
from stsfix.remediation.pki.certificates import Malformed, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from stsfix.plugin.certificate_view import Validity
    from stsfix.plugin.page.markup import Child
    from stsfix.plugin.preflight_view import PreflightReport
    from stsfix.remediation.directory.replication import Lag
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import StsEntry
    from stsfix.remediation.ports import ServiceReport
    from stsfix.snapshot.model import HostFacts, VmFacts

LONGEST = 2000
"""Characters of one text that a report shows."""

_CELL = 160
"""Characters of one text in a table: more would push the others out of sight."""

_OTHERS = 12
_GIB = 1 << 30


def table(title: str, headers: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """Return a table whose first column names its rows; on a phone each row is a card.

    The roles keep it a table for screen readers there too, where its parts are blocks.
    """
    head = element("tr", *(_header(text, "col") for text in headers), role="row")
    return element(
        "div",
        element(
            "table",
            element("caption", title),
            element("thead", head, role="rowgroup"),
            element("tbody", *(_row(headers, row) for row in rows), role="rowgroup"),
            role="table",
        ),
        class_="scroll",
    )


def _row(headers: Sequence[str], row: Sequence[Child]) -> Markup:
    first, *rest = row
    cells = (
        element(
            "td",
            _cut(cell),
            data_label=header,
            class_="empty" if cell in {"", None} else None,
            role="cell",
        )
        for header, cell in zip(headers[1:], rest, strict=True)
    )
    return element("tr", _header(first, "row"), *cells, role="row")


def _header(text: Child, scope: str) -> Markup:
    role = "columnheader" if scope == "col" else "rowheader"
    return element("th", _cut(text), scope=scope, role=role)


def _cut(cell: Child) -> Child:
    return shortened(cell, _CELL) if isinstance(cell, str) else cell


def inventory_tables(report: PreflightReport, held: Sequence[Validity]) -> Iterator[Markup]:
    """Yield every table with its heading; what is empty is left out."""
    inventory = report.inventory
    yield _titled("Nodes", _nodes(report))
    machines = [node for node in inventory.nodes if node.vm is not None]
    if machines:
        yield _titled("Virtual machines", _machines(machines))
    if inventory.hosts:
        yield _titled("ESXi hosts", _hosts(inventory))
        yield _titled("Datastores", _datastores(inventory.hosts))
    lags = inventory.lags()
    if lags:
        yield _titled("Replication", _replication(inventory, lags))
    if any(node.sts is not None for node in inventory.nodes):
        yield _titled("STS entries", _entries(inventory))
    if held:
        yield _titled("Certificates", certificates_table(held, inventory.taken))
    if inventory.problems:
        rows = [(p.subject, p.text, p.error) for p in inventory.problems]
        yield _titled("Not read", table("What did not answer", ("About", "What", "Error"), rows))


def _titled(title: str, content: Markup) -> Markup:
    return joined((element("h3", title), content))


def _nodes(report: PreflightReport) -> Markup:
    rows: list[tuple[Child, ...]] = []
    for node in report.inventory.nodes:
        state = node_state(node, report)
        said = node.role if node.role_verified else f"{node.role} (a guess)"
        dse, services = node.root_dse, node.services
        word = element("span", state.health, class_=f"tag {health_class(state.health)}")
        rows.append(
            (
                node.fqdn,
                joined((inline_icon(state.health), " ", word)),
                said,
                version_words(node),
                dse.site if dse else "",
                state.signer,
                _clock(node),
                _services(services) if services else "",
            )
        )
    headers = ("Node", "State", "Role", "Version", "Site", "STS", "Clock", "Services")
    return table("Every node of the SSO domain", headers, rows)


def _services(services: ServiceReport) -> str:
    """Return how many run; who is always stopped is no news."""
    unusual = len(unusually_stopped(services.stopped))
    usual = len(services.stopped) - unusual
    return f"{len(services.running)} run, {unusual} stopped" + (
        f", {usual} off as usual" if usual else ""
    )


def _clock(node: NodeInventory) -> str:
    if isinstance(node.clock, Unread):
        return ""
    return skew_words(node.clock.skew)


def skew_words(skew: timedelta | None) -> str:
    """Return how far a clock is from this workstation's; empty if nobody knows."""
    if skew is None:
        return ""
    seconds = skew.total_seconds()
    if abs(seconds) < 1:
        return "as here"
    shown = f"{abs(seconds):.0f} s" if abs(seconds) < 120 else f"{abs(seconds) / 60:.0f} min"  # noqa: PLR2004 - two minutes
    return f"{shown} {'ahead' if seconds > 0 else 'behind'}"


def _replication(inventory: Inventory, lags: Sequence[Lag]) -> Markup:
    rows = [(lag.consumer, lag.supplier, _lag_words(inventory, lag)) for lag in lags]
    headers = ("Directory", "Partner", "What it lacks of it")
    return table("How far each directory is behind each other one", headers, rows)


def _lag_words(inventory: Inventory, lag: Lag) -> str:
    pair = (lag.consumer, lag.supplier)
    if lag.state is LagState.UNKNOWN:
        return "unknown: it has seen no change of it"
    if lag.state is LagState.AHEAD:
        return f"it has seen {lag.changes} changes more than there are: its partner was reverted"
    if not lag.is_late or pair in inventory.at_rest:
        return "nothing"
    return f"{lag.changes} changes{', and stands still' if pair in inventory.stalled else ''}"


def _machines(nodes: Sequence[NodeInventory]) -> Markup:
    rows = [_machine(node.fqdn, node.vm) for node in nodes if node.vm is not None]
    headers = ("Node", "VM", "Host", "Power", "Tools", "Disks", "Network", "Snapshots")
    return table("The VM of each node", headers, rows)


def _machine(fqdn: str, vm: VmFacts) -> tuple[Child, ...]:
    return (
        fqdn,
        vm.vm.name,
        vm.vm.host,
        POWER_WORDS[vm.summary.power],
        "running" if vm.tools_running else "not running",
        _lines(f"{disk.label} on {disk.datastore} ({disk.mode})" for disk in vm.disks),
        _lines(
            f"{nic.label}: {nic.backing}{'' if nic.connected else ', NOT connected'}"
            for nic in vm.nics
        ),
        _lines(snapshot.name for snapshot in vm.snapshots) if vm.snapshots else "none",
    )


def _lines(texts: Iterator[str]) -> Markup:
    found = [shortened(text, _CELL) for text in texts]
    parts: list[Child] = []
    for text in found:
        parts += [element("br"), text] if parts else [text]
    return joined(parts)


def _hosts(inventory: Inventory) -> Markup:
    nodes = {node.vm.vm for node in inventory.nodes if node.vm is not None}
    rows: list[tuple[Child, ...]] = []
    for host in inventory.hosts:
        others = [summary.vm.name for summary in host.vms if summary.vm not in nodes]
        rows.append(
            (
                host.host,
                f"{host.version} build {host.build}",
                host.licence_edition,
                f"{LOCKDOWN_WORDS[host.lockdown]}{', in maintenance' if host.maintenance else ''}",
                skew_words(host.clock_skew),
                host.managed_by or "",
                joined((_others(others),)),  # cut already, name by name
            )
        )
    headers = (
        "Host",
        "Version",
        "Licence",
        "Lockdown",
        "Clock",
        "Managed by",
        "Others' VMs, never touched",
    )
    return table("ESXi hosts that were read", headers, rows)


def _others(names: Sequence[str]) -> str:
    shown = ", ".join(shortened(name, 60) for name in names[:_OTHERS])
    more = f" and {len(names) - _OTHERS} more" if len(names) > _OTHERS else ""
    return f"{len(names)}: {shown}{more}" if names else "none"


def _datastores(hosts: Sequence[HostFacts]) -> Markup:
    rows = [
        (
            store.name,
            host.host,
            f"{store.free_bytes / _GIB:.1f} GiB",
            f"{store.capacity_bytes / _GIB:.1f} GiB",
            "yes" if store.accessible else "NO",
        )
        for host in hosts
        for store in host.datastores
    ]
    headers = ("Datastore", "Host", "Free", "Capacity", "Accessible")
    return table("Datastores as each host sees them", headers, rows)


def _entries(inventory: Inventory) -> Markup:
    rows: list[tuple[Child, ...]] = []
    for node in inventory.nodes:
        if node.sts is None:
            continue
        signing = node.sts.signing()
        for entry in (*node.sts.credentials, *node.sts.chains):
            key = {True: "yes", False: "NO", None: ""}[entry.key_matches]
            rows.append(
                (
                    dn.name_of(entry.dn),
                    node.fqdn,
                    "yes" if entry == signing else "",
                    leaf_words(entry, inventory.taken),
                    counted(len(entry.chain), "certificate"),
                    key,
                )
            )
    headers = ("Entry", "Directory of", "Signs now", "Leaf", "Chain", "Key matches")
    return table("What the STS of each node reads from its directory", headers, rows)


def leaf_words(entry: StsEntry, now: datetime) -> str:
    """Return the state of the first certificate of *entry* as a clause."""
    if not entry.chain:
        return "no certificate"
    leaf = parse(entry.chain[0])
    return "cannot be read" if isinstance(leaf, Malformed) else validity_words(leaf, now)


def certificates_table(held: Sequence[Validity], now: datetime) -> Markup:
    """Return every distinct certificate with its dates and its SHA-256."""
    rows: list[tuple[Child, ...]] = []
    for validity in held:
        certificate = validity.certificate
        sha256 = element("code", certificate.sha256)
        where, places = ", ".join(validity.nodes) or "the whole domain", ", ".join(validity.places)
        if isinstance(certificate, Malformed):
            rows.append((places, validity.group, where, "", certificate.reason, "", sha256))
            continue
        rows.append(
            (
                f"{places}{' (signs now)' if validity.signs else ''}",
                validity.group,
                where,
                certificate.subject,
                validity_words(certificate, now),
                f"{day(certificate.not_before)} to {day(certificate.not_after)}",
                sha256,
            )
        )
    headers = ("Where", "For", "Nodes", "Subject", "State", "Valid", "SHA-256")
    return table("Every distinct certificate that was seen", headers, rows)
