"""What the repair raises; categories and their meaning are in `stsfix.snapshot.errors`.

RefusedError
├── DirectoryLoginError       the directory refused user or password (49, 32 or 34 on bind)
├── PlainBindRefusedError     53 on bind: the node wants LDAPS
├── NodeTlsError              a node's certificate is not the trusted or pinned one
├── HostKeyError              a node's SSH host key is not the known one
├── WindowsNodeError          a Windows node cannot do what is wanted of it
├── NoShellError              a node has no transport that can run what is needed
├── DomainNotFoundError       the node serves another SSO domain, or the tenant is missing
├── IssuerError               no usable credential can be made of what was given
├── PreflightBlockedError     findings forbid a run
├── AcceptanceError           a finding cannot be accepted as a risk, or does not exist
├── NothingToRepairError      the signing credential is sound
├── AdoptionError             no run can be taken over from the snapshots on the hosts
├── ExportError               an export of STS entries is missing, damaged or sealed otherwise
├── RestoreRefusedError       putting an export back would harm what is there now
├── RunNotFoundError          no such run in the state folder
├── RunStateError             the run cannot do this in its state (rollback after release)
├── DomainLockedError         another run of this SSO domain is open
└── PlanChangedError          the journal knows a step that this version does not
TransientError
├── DirectoryUnreachableError
└── NodeUnreachableError
FaultError
├── DirectoryFaultError       vmdird refused a read or write, with its result code
├── EntryChangedError         an entry is no longer the one we saw
├── ReplicationOverdueError   a node does not show the new entries in time
├── SigningCertificateError   the STS says its signing certificate is not valid
├── SsoLoginError             the STS refused user or password
├── ProofError                a proof of login failed
├── ServiceRestartError       services are down after the restart
├── NodeLoginError            a node refused user or password (SSH, VAMI)
├── TransportUnavailableError a transport does not get through to a node (SSH, VAMI)
├── NodeFileError             a file on a node cannot be written or read
├── VmcaError                 a node's VMCA did not sign, or not what it was asked for
├── ClockSkewError            a node's clock and this workstation's differ too much to go on
├── VecsError                 a node's certificate store (VECS) is not as it should be
└── NodeNotReadyError         a node's services did not answer in time after power-on
InDoubtError
└── WriteInDoubtError         an LDAP write was sent and its answer lost
StoppedError
├── StepUnclearError          a probe cannot tell whether the step was done
├── RestartByHandError        services of a node that nothing of ours reaches are a person's work
├── InterruptedRunError       asked to stop (SIGINT, SIGTERM); resumable
├── UndoFailedError           an undo failed; `rollback` again goes on with it
└── JournalUnwritableError    a record could not be made durable; nothing further was done
"""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.snapshot.errors import (
    FaultError,
    InDoubtError,
    RefusedError,
    StoppedError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


class DirectoryLoginError(RefusedError):
    """The directory refused user or password; it was tried exactly once."""

    def __init__(self, node: str, user_dn: str, code: int) -> None:
        super().__init__(f"the directory of {node} refused the login of {user_dn} (LDAP {code})")
        self.node = node
        self.user_dn = user_dn
        self.code = code


class PlainBindRefusedError(RefusedError):
    """vmdird answered 53 to the bind: it takes passwords over LDAPS only."""

    def __init__(self, node: str) -> None:
        super().__init__(f"the directory of {node} refuses a simple bind without TLS (LDAP 53)")
        self.node = node


class NodeTlsError(RefusedError):
    """A node's certificate is neither trusted nor pinned; no credential was sent."""

    def __init__(self, node: str, reason: str, sha256: str | None = None) -> None:
        super().__init__(f"the certificate of {node} is not trusted: {reason}")
        self.node = node
        self.reason = reason
        self.sha256 = sha256


class HostKeyError(RefusedError):
    """A node's SSH host key is not the known one; no password was sent.

    *shown* is the fingerprint as OpenSSH writes it (``SHA256:...``), empty if none was seen.
    *is_changed* tells a key that differs from a known one from a key nobody knows yet.
    """

    def __init__(
        self, node: str, reason: str, shown: str = "", *, is_changed: bool = False
    ) -> None:
        super().__init__(f"the SSH host key of {node} is not trusted: {reason}")
        self.node = node
        self.reason = reason
        self.shown = shown
        self.is_changed = is_changed


class NoShellError(RefusedError):
    """A node is configured with a transport that cannot do what is needed."""

    def __init__(self, node: str, transport: str, wanted: str) -> None:
        super().__init__(f'{node} has transport "{transport}", which cannot {wanted}')
        self.node = node
        self.transport = transport
        self.wanted = wanted


class WindowsNodeError(RefusedError):
    """A node on Windows cannot do what is wanted of it, or is configured like an appliance.

    *by_setting* tells that it can, once its settings are those of a Windows node.
    """

    def __init__(self, node: str, reason: str, *, by_setting: bool = False) -> None:
        super().__init__(f"{node} runs on Windows: {reason}")
        self.node = node
        self.reason = reason
        self.by_setting = by_setting


class DomainNotFoundError(RefusedError):
    """The node does not serve the SSO domain that was asked for."""

    def __init__(self, node: str, wanted: str, found: str) -> None:
        super().__init__(f"{node} serves SSO domain {found}, not {wanted}")
        self.node = node
        self.wanted = wanted
        self.found = found


class TenantNotFoundError(RefusedError):
    """The directory login works and the tenant entry is not readable there."""

    def __init__(self, node: str, dn: str) -> None:
        super().__init__(f"{node} shows our user no tenant entry {dn}")
        self.node = node
        self.dn = dn


class IssuerError(RefusedError):
    """No usable signing credential can be made of what was given."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no usable signing credential: {reason}")
        self.reason = reason


class PreflightBlockedError(RefusedError):
    """Findings forbid a run; nothing was changed."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = tuple(ids)
        super().__init__(f"preflight forbids the run: {', '.join(self.ids)}")


class AcceptanceError(RefusedError):
    """A finding cannot be accepted as a risk, or there is none of that id."""

    def __init__(self, wanted: str, reason: str) -> None:
        super().__init__(f"--accept {wanted}: {reason}")
        self.wanted = wanted
        self.reason = reason


class NothingToRepairError(RefusedError):
    """The signing credential is sound and does not end soon; nothing was changed."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"the STS signing credential of {domain} is sound: nothing to repair")
        self.domain = domain


class AdoptionError(RefusedError):
    """No run can be taken over from the snapshots that are on the hosts; nothing was changed."""

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(f"run {run} cannot be adopted: {reason}" if run else f"no run: {reason}")
        self.run = run
        self.reason = reason


class ExportError(RefusedError):
    """An export of STS entries cannot be used: missing, damaged, or another passphrase."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"the export {where} {reason}")
        self.where = where
        self.reason = reason


class RestoreRefusedError(RefusedError):
    """Putting an export back would harm what is in the directory now; nothing was changed."""

    def __init__(self, run: str, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(f"the export of {run} is not put back: {'; '.join(self.reasons)}")
        self.run = run


class RunNotFoundError(RefusedError):
    """No such run in the state folder."""

    def __init__(self, run: str) -> None:
        super().__init__(f"no run {run}" if run else "no run yet")
        self.run = run


class RunStateError(RefusedError):
    """The run is in a state in which this is not possible."""

    def __init__(self, run: str, state: str, wanted: str) -> None:
        super().__init__(f"run {run} is {state}: it cannot be {wanted}")
        self.run = run
        self.state = state
        self.wanted = wanted


class DomainLockedError(RefusedError):
    """Another run of this SSO domain is open, here or from elsewhere.

    *elsewhere* tells that another workstation's run came first in the middle of one of ours.
    """

    def __init__(self, domain: str, holder: str, *, elsewhere: bool = False) -> None:
        super().__init__(f"SSO domain {domain} is locked by {holder}")
        self.domain = domain
        self.holder = holder
        self.elsewhere = elsewhere


class PlanChangedError(RefusedError):
    """The journal holds a step that this version's plan does not have."""

    def __init__(self, recorded: str) -> None:
        super().__init__(f"the journal knows a step {recorded} that this version does not")
        self.recorded = recorded


class DirectoryUnreachableError(TransientError):
    """No LDAP connection to the node, or it broke while reading."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"the directory of {node} does not answer: {reason}")
        self.node = node
        self.reason = reason


class NodeUnreachableError(TransientError):
    """No HTTPS answer from the node, or not one of the service asked for (503)."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"{node} does not answer: {reason}")
        self.node = node
        self.reason = reason


class DirectoryFaultError(FaultError):
    """vmdird refused a request; *code* is the LDAP result code, *call* what was asked."""

    def __init__(self, node: str, call: str, code: int, text: str) -> None:
        super().__init__(f"{node} refused {call}: LDAP {code}" + (f" {text}" if text else ""))
        self.node = node
        self.call = call
        self.code = code
        self.text = text


class EntryChangedError(FaultError):
    """A DN names another entry than the one that was seen; nothing was changed."""

    def __init__(self, node: str, dn: str) -> None:
        super().__init__(f"{dn} on {node} is not the entry it was")
        self.node = node
        self.dn = dn


class ReplicationOverdueError(FaultError):
    """A node does not show the written entries in time."""

    def __init__(self, writer: str, behind: Iterable[str], waited_s: float) -> None:
        self.behind = tuple(behind)
        names = ", ".join(self.behind)
        super().__init__(f"{waited_s:.0f} s after the write on {writer} not replicated to {names}")
        self.writer = writer


class SigningCertificateError(FaultError):
    """The STS refuses to sign: its own certificate is not valid now."""

    def __init__(self, node: str, text: str) -> None:
        super().__init__(f"the STS of {node} refuses: {text}")
        self.node = node
        self.text = text


class SsoLoginError(FaultError):
    """The STS refused user or password; it was tried exactly once."""

    def __init__(self, node: str, user: str, text: str) -> None:
        super().__init__(f"the STS of {node} refused the login of {user}: {text}")
        self.node = node
        self.user = user
        self.text = text


class ProofError(FaultError):
    """A proof of login failed; *way* is the proof, as in LoginProof."""

    def __init__(self, node: str, way: str, reason: str) -> None:
        super().__init__(f"{way} on {node} failed: {reason}")
        self.node = node
        self.way = way
        self.reason = reason


class ServiceRestartError(FaultError):
    """Services of a node are down after the restart.

    *output* is the end of service-control's own words; *evidence* are lines for people: what it
    said of single services, and what those wrote into their logs last, secrets replaced.
    """

    def __init__(
        self, node: str, stopped: Iterable[str], output: str = "", *, evidence: Iterable[str] = ()
    ) -> None:
        self.stopped = tuple(stopped)
        self.evidence = tuple(evidence)
        super().__init__(f"services of {node} did not start: {', '.join(self.stopped)}")
        self.node = node
        self.output = output


class LoginRefusal(enum.Enum):
    """Why a node refused a login, as far as it tells; the text is the end of a sentence."""

    REFUSED = ""
    EXPIRED = ": the password has expired"
    LOCKED = ": the account is locked"
    SILENT = ": it broke off without an answer"


class NodeLoginError(FaultError):
    """A node refused user or password, over SSH or VAMI; it was tried exactly once."""

    def __init__(self, node: str, user: str, transport: str, refusal: LoginRefusal) -> None:
        super().__init__(f"{node} refused the login of {user} over {transport}{refusal.value}")
        self.node = node
        self.user = user
        self.transport = transport
        self.refusal = refusal


class TransportUnavailableError(FaultError):
    """A node cannot be reached by a transport (SSH, VAMI); nothing was done there."""

    def __init__(self, node: str, transport: str, reason: str) -> None:
        super().__init__(f"{transport} of {node} is not available: {reason}")
        self.node = node
        self.transport = transport
        self.reason = reason


class NodeFileError(FaultError):
    """A file on a node cannot be written or read."""

    def __init__(self, node: str, path: str, reason: str) -> None:
        super().__init__(f"{path} on {node}: {reason}")
        self.node = node
        self.path = path
        self.reason = reason


class VmcaError(FaultError):
    """A node's own authority (VMCA) did not sign, or signed something else; nothing was written."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"VMCA of {node}: {reason}")
        self.node = node
        self.reason = reason


class VecsError(FaultError):
    """A node's certificate store (VECS) could not be written, or holds something else."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"certificate stores of {node}: {reason}")
        self.node = node
        self.reason = reason


class ClockSkewError(FaultError):
    """A node's clock and this workstation's differ by more than the STS forgives."""

    def __init__(self, node: str, skew_s: float) -> None:
        side = "ahead of" if skew_s > 0 else "behind"
        super().__init__(
            f"the clock of {node} is {timedelta(seconds=round(abs(skew_s)))} {side} this"
            " workstation's:"
            " no certificate was made"
        )
        self.node = node
        self.skew_s = skew_s


class NodeNotReadyError(FaultError):
    """A node did not answer in time after power-on."""

    def __init__(self, node: str, what: str, waited_s: float) -> None:
        super().__init__(f"{node}: no {what} {waited_s:.0f} s after power-on")
        self.node = node
        self.what = what


class WriteInDoubtError(InDoubtError):
    """An LDAP write was sent and its answer lost."""

    def __init__(self, node: str, call: str) -> None:
        super().__init__(f"the answer of {node} to {call} was lost")
        self.node = node
        self.call = call


class StepUnclearError(StoppedError):
    """The probe of a step in doubt cannot tell whether it was done."""

    def __init__(self, step: str) -> None:
        super().__init__(f"it is unclear whether step {step} was done")
        self.step = step


class RestartByHandError(StoppedError):
    """Services of nodes without a transport have to be restarted by a person.

    *nodes* are in the order to go by, *commands* what to type on each. *evidence* are lines that
    tell why one that was asked for before does not count as restarted. Whatever could be
    restarted without a person was.
    """

    def __init__(
        self, nodes: Iterable[str], commands: Iterable[str], *, evidence: Iterable[str] = ()
    ) -> None:
        self.nodes = tuple(nodes)
        self.commands = tuple(commands)
        self.evidence = tuple(evidence)
        super().__init__(f"restart the services of {', '.join(self.nodes)} by hand")


class InterruptedRunError(StoppedError):
    """Asked to stop; the last record is complete and the run can be resumed."""

    def __init__(self, run: str) -> None:
        super().__init__(f"run {run} stopped on request")
        self.run = run


class UndoFailedError(StoppedError):
    """Taking a step back failed; `rollback` again goes on with it."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"taking back {step} failed: {reason}")
        self.step = step
        self.reason = reason


class JournalUnwritableError(StoppedError):
    """A record could not be made durable; nothing further was done."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the journal {path} cannot be written: {reason}")
        self.path = path
        self.reason = reason
