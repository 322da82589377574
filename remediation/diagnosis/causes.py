"""Why nobody can log in: every cause there is, the gravest first. Data only.

Ids are stable, documented, and never reused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_STS_LINES: Final = (
    "signer-dates",
    "x509-read",
    "unauthenticated",
    "sso-unreachable",
    "solution-login",
    "invalid-credentials",
    "identity-providers",
    "renewal-failed",
    "start-failed",
)
_TLS_LINES: Final = ("certificate-expired", "sso-unreachable", "identity-providers", "start-failed")
_RUN: Final = ("preflight", "run")
_REMOVE_CHAIN: Final = (
    "A run repairs the signer, and removes only the own chains of credentials that it retires. If "
    "this one is none of those and its issuer is gone, delete it by its DN (ldapdelete; "
    "docs/operating.md, Removing a trusted chain by hand)."
)
_RENEW: Final = ("run --renew expired",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One cause. *meaning* is what it does to logins; *advice* the next action, one sentence each.

    *commands* are stsfix commands to go on with. *lines* are the kinds of log lines that it
    explains (`log_signatures`), *alone* those that name it when nothing else could be read.
    """

    id: str
    title: str
    meaning: str
    advice: str
    source: str
    commands: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()


CAUSES: Final = (
    Cause(
        id="STS-NO-CREDENTIAL",
        title="There is no STS signing credential",
        meaning="The STS has nothing to sign tokens with, so it issues none to anybody.",
        advice="A repair adds a new credential; look at what preflight says first.",
        source="fixsts.sh deletes before it adds (KB 316619); DirectoryConfigStore.java",
        commands=_RUN,
        lines=("no-credential", "tenant-unread", *_STS_LINES[1:]),
        alone=("no-credential",),
    ),
    Cause(
        id="STS-EXPIRED",
        title="The STS signing certificate has expired",
        meaning="The STS refuses every request for a token. Nobody logs in, and services that "
        "need a token, vpxd among them, do not start.",
        advice="A repair replaces it on the whole domain; look at what preflight says first.",
        source="KB 316619",
        commands=_RUN,
        lines=_STS_LINES,
        alone=("signer-dates",),
    ),
    Cause(
        id="STS-NOT-YET-VALID",
        title="The STS signing certificate is not valid yet",
        meaning="Until its first day the STS refuses every request for a token.",
        advice="Compare the clocks first: if they are right, a repair replaces it.",
        source="KB 316619; Lightwave TokenLifetimeRemediator.java",
        commands=_RUN,
        lines=_STS_LINES,
    ),
    Cause(
        id="STS-KEY-MISMATCH",
        title="The STS signs with a key that is not its certificate's",
        meaning="Tokens are issued, and nobody who verifies their signature accepts them.",
        advice="A repair replaces key and certificate; look at what preflight says first.",
        source="Lightwave DirectoryConfigStore.java: nothing compares them",
        commands=_RUN,
        lines=("no-trusted-path", *_STS_LINES[1:]),
    ),
    Cause(
        id="STS-ENTRY-BROKEN",
        title="An STS entry of the directory cannot be read",
        meaning="One such entry keeps the identity service from loading all of them: it works "
        "with what it read before, or with nothing after a restart.",
        advice="See preflight for the entry; while it is there a repair is forbidden, unless it "
        "can be accepted (docs/findings.md).",
        source="Lightwave DirectoryConfigStore.java; for chains samlauthority Config.java L81-83",
        commands=("preflight",),
        lines=("tenant-unread", *_STS_LINES[1:]),
        alone=("tenant-unread",),
    ),
    Cause(
        id="STS-UNTRUSTED",
        title="No trusted chain begins with the certificate that signs",
        meaning="The STS and vCenter refuse the tokens that it issued.",
        advice="A repair adds credential and chain together; look at what preflight says first.",
        source="Lightwave AuthnOnlyTokenValidator.java",
        commands=_RUN,
        lines=("no-trusted-path", *_STS_LINES[1:]),
        alone=("no-trusted-path",),
    ),
    Cause(
        id="STS-STALE",
        title="An STS still works with an old certificate",
        meaning="The directory has a sound credential, and this node's STS has not loaded it.",
        advice="Restart the services of this node (service-control --stop --all, --start --all).",
        source="KB 318197: all nodes of the domain have to be restarted",
        lines=_STS_LINES,
    ),
    Cause(
        id="STS-REFUSES",
        title="The STS refuses to issue a token",
        meaning="It was asked with a password that the directory took, and said no.",
        advice="Read its answer; logs of the STS on this node may tell more.",
        source="WS-Trust 1.3",
        commands=("preflight",),
    ),
    Cause(
        id="MACHINE-SSL-EXPIRED",
        title="A machine SSL certificate is out of its time",
        meaning="Clients and services refuse TLS connections to this node, and its services do "
        "not start again.",
        advice="Renew it, with the STS certificate if that has expired too.",
        source="KB 391354, KB 344201",
        commands=_RENEW,
        lines=_TLS_LINES,
        alone=("certificate-expired",),
    ),
    Cause(
        id="SOLUTION-USERS-EXPIRED",
        title="Certificates of solution users are out of their time",
        meaning="Services log in with them: vpxd and the vSphere Client get no token.",
        advice="Renew them, with the STS certificate if that has expired too.",
        source="KB 421381",
        commands=_RENEW,
        lines=(
            *("invalid-credentials", "solution-login", "identity-providers"),
            *("unauthenticated", "start-failed"),
        ),
        alone=("invalid-credentials", "solution-login"),
    ),
    Cause(
        id="VMCA-ROOT-EXPIRED",
        title="The root of a VMCA is out of its time",
        meaning="Every certificate that it issued is refused, whatever its own dates say.",
        advice="Make a new root and renew what it issued; other products have to be told.",
        source="KB 442815, KB 436368",
        commands=("run --new-vmca-root",),
        lines=("invalid-credentials", *_TLS_LINES),
    ),
    Cause(
        id="CLOCK-WRONG",
        title="A clock is wrong",
        meaning="Tokens and certificates are judged by it: sound ones look expired, or not valid "
        "yet.",
        advice="Give nodes, hosts and this workstation the same NTP server, then diagnose again.",
        source="KB 316619; vSphere 6.7 SSO programming guide: tolerance of 10 minutes",
        commands=("diagnose",),
        lines=("clock-skew", "signer-dates", "certificate-expired", "start-failed"),
        alone=("clock-skew",),
    ),
    Cause(
        id="TRUST-ANCHOR-MISMATCH",
        title="The lookup service names another certificate than a node shows",
        meaning="Services that find the node by the lookup service do not trust it.",
        advice="Set the trust anchors to the certificate that is in force (lsdoctor --trustfix), "
        "once the STS issues tokens again; or let a run renew the certificates, which sets them.",
        source="KB 320707, KB 322835, KB 320837",
        commands=("preflight --renew all", "run --renew all"),
        lines=("anchor-mismatch", "sso-unreachable"),
        alone=("anchor-mismatch",),
    ),
    Cause(
        id="CHAIN-LEAFLESS",
        title="A trusted STS chain has no leaf",
        meaning="With several chains and no leaf, services fail with authorization errors.",
        advice=_REMOVE_CHAIN,
        source="KB 316619, last notes",
        commands=("preflight",),
        lines=("no-trusted-path", "unauthenticated"),
    ),
    Cause(
        id="CHAINS-OBSOLETE",
        title="There are expired STS chains of credentials that are gone",
        meaning="They are left of older releases or removed nodes, and can cause authorization "
        "errors.",
        advice=_REMOVE_CHAIN,
        source="KB 316619, last notes",
        commands=("preflight",),
        lines=("no-trusted-path", "unauthenticated"),
    ),
    Cause(
        id="VMDIR-READ-ONLY",
        title="A directory is not in its normal state",
        meaning="A read-only directory takes no new certificate and replicates nothing; services "
        "that write to it fail.",
        advice="Bring vmdir back to Normal (open a case with the vendor), then diagnose again.",
        source="KB 416211",
        commands=("diagnose",),
        lines=("read-only", "renewal-failed"),
        alone=("read-only",),
    ),
    Cause(
        id="DISK-FULL",
        title="A partition of a node is full",
        meaning="Services that cannot write their logs or data stop, or do not start.",
        advice="Make room on the partition, start the services, then diagnose again.",
        source="general experience; limits are ours (unverified)",
        commands=("diagnose",),
        lines=("disk-full", "start-failed"),
        alone=("disk-full",),
    ),
    Cause(
        id="NODE-DOWN",
        title="A node is off or does not answer",
        meaning="Nobody logs in there, and nodes that use its STS or directory fail with it.",
        advice="Look at its VM and its console, then diagnose again.",
        source="stsfix",
        commands=("diagnose",),
    ),
    Cause(
        id="SERVICES-DOWN",
        title="Services that logins need do not run, for another reason",
        meaning="Nothing that was read explains it; what could not be read may.",
        advice="Start them (service-control --start --all) and read their logs if they fail.",
        source="stsfix",
        commands=("diagnose",),
        lines=("start-failed",),
    ),
)
"""Every cause in the order in which they are named."""

BY_ID: Final = {cause.id: cause for cause in CAUSES}
RANK: Final = {cause.id: rank for rank, cause in enumerate(CAUSES)}
STS_CAUSES: Final = frozenset(cause.id for cause in CAUSES if cause.id.startswith("STS-"))
