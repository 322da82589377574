"""Causes that nodes prove: clocks, the STS's own answer, partitions, vmdir, power. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.checks.nodes import VMDIR_SOUND
from stsfix.remediation.diagnosis.certificates import NOW, OUT_OF_TIME, span
from stsfix.remediation.diagnosis.evidence import TokenAnswer
from stsfix.remediation.diagnosis.investigate import is_off
from stsfix.remediation.diagnosis.log_lines import refused_signer
from stsfix.remediation.diagnosis.model import Suspect
from stsfix.remediation.nodes.node_facts import ClockReading, NodeFacts, Unread
from stsfix.remediation.nodes.service_names import CORE, bare
from stsfix.remediation.pki.certificates import Certificate, Expiry, classify, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from stsfix.remediation.diagnosis.evidence import Evidence
    from stsfix.remediation.inventory import Inventory, NodeInventory

WORKSTATION: Final = "this workstation"
"""The node of a suspect that is none."""

CLOCK_FAR: Final = timedelta(minutes=5)
"""Kerberos refuses more; the STS itself tolerates 10 minutes (SSO programming guide 6.7)."""

_HOURS_TOLD: Final = 72
"""From here on days are told."""

_AGREE: Final = timedelta(minutes=2)
_WITNESSES: Final = 3
"""Clocks that have to agree before this workstation's is called the wrong one."""

DATABASE: Final = "vpostgres"
"""The service that vpxd-svcs and vpxd wait for, as `service_names.bare` names it (peers.md d)."""

_FULL: Final = 0.01
"""Share of a partition that is left when services cannot write (rule of thumb, unverified)."""


def clocks(evidence: Evidence) -> Iterator[Suspect]:
    """Clocks that are off by so much that tokens or certificates are judged wrongly."""
    inventory = evidence.inventory
    told = {n.fqdn: n.clock for n in inventory.nodes if isinstance(n.clock, ClockReading)}
    far = {
        fqdn: reading
        for fqdn, reading in told.items()
        if abs(reading.skew) - reading.uncertainty > CLOCK_FAR
    }
    hosts = [host.clock_skew for host in inventory.hosts if host.clock_skew is not None]
    skews = [reading.skew for reading in told.values()] + hosts
    if far and len(skews) >= _WITNESSES and max(skews) - min(skews) <= _AGREE:
        off = _words(skews[0], of="its own")
        proof = f"all {len(skews)} clocks of nodes and hosts agree, and are {off}"
        yield Suspect(cause="CLOCK-WRONG", node=WORKSTATION, proof=proof)
        return
    for fqdn, reading in told.items():
        judged = _judged_otherwise(inventory, inventory.node(fqdn), reading)
        if fqdn in far or judged:
            whose = "this workstation's"
            proof = f"its clock is {_words(reading.skew, of=whose)} ({reading.source})"
            proof += _host(inventory, inventory.node(fqdn)) + judged
            yield Suspect(cause="CLOCK-WRONG", node=fqdn, proof=proof)


def _host(inventory: Inventory, node: NodeInventory) -> str:
    """Say so if the node's host is off as well: VMware Tools sets the node's clock by it."""
    for host in inventory.hosts:
        skew = host.clock_skew
        if node.vm is not None and host.host == node.vm.vm.host and skew is not None:
            told = f"; that of its host {host.host} is {_words(skew)}"
            return told if abs(skew) > _AGREE else ""
    return ""


def _judged_otherwise(inventory: Inventory, node: NodeInventory, reading: ClockReading) -> str:
    """Say so if the certificate that signs is sound, and not by the node's clock."""
    signing = node.sts.signing() if node.sts is not None else None
    leaf = parse(signing.chain[0]) if signing is not None and signing.chain else None
    if not isinstance(leaf, Certificate):
        return ""
    nearest = abs(reading.skew) - reading.uncertainty
    sign = -1 if reading.skew < timedelta(0) else 1
    theirs = inventory.taken + sign * max(nearest, timedelta(0))
    if classify(leaf, inventory.taken, NOW) is not Expiry.VALID:
        return ""
    if classify(leaf, theirs, NOW) not in OUT_OF_TIME:
        return ""
    return f"; by it the STS certificate, valid {span(leaf)}, is out of its time"


def _words(skew: timedelta, *, of: str = "") -> str:
    """Return ``1 h 0 min behind``, or ``15 min 2 s ahead of`` and whose."""
    minutes, seconds = divmod(round(abs(skew).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
    if hours >= _HOURS_TOLD:
        text = f"{abs(skew).days} days"
    if skew < timedelta(0):
        return f"{text} behind {of}".rstrip()
    return f"{text} ahead of {of}" if of else f"{text} ahead"


def tokens(evidence: Evidence) -> Iterator[Suspect]:
    """What each STS says when it is asked for a token now."""
    for node in evidence.inventory.nodes:
        answer = evidence.of(node.fqdn).token
        if not isinstance(answer, TokenAnswer) or answer.issued:
            continue
        cause, since = _refusal(evidence.inventory, node, answer)
        proof = "its STS issues no token when it is asked for one now"
        if cause == "STS-REFUSES":
            proof = f"asked for a token now, its STS says: {answer.text}"
        yield Suspect(cause=cause, node=node.fqdn, proof=proof, since=since)


def _refusal(
    inventory: Inventory, node: NodeInventory, answer: TokenAnswer
) -> tuple[str, datetime | None]:
    told = refused_signer(answer.text)
    if told is None:
        skewed = "clock skew" in answer.text
        return ("CLOCK-WRONG" if skewed else "STS-REFUSES"), None
    if told.last.latest < inventory.taken:
        signing = node.sts.signing() if node.sts is not None else None
        leaf = parse(signing.chain[0]) if signing is not None and signing.chain else None
        if isinstance(leaf, Certificate) and not told.is_certificate(
            leaf.not_before, leaf.not_after
        ):
            return "STS-STALE", told.last.moment
        return "STS-EXPIRED", told.last.moment
    if told.first.earliest > inventory.taken:
        return "STS-NOT-YET-VALID", None
    return "CLOCK-WRONG", None


def partitions(evidence: Evidence) -> Iterator[Suspect]:
    """Partitions on which nothing can be written any more."""
    for node in evidence.inventory.nodes:
        facts = node.facts
        if isinstance(facts, Unread) or isinstance(facts.disks, Unread):
            continue
        for disk in facts.disks:
            if disk.capacity_bytes and disk.free_bytes / disk.capacity_bytes < _FULL:
                left, whole = disk.free_bytes / 2**20, disk.capacity_bytes / 2**20
                proof = f"{disk.mount} has {left:.0f} MiB of {whole:.0f} MiB left"
                yield Suspect(cause="DISK-FULL", node=node.fqdn, proof=proof)


def directories(evidence: Evidence) -> Iterator[Suspect]:
    """Directories that take no writes."""
    for node in evidence.inventory.nodes:
        state = node.facts.vmdir_state if isinstance(node.facts, NodeFacts) else None
        if isinstance(state, str) and state.lower() not in VMDIR_SOUND:
            proof = f"vdcadmintool says: {state}"
            yield Suspect(cause="VMDIR-READ-ONLY", node=node.fqdn, proof=proof)


def power(evidence: Evidence) -> Iterator[Suspect]:
    """Nodes that are off, and nodes of which no port answers."""
    for node in evidence.inventory.nodes:
        if node.vm is not None and is_off(node):
            proof = f"its VM {node.vm.vm} is {node.vm.summary.power}"
            yield Suspect(cause="NODE-DOWN", node=node.fqdn, proof=proof)
        elif _is_silent(evidence, node):
            yield Suspect(cause="NODE-DOWN", node=node.fqdn, proof="none of its ports answers")


def _is_silent(evidence: Evidence, node: NodeInventory) -> bool:
    asked = bool(node.certificates.unread)
    heard = node.certificates.shown or node.root_dse is not None or evidence.of(node.fqdn).answers
    return asked and not heard and not isinstance(node.facts, NodeFacts)


def stopped_services(node: NodeInventory) -> tuple[str, ...]:
    """Return the services that logins need and that do not run, as the node calls them."""
    absent = isinstance(node.facts, NodeFacts) and node.facts.vmdird_installed is False
    return tuple(
        name
        for name in (node.services.stopped if node.services is not None else ())
        if bare(name) in CORE | {DATABASE} and not (absent and bare(name) == "vmdird")
    )


RULES: Final[tuple[Callable[[Evidence], Iterator[Suspect]], ...]] = (
    clocks,
    tokens,
    partitions,
    directories,
    power,
)
