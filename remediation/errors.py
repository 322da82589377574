"""What the domain's nodes say no with: directory, STS, services, certificates.

What a run refuses or stops for is in `stsfix.remediation.errors_run`; what the categories mean, in
`stsfix.snapshot.errors`.

RefusedError
├── DirectoryLoginError       the directory refused user or password (49, 32 or 34 on bind)
├── PlainBindRefusedError     53 on bind: the node wants LDAPS
├── NodeTlsError              a node's certificate is not the trusted or pinned one
├── HostKeyError              a node's SSH host key is not the known one
├── WindowsNodeError          a Windows node cannot do what is wanted of it
├── NoShellError              a node has no transport that can run what is needed
├── DomainNotFoundError       the node serves another SSO domain
├── TenantNotFoundError       the directory login works, and the tenant is not readable
└── IssuerError               no usable credential can be made of what was given
TransientError
├── DirectoryUnreachableError
└── NodeUnreachableError
FaultError
├── DirectoryFaultError       vmdird refused a read or write, with its result code
├── EntryChangedError         an entry is no longer the one we saw
├── ForeignEntriesError       the STS entries are not those of the run
├── EntryConflictError        a node has somebody else's entry under the name of one of ours
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
"""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.snapshot.errors import (
    FaultError,
    InDoubtError,
    RefusedError,
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


UNTRUSTED = "is not trusted: "
"""What the text of every NodeTlsError says."""


class NodeTlsError(RefusedError):
    """A node's certificate is neither trusted nor pinned; no credential was sent.

    *sha256* is known where a pin was compared. *answered* tells whether the node showed a
    certificate at all: where our own CA file cannot be used nobody was asked.
    """

    def __init__(
        self, node: str, reason: str, sha256: str | None = None, *, answered: bool = False
    ) -> None:
        super().__init__(f"the certificate of {node} {UNTRUSTED}{reason}")
        self.node = node
        self.reason = reason
        self.sha256 = sha256
        self.answered = answered or sha256 is not None


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


class DirectoryUnreachableError(TransientError):
    """No LDAP connection to the node, or it broke while reading.

    *answered* tells the latter.
    """

    def __init__(self, node: str, reason: str, *, answered: bool = False) -> None:
        super().__init__(f"the directory of {node} does not answer: {reason}")
        self.node = node
        self.reason = reason
        self.answered = answered


class NodeUnreachableError(TransientError):
    """No HTTPS answer from the node, or not one of the service asked for (503).

    *answered* tells that the node said something all the same.
    """

    def __init__(self, node: str, reason: str, *, answered: bool = False) -> None:
        super().__init__(f"{node} does not answer: {reason}")
        self.node = node
        self.reason = reason
        self.answered = answered


class DirectoryFaultError(FaultError):
    """vmdird refused a request; *code* is the LDAP result code, *call* what was asked."""

    def __init__(self, node: str, call: str, code: int, text: str) -> None:
        super().__init__(f"{node} refused {call}: LDAP {code}" + (f" {text}" if text else ""))
        self.node = node
        self.call = call
        self.code = code
        self.text = text


class EntryChangedError(FaultError):
    """A DN names another entry than the one that was seen; that one was not touched."""

    def __init__(self, node: str, dn: str) -> None:
        super().__init__(f"{dn} on {node} is not the entry it was")
        self.node = node
        self.dn = dn


class ForeignEntriesError(FaultError):
    """The STS entries of a node are not those of the run: somebody else changes them.

    *signer* is the name of the credential that signs instead of the run's, if there is one; *gone*
    tells that the run's own is not there any more.
    """

    def __init__(self, node: str, reason: str, *, signer: str = "", gone: bool = False) -> None:
        super().__init__(f"the STS entries of {node} are not as they should be: {reason}")
        self.node = node
        self.reason = reason
        self.signer = signer
        self.gone = gone


class EntryConflictError(FaultError):
    """A node has somebody else's entry under the name of one of the run's; both stay for good."""

    def __init__(self, writer: str, node: str, name: str) -> None:
        super().__init__(
            f"{name} of {node} is another entry than that of this run on {writer}: both were added"
            " at the same time"
        )
        self.writer = writer
        self.node = node
        self.name = name


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


REFUSED = "refused the login of"
"""What the text of every SsoLoginError says."""


class SsoLoginError(FaultError):
    """The STS refused user or password; it was tried exactly once."""

    def __init__(self, node: str, user: str, text: str) -> None:
        super().__init__(f"the STS of {node} {REFUSED} {user}: {text}")
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
    """Services of a node are down after the restart; or there was none that ended, for a *reason*
    without commas.

    *output* is the end of service-control's own words; *evidence* are lines for people: what it
    said of single services, and what those wrote into their logs last, secrets replaced.
    """

    def __init__(
        self,
        node: str,
        stopped: Iterable[str],
        output: str = "",
        *,
        evidence: Iterable[str] = (),
        reason: str = "",
    ) -> None:
        self.stopped = tuple(stopped) or (reason,)
        self.evidence = tuple(evidence)
        self.reason = reason
        what = "were not all restarted" if reason else "did not start"
        super().__init__(f"services of {node} {what}: {', '.join(self.stopped)}")
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
    """A node's own authority (VMCA) did not sign, signed something else, or took no new root."""

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
