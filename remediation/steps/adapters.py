"""Network adapters of the nodes as they were before anybody was shut down. Pure.

With vCenter down a VM on a distributed switch may come back with an adapter disconnected
(KB 324492), and an adapter that somebody connected by hand stays disconnected at power-on unless it
is set to connect then. While a VM is off, all its adapters count as disconnected, so what it was
has to be written down before, and a resume must not write it anew.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from stsfix.snapshot.model import PowerState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import Facts
    from stsfix.snapshot.model import NicState, VmFacts, VmId

ADAPTERS: Final = "adapters"
"""Note of the step ``quiesce``: every node's adapters, by its FQDN; written once a run."""


def as_note(nodes: Iterable[NodePlan], facts: Mapping[VmId, VmFacts]) -> str:
    """Return what is written down of the nodes' adapters; nothing of nodes that are off."""
    return json.dumps(
        {
            node.fqdn: [
                {
                    "label": nic.label,
                    "connected": nic.connected,
                    "start_connected": nic.start_connected,
                    "backing": nic.backing,
                    "dvs_port": nic.dvs_port,
                }
                for nic in facts[node.vm].nics
            ]
            for node in nodes
            if facts[node.vm].summary.power is PowerState.ON
        }
    )


def expected(node: NodePlan, facts: VmFacts, noted: Facts) -> tuple[NicState, ...]:
    """Return the adapters of *node* with the connection each should have once it is on.

    *noted* are the notes of ``quiesce``. Of a run that noted nothing (one of an earlier version, or
    one that was adopted) nobody knows more than what is set to be connected at power-on.
    """
    before = json.loads(noted.get(ADAPTERS, "{}")).get(node.fqdn, ())
    was = {nic["label"]: bool(nic["connected"]) for nic in before}
    return tuple(
        replace(nic, connected=was.get(nic.label, nic.start_connected)) for nic in facts.nics
    )
