r"""Which lines of an appliance's logs tell why nobody can log in. Data only.

A pattern is an extended regular expression that grep -E and Python read alike: literal text,
``.``, ``\.``, ``|``, ``( )`` and ``[ ]``, and nothing else. A line says what a service met when it
wrote it, not what is so now: `diagnose` compares it with what was read of certificates, clocks
and services.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_KB = "KB 316619"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A kind of line. *id* is stable; *logs* are names of `node_logs.LOGS`; *tells* is what the
    line means, one sentence; *source* is where it was seen.
    """

    id: str
    pattern: str
    logs: tuple[str, ...]
    tells: str
    source: str


_UI = ("vsphere_client_virgo.log", "vsphere-client/vsphere_client_virgo.log")
_STS = ("vmware-identity-sts.log", "vmware-sts-idmd.log")
_CLIENTS = ("vpxd-svcs.log", "vpxd.log", *_UI)
_ALL_CLIENTS = (*_CLIENTS, "cls.log", "lookupServer.log", "lookupserver-default.log")

SIGNATURES: Final = (
    Signature(
        id="signer-dates",
        pattern=r"Signing certificate is not valid",
        logs=(*_STS, "websso.log", "ssoAdminServer.log", *_ALL_CLIENTS),
        tells="The STS issued no token because its signing certificate was out of its time.",
        source=f"{_KB}; Lightwave TokenLifetimeRemediator.java",
    ),
    Signature(
        id="clock-skew",
        pattern=r"might be due to a clock skew|TimeSynchronizationException",
        logs=(*_STS, "vpxd-svcs.log", *_UI),
        tells="The STS and a client of it disagreed about the time.",
        source="Lightwave STSImpl.java; the exception's name is general knowledge (unverified)",
    ),
    Signature(
        id="x509-read",
        pattern=r"Failed to read X509 cert",
        logs=("vpxd.log",),
        tells="vpxd was given no certificate to verify a token with (OpenSSL: no start line).",
        source=_KB,
    ),
    Signature(
        id="invalid-credentials",
        pattern=r"InvalidCredentialsException",
        logs=("vpxd.log", "vpxd-svcs.log"),
        tells="The STS did not accept the certificate of a solution user.",
        source="KB 421381, KB 442815",
    ),
    Signature(
        id="solution-login",
        pattern=r"Solution user login into domain .* failed",
        logs=_UI,
        tells="The vSphere Client's own account could not log in.",
        source="public report of 2023-10 (vsphere-webclient had expired)",
    ),
    Signature(
        id="unauthenticated",
        pattern=r"com\.vmware\.vapi\.std\.errors\.Unauthenticated",
        logs=("cls.log",),
        tells="The content library refused a session that had no valid token.",
        source=_KB,
    ),
    Signature(
        id="sso-unreachable",
        pattern=r"Cannot connect to vCenter Single Sign-On server"
        r"|sending an authentication request to the vCenter Single Sign-On server"
        r"|Failed to retrieve an STS client",
        logs=_UI,
        tells="The vSphere Client got no answer it could use from the STS.",
        source=f"{_KB}, KB 436368; that the client logs what it shows is unverified",
    ),
    Signature(
        id="identity-providers",
        pattern=r"An error occurred while fetching identity providers",
        logs=_UI,
        tells="The vSphere Client could not ask which identity providers there are.",
        source="KB 421381, KB 344201; that the client logs what it shows is unverified",
    ),
    Signature(
        id="certificate-expired",
        pattern=r"CertificateExpiredException|certificate has expired|certificate verify failed",
        logs=_ALL_CLIENTS,
        tells="A service did not accept the certificate of another one.",
        source="KB 442815; the names are OpenSSL's and Java's own",
    ),
    Signature(
        id="anchor-mismatch",
        pattern=r"Server certificate chain (is )?not (verified|trusted)"
        r"|thumbprint (doesn't|did not) match",
        logs=_ALL_CLIENTS,
        tells="A certificate was another one than the lookup service names.",
        source="texts of VMware's vmomi client library; in which log they appear is unverified",
    ),
    Signature(
        id="no-trusted-path",
        pattern=r"Failed to find trusted path to signing certificate",
        logs=(*_ALL_CLIENTS, *_STS),
        tells="A token was signed by a certificate that no trusted chain leads to.",
        source="KB 431643",
    ),
    Signature(
        id="tenant-unread",
        pattern=r"Failed to refreshTenantCredentialCache",
        logs=_STS,
        tells="The identity service could not read the STS entries of its directory.",
        source="Lightwave IdentityManager.java, 1ff3beaa",
    ),
    Signature(
        id="no-credential",
        pattern=r"[Tt]enant .*has no (signing )?credential|[Nn]o tenant credential",
        logs=_STS,
        tells="The directory held no signing credential.",
        source="unverified: no public excerpt was found",
    ),
    Signature(
        id="read-only",
        pattern=r"Server in read-only mode",
        logs=("vmdird-syslog.log",),
        tells="vmdird refused a write because it is read-only.",
        source="Lightwave vmdir/server/middle-layer/modify.c, 1ff3beaa",
    ),
    Signature(
        id="disk-full",
        pattern=r"No space left on device",
        logs=("vmon.log", *_CLIENTS, *_STS, "vmdird-syslog.log"),
        tells="A partition was full when this was written.",
        source="the kernel's own text (ENOSPC)",
    ),
    Signature(
        id="start-failed",
        pattern=r"Failed to (start|initialize) VMware VirtualCenter",
        logs=("vpxd.log",),
        tells="vpxd gave up while it started; the lines before tell why.",
        source="KB 442815",
    ),
    Signature(
        id="renewal-failed",
        pattern=r"Operation failed, performing automatic rollback",
        logs=("certificate-manager.log",),
        tells="certificate-manager could not replace a certificate, and went back.",
        source="what certificate-manager prints (unverified that it logs it)",
    ),
)
"""Every kind of line that is looked for."""


WEB_SIGNATURES: Final = (
    Signature(
        id="no-upstream",
        pattern=r"no healthy upstream",
        logs=(),
        tells="Envoy (7.0 and later) has no service behind this page that runs.",
        source=_KB,
    ),
    Signature(
        id="no-endpoint",
        pattern=r"Failed to connect to endpoint",
        logs=(),
        tells="The proxy of 6.x cannot reach the service behind this page.",
        source=_KB,
    ),
    Signature(
        id="credentials-required",
        pattern=r"User ?name and password are required",
        logs=(),
        tells="The login page takes no name and password, whatever is typed.",
        source=f"{_KB}; interpip.es",
    ),
)
"""What pages say, besides what logs say."""

BY_ID: Final = {signature.id: signature for signature in (*SIGNATURES, *WEB_SIGNATURES)}
