"""What is special about a lab's certificates besides the STS entries. Data only."""

from __future__ import annotations

from dataclasses import dataclass

LOCAL = ("ldap://localhost:389",)
"""vmwSTSConnectionStrings of the domain's own identity source, as vCert wants it (KB 367229)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatePlan:
    """What differs from certificates that are all in order; days are left until the end.

    Args:
        machine_days: Of the first node's machine certificate.
        machine_names: Its subject alternative names instead of the node's FQDN.
        machine_by_company: A company's own CA has issued it, whose root everybody trusts.
        ldaps_differs: The first node's directory shows another certificate than its port 443.
        solution_user_days: Of the first node's solution users.
        vmca_days: Of the first controller's VMCA root; None for the usual ten years.
        vmca_subordinate: The first controller's VMCA is subordinate to that CA.
        everywhere: The days above are those of every node, not only of the first.
        encipherment_days: Of each vCenter's data-encipherment certificate.
        sms_days: Of the certificate of each vCenter's storage monitoring service.
        certool_days: How long certificates of certool last.
        leftovers: Stores keep what an old upgrade and certificate-manager left: a legacy STS
            certificate and backups, all expired and of no use to anybody.
        root_expired: An old root, of no use to anybody, has expired.
        root_not_ca: A leaf is among the trusted roots.
        root_twice: Two trusted roots have one subject and different keys.
        crls: How many old roots there are with a revocation list each.
        sts_root_unlisted: The STS credential's root is not among the trusted roots.
        sts_wrong_root: The STS credential's chain ends in a root that did not issue its leaf.
        sts_bits: Size of the STS credential's RSA key.
        sts_may_sign: The STS credential's key usage allows signatures.
        sts_stale: The first node's STS still works with the credential before the newest one,
            until it is restarted.
        jwks_differs: The first node's JWKS shows another key than its SAML metadata.
        lookup_trust_old: Registrations of the first controller hold an old machine certificate.
        connections: Of the domain's own identity source.
        source_days: Of the certificate of another identity source; None for no such source.
        smart_card: There are smart-card client CAs.
        passwords: The login policy of the tenant allows passwords.
        external_idp: There is an external identity provider.
        other_chain: There is a trusted chain below a container that no release is known to have.
        root_malformed: An entry of the trusted roots holds no certificate.
        pinned: The operator pins all certificates, because they cannot be verified.
    """

    machine_days: float = 365.0
    machine_names: tuple[str, ...] = ()
    machine_by_company: bool = False
    ldaps_differs: bool = False
    solution_user_days: float = 365.0
    vmca_days: float | None = None
    vmca_subordinate: bool = False
    everywhere: bool = False
    encipherment_days: float = 365.0
    sms_days: float = 3650.0
    certool_days: float = 730.0
    leftovers: bool = False
    root_expired: bool = False
    root_not_ca: bool = False
    root_twice: bool = False
    crls: int = 0
    sts_root_unlisted: bool = False
    sts_wrong_root: bool = False
    sts_bits: int = 2048
    sts_may_sign: bool = True
    sts_stale: bool = False
    jwks_differs: bool = False
    lookup_trust_old: bool = False
    connections: tuple[str, ...] = LOCAL
    source_days: float | None = None
    smart_card: bool = False
    passwords: bool = True
    external_idp: bool = False
    other_chain: bool = False
    root_malformed: bool = False
    pinned: bool = False


IN_ORDER = CertificatePlan()

PLANS = {
    "machine-certificate-expiring": (
        "the first node's machine certificate ends in 10 days",
        CertificatePlan(machine_days=10),
    ),
    "machine-certificate-name": (
        "the first node's machine certificate does not name its FQDN",
        CertificatePlan(machine_names=("vcenter.lab.example",), pinned=True),
    ),
    "tls-ports-differ": (
        "the first node's directory shows another certificate than its port 443",
        CertificatePlan(ldaps_differs=True),
    ),
    "solution-users-expired": (
        "the first node's solution users have expired",
        CertificatePlan(solution_user_days=-1),
    ),
    "solution-users-expiring": (
        "the first node's solution users end in 10 days",
        CertificatePlan(solution_user_days=10),
    ),
    "vmca-expired": (
        "the first node's VMCA root has expired",
        CertificatePlan(vmca_days=-1, pinned=True),
    ),
    "vmca-expiring": (
        "the first node's VMCA root ends in 20 days",
        CertificatePlan(vmca_days=20, machine_days=15, solution_user_days=15),
    ),
    "root-expired": ("an old trusted root has expired", CertificatePlan(root_expired=True)),
    "root-not-ca": ("a leaf is among the trusted roots", CertificatePlan(root_not_ca=True)),
    "root-twice": (
        "two trusted roots have the same subject",
        CertificatePlan(root_twice=True),
    ),
    "crl-many": ("40 old roots with a revocation list each", CertificatePlan(crls=40)),
    "crl-flood": ("120 old roots with a revocation list each", CertificatePlan(crls=120)),
    "sts-untrusted-root": (
        "the STS credential's root is not among the trusted roots",
        CertificatePlan(sts_root_unlisted=True),
    ),
    "sts-wrong-root": (
        "the STS credential's chain ends in a root that did not issue its leaf",
        CertificatePlan(sts_wrong_root=True),
    ),
    "weak-key": ("the STS signs with an RSA key of 1024 bits", CertificatePlan(sts_bits=1024)),
    "sts-key-usage": (
        "the STS certificate's key usage does not allow signatures",
        CertificatePlan(sts_may_sign=False),
    ),
    "root-malformed": (
        "an entry of the trusted roots holds no certificate",
        CertificatePlan(root_malformed=True),
    ),
    "published-differs": (
        "the first node's STS did not reload: it signs with the credential before",
        CertificatePlan(sts_stale=True),
    ),
    "jwks-differs": (
        "the first node's JWKS shows another key than its SAML metadata",
        CertificatePlan(jwks_differs=True),
    ),
    "lookup-trust-mismatch": (
        "the lookup service still names the first node's old machine certificate",
        CertificatePlan(lookup_trust_old=True),
    ),
    "connection-string-remote": (
        "every node's identity source points to the first node's directory",
        CertificatePlan(connections=("ldap://vc1.lab.example:389",)),
    ),
    "identity-source-expired": (
        "the certificate of another identity source has expired",
        CertificatePlan(source_days=-1),
    ),
    "smart-card": ("people log in with smart cards", CertificatePlan(smart_card=True)),
    "smart-card-only": (
        "people log in with smart cards and nobody with a password",
        CertificatePlan(smart_card=True, passwords=False),
    ),
    "external-idp": (
        "people log in at an external identity provider",
        CertificatePlan(external_idp=True),
    ),
    "chain-of-nobody": (
        "the tenant has a trusted chain below a container that no release is known to have",
        CertificatePlan(other_chain=True),
    ),
}
"""Texts and plans by the name of the scenario; everything else is healthy in them."""

RENEW = ("--renew", "expired")

REPAIR_PLANS = {
    "sts-and-machine-ssl-expired": (
        "the STS signing certificate and, on every node, machine SSL and solution users expired",
        CertificatePlan(machine_days=-2, solution_user_days=-2, everywhere=True, pinned=True),
        RENEW,
    ),
    "solution-users-and-sts-expired": (
        "the STS signing certificate and the solution users of every node have expired",
        CertificatePlan(solution_user_days=-2, everywhere=True),
        RENEW,
    ),
    "vmca-root-expired": (
        "every VMCA root has expired, with all it had issued and the STS signing certificate",
        CertificatePlan(
            vmca_days=-1, machine_days=-2, solution_user_days=-2, everywhere=True, pinned=True
        ),
        ("--new-vmca-root",),
    ),
    "trust-anchor-mismatch": (
        "the STS has expired, and the lookup service names the first controller's old certificate",
        CertificatePlan(lookup_trust_old=True),
        ("--renew", "all"),
    ),
    "data-encipherment-expired": (
        "the STS signing certificate and each vCenter's data-encipherment certificate expired",
        CertificatePlan(encipherment_days=-2),
        (),
    ),
    "certool-two-years": (
        "the STS has expired, and VMCA's certool makes certificates of two years only",
        CertificatePlan(certool_days=730.0),
        (),
    ),
}
"""Texts, plans and what an operator adds to ``stsfix run``; the STS has expired in all of them."""
