"""Which STS credentials and trusted chains a lab's directory holds. Data only."""

from __future__ import annotations

from dataclasses import dataclass

EXPIRED_DAYS = -3.0
VALID_DAYS = 3000.0
STARTED_DAYS = -733.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialPlan:
    """One TenantCredential. *days* are left until its leaf ends, negative when it has ended.

    Its chain is stored as TrustedCertChain-*chain* too, unless *chain* is None. *name* replaces
    the RDN value, for entries that break the tenant. Its leaf begins in *starts_days*. *spoilt*
    is ``key`` (another one's) or ``certificate`` (not one at all); empty: neither. With *gone*
    its issuer is of no node that is left.
    """

    index: int
    days: float = EXPIRED_DAYS
    chain: int | None = None
    name: str = ""
    starts_days: float = STARTED_DAYS
    spoilt: str = ""
    gone: bool = False

    @property
    def cn(self) -> str:
        """The RDN's value."""
        return self.name or f"TenantCredential-{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPlan:
    """A TrustedCertChain that belongs to no credential: of a node long gone, without leaf, or
    *empty*, without any certificate (no vmdird that was measured takes one).

    With *gone* its issuer is of no node that is left.
    """

    index: int
    days: float = EXPIRED_DAYS
    leaf: bool = True
    gone: bool = False
    starts_days: float = STARTED_DAYS
    empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StsPlan:
    """Entries of a tenant; *chains* are those that belong to no credential."""

    credentials: tuple[CredentialPlan, ...]
    chains: tuple[ChainPlan, ...] = ()


EXPIRED = (CredentialPlan(index=1, chain=1),)
EXPIRING = (CredentialPlan(index=1, days=20, chain=1),)
HEALTHY = (CredentialPlan(index=1, days=VALID_DAYS, chain=1),)
TWO_HEALTHY = (*HEALTHY, CredentialPlan(index=2, days=VALID_DAYS, chain=2))
RENEWED = (*EXPIRED, CredentialPlan(index=2, days=VALID_DAYS, chain=2))
OBSOLETE = StsPlan(
    credentials=(
        CredentialPlan(index=1, days=-900, starts_days=-1630, chain=1, gone=True),
        CredentialPlan(index=2, days=-400, starts_days=-1130, chain=4, gone=True),
        CredentialPlan(index=3, chain=6),
    ),
    chains=(
        ChainPlan(index=2, days=-900, starts_days=-1630, gone=True),
        ChainPlan(index=3, leaf=False, gone=True),
        ChainPlan(index=5, days=VALID_DAYS, gone=True),
    ),
)

STS_PLANS = {
    "gap-in-indexes": (
        "TenantCredential-1 and -3, both expired; fixsts.sh leaves -3 in charge",
        StsPlan(credentials=(*EXPIRED, CredentialPlan(index=3, chain=3))),
    ),
    "malformed-index": (
        "an entry TenantCredential-1-old breaks the load of the whole tenant",
        StsPlan(credentials=(*EXPIRED, CredentialPlan(index=1, name="TenantCredential-1-old"))),
    ),
    "leafless-chain": (
        "a trusted chain of an old upgrade holds a root and no leaf",
        StsPlan(credentials=EXPIRED, chains=(ChainPlan(index=2, leaf=False), ChainPlan(index=5))),
    ),
    "empty-chain": (
        "TrustedCertChain-2 holds no certificate, which breaks the whole tenant",
        StsPlan(credentials=EXPIRED, chains=(ChainPlan(index=2, empty=True),)),
    ),
    "no-credential": (
        "there is no signing credential, as after fixsts.sh that stopped half-way",
        StsPlan(credentials=()),
    ),
    "signer-not-yet-valid": (
        "the signing certificate begins in ten days",
        StsPlan(credentials=(CredentialPlan(index=1, days=VALID_DAYS, starts_days=10, chain=1),)),
    ),
    "signer-untrusted": (
        "no trusted chain belongs to the signing credential",
        StsPlan(credentials=(CredentialPlan(index=1, days=VALID_DAYS),)),
    ),
    "key-mismatch": (
        "the key of TenantCredential-1 is another one's; TenantCredential-2 signs",
        StsPlan(
            credentials=(
                CredentialPlan(index=1, days=VALID_DAYS, chain=1, spoilt="key"),
                CredentialPlan(index=2, days=VALID_DAYS, chain=2),
            )
        ),
    ),
    "signer-key-mismatch": (
        "the key of the signing credential is another one's",
        StsPlan(credentials=(CredentialPlan(index=1, days=VALID_DAYS, chain=1, spoilt="key"),)),
    ),
    "malformed-certificate": (
        "TenantCredential-1 holds no certificate but noise; TenantCredential-2 signs",
        StsPlan(
            credentials=(
                CredentialPlan(index=1, days=VALID_DAYS, spoilt="certificate"),
                CredentialPlan(index=2, days=VALID_DAYS, chain=2),
            )
        ),
    ),
}
"""What else may be wrong with them: a name each, what is told of it, the entries."""
