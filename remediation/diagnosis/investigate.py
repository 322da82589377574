"""Read everything that speaks of the cause when nobody can log in, changing nothing.

First what preflight reads (`discovery`), then of every node at the same time: its logs, its pages,
and what its STS says when it is asked for a token. What cannot be read costs itself only.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stsfix.remediation.diagnosis.evidence import Evidence, NodeEvidence, TokenAnswer
from stsfix.remediation.errors import SigningCertificateError
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.node_facts import NodeFacts, Unread
from stsfix.remediation.ports import Progress
from stsfix.snapshot.errors import FaultError, OperationError
from stsfix.snapshot.model import PowerState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.remediation.diagnosis.evidence import WebAnswer
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.log_script import LogReading
    from stsfix.remediation.ports import Logins, ProgressHook

logger = logging.getLogger(__name__)

STEP = "diagnose"
"""What progress is told under."""

_AT_ONCE = 16

_ON_WINDOWS = (
    r"it runs on Windows, whose logs stsfix does not read: look into "
    r"C:\ProgramData\VMware\vCenterServer\logs on the node"
)
"""The folder is Lightwave's and the guides' for 6.x (vsphere.md 9); not seen on a real one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebReading:
    """Pages of one node; *signer* as in `evidence.NodeEvidence`."""

    answers: tuple[WebAnswer | UnreadPart, ...]
    signer: bytes | None = None


class WebReader(Protocol):
    """Asks a node's web server without a login, and sends no secret."""

    def read_web(
        self, fqdn: str, *, vcenter: bool, sts: bool, own_port: bool, known: frozenset[str]
    ) -> WebReading:
        """Read the pages of a *vcenter*, of an *sts*, or both. Never raises.

        *own_port* asks the STS at its port of 6.x too. A redirect is followed to nodes of the
        domain (*known*) only.
        """


class LogReader(Protocol):
    """Looks into a node's logs, by whatever transport."""

    def read_logs(self, node: NodePlan) -> LogReading:
        """Run the one script of `log_script`; raises what `NodeShell.run` does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvestigationSources:
    """Whom to ask. *discover* reads the inventory; *logins* makes the proofs for nodes."""

    discover: Callable[[], Inventory]
    logs: LogReader
    web: WebReader
    logins: Callable[[Sequence[str]], Logins]
    progress: ProgressHook


def investigate(sources: InvestigationSources) -> Evidence:
    """Return everything that could be read; one attempt for each password.

    A password that was refused while the inventory was read is not sent again: logs are read
    only where a script ran before, and an STS is asked only if a directory took the password.
    """
    inventory = sources.discover()
    known = frozenset(node.fqdn for node in inventory.nodes)
    with_sts = [node.fqdn for node in inventory.nodes if node.role.has_directory]
    accepted = any(node.sts is not None for node in inventory.nodes)
    logins = sources.logins(with_sts) if accepted and with_sts else None

    def read(node: NodeInventory) -> NodeEvidence:
        if is_off(node):
            reason = "its VM is not powered on"
            return NodeEvidence(logs=UnreadPart(what="logs", reason=reason))
        pages = _pages(sources, node, known)
        return NodeEvidence(
            logs=_logs(sources, node),
            web=pages.answers,
            signer=pages.signer,
            token=_token(sources, logins, node),
        )

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="diagnose") as pool:
        found = list(pool.map(read, inventory.nodes))
    names = [node.fqdn for node in inventory.nodes]
    return Evidence(inventory=inventory, nodes=dict(zip(names, found, strict=True)))


def is_off(node: NodeInventory) -> bool:
    """Tell whether the node's host says that its VM does not run."""
    return node.vm is not None and node.vm.summary.power is not PowerState.ON


def _pages(sources: InvestigationSources, node: NodeInventory, known: frozenset[str]) -> WebReading:
    sources.progress(Progress(step=STEP, subject=node.fqdn, text="reading its web pages"))
    return sources.web.read_web(
        node.fqdn,
        vcenter=node.role.has_vcenter,
        sts=node.role.has_directory,
        own_port=node.role.has_directory and _release(node).startswith("6."),
        known=known,
    )


def _release(node: NodeInventory) -> str:
    """Return what the node says of its version, empty if nothing did."""
    if node.root_dse is not None and node.root_dse.version:
        return node.root_dse.version
    if not isinstance(node.about, Unread):
        return node.about.version
    build = node.facts.build if isinstance(node.facts, NodeFacts) else None
    return build if isinstance(build, str) else ""


def _logs(sources: InvestigationSources, node: NodeInventory) -> LogReading | UnreadPart:
    plan = node.plan
    if node.platform is Platform.WINDOWS:
        return UnreadPart(what="logs", reason=_ON_WINDOWS)
    if isinstance(node.facts, Unread) or plan is None:
        reason = node.facts.reason if isinstance(node.facts, Unread) else "its VM was not found"
        return UnreadPart(what="logs", reason=reason)
    sources.progress(Progress(step=STEP, subject=node.fqdn, text="reading its logs"))
    try:
        return sources.logs.read_logs(plan)
    except InterruptedRunError:
        raise
    except OperationError as error:
        logger.debug("%s: %s", node.fqdn, error)
        return UnreadPart(what="logs", reason=str(error))


def _token(
    sources: InvestigationSources, logins: Logins | None, node: NodeInventory
) -> TokenAnswer | UnreadPart | None:
    if not node.role.has_directory:
        return None
    what = "a token from its STS"
    if logins is None:
        return UnreadPart(what=what, reason="no directory took the administrator's password")
    sources.progress(Progress(step=STEP, subject=node.fqdn, text="asking its STS for a token"))
    try:
        logins.issue_token(node.fqdn)
    except InterruptedRunError:
        raise
    except FaultError as error:  # the world said no
        said = error.text if isinstance(error, SigningCertificateError) else str(error)
        return TokenAnswer(error=type(error).__name__, text=said)
    except OperationError as error:
        return UnreadPart(what=what, reason=str(error))
    return TokenAnswer()
