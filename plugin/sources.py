"""Whom preflight and a diagnosis ask; a part of the composition root (`stsfix.plugin.wiring`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stsfix.remediation.checks.preflight import located_nodes
from stsfix.remediation.diagnosis.investigate import STEP, InvestigationSources
from stsfix.remediation.discovery.certificates import CertificateSources
from stsfix.remediation.discovery.domain import Discovery, Sources
from stsfix.remediation.model import Platform
from stsfix.remediation.transports.by_platform import ReaderByPlatform
from stsfix.remediation.transports.log_reader import ShellLogReader
from stsfix.remediation.transports.node_reader import WINDOWS_LOOK, GuestNodeReader
from stsfix.remediation.transports.tools_reader import NodeToolsReader
from stsfix.remediation.web.tls_probe import TlsProbe

if TYPE_CHECKING:
    from stsfix.plugin.settings import Settings
    from stsfix.plugin.wiring import Wiring
    from stsfix.remediation.discovery.nodes import GuestReader
    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import Progress

_LOOKS = 6
"""Pauses that directories which lag may take to move: 30 s at the default, the longest interval
of replication (vmdir.md 6.5)."""


def preflight_sources(wiring: Wiring) -> Sources:
    """Return whom preflight asks."""
    settings = wiring.settings
    return Sources(
        domain=settings.sso.domain,
        nodes=settings.sso.nodes,
        hypervisors=dict(wiring.hypervisors),
        directory=wiring.directory,
        addresses=lambda fqdn: _addresses(settings, fqdn),
        vm_uuids={n.fqdn: n.vm for n in settings.nodes if n.vm is not None},
        guest=_guest_reader(wiring),
        front=wiring.front,
        clock=wiring.clock,
        progress=wiring.hook,
        patience=_LOOKS * settings.timeouts.poll,
        certificates=CertificateSources(shown=wiring.shown, published=wiring.logins),
        tools=NodeToolsReader(wiring.shell),
        issuer=settings.issuer_for,
        restart=settings.services.restart,
        growth_bytes=settings.snapshots.growth_gib * 2**30,
        transport=wiring.transports.transport,
    )


def find_nodes(wiring: Wiring) -> tuple[NodePlan, ...]:
    """Return every node of the domain with its role, nodes with a directory first.

    Raises:
        OperationError: No configured node tells the domain's topology, or a node's VM or
            role could not be found out.
    """
    return located_nodes(Discovery(preflight_sources(wiring)).discover())


def diagnosis_sources(wiring: Wiring) -> InvestigationSources:
    """Return whom a diagnosis asks."""
    from stsfix.remediation.web.web_probe import WebProbe  # noqa: PLC0415 - lxml

    settings = wiring.settings

    def hook(event: Progress) -> None:
        wiring.hook(replace(event, step=STEP))

    def discover() -> Inventory:
        inventory = Discovery(replace(preflight_sources(wiring), progress=hook)).discover()
        return replace(inventory, problems=(*wiring.left_out, *inventory.problems))

    show = TlsProbe(lambda fqdn, _: settings.node(fqdn).https, wiring.clock)
    return InvestigationSources(
        discover=discover,
        logs=ShellLogReader(wiring.shell),
        web=WebProbe(
            front=lambda fqdn: settings.node(fqdn).https,
            sts=lambda fqdn: settings.node(fqdn).sts,
            show=show.read_leaf,
            domain=settings.sso.domain,
            clock=wiring.clock,
        ),
        logins=wiring.logins,
        progress=hook,
    )


def _guest_reader(wiring: Wiring) -> GuestReader:
    appliances = GuestNodeReader(wiring.shell, wiring.clock)
    return ReaderByPlatform(
        {
            Platform.APPLIANCE: wiring.transports.reader(appliances),
            Platform.WINDOWS: GuestNodeReader(wiring.batch_shell, wiring.clock, WINDOWS_LOOK),
        }
    )


def _addresses(settings: Settings, fqdn: str) -> frozenset[str]:
    """Return the configured address of *fqdn*, if it has one that tells it from others.

    Names are not resolved: DNS is often down in such an outage, and asking it takes long.
    """
    address = settings.node(fqdn).https.address
    return frozenset(() if address == fqdn or address.startswith("127.") else (address,))
