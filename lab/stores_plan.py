"""What is wrong in nodes' own stores, in VMCA and in extensions. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.lab.certificate_plan import CertificatePlan

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class StoresPlan:
    """What is spoiled on disks. VMCA is that of the first controller; stores, database, accounts
    and extensions are those of the first vCenter.

    Args:
        stopped: Services of these two nodes that do not run.
        removed: Programs of the first controller that are gone, by path.
        root: What was done to VMCA's root.cer since vmcad read it: ``missing``, ``broken``,
            ``replaced`` (its key as well) or ``key`` (its key only); empty: nothing.
        root_unlisted: VMCA was given a root of the same key; the directory lists the one before.
        entries: Days that are left to certificates of VMCA that somebody put into stores since
            the services were started, by store; nothing else was told.
        lost_accounts: Solution users whose accounts the directory has lost.
        roots_stale: vmafd copies no trusted roots until it is restarted; one is missing.
        extension_lost: An extension is known by a certificate that is nowhere any more.
        scheduled_tasks: How many tasks users have.
    """

    stopped: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    root: str = ""
    root_unlisted: bool = False
    entries: Mapping[str, float] = field(default_factory=dict)
    lost_accounts: tuple[str, ...] = ()
    roots_stale: bool = False
    extension_lost: bool = False
    scheduled_tasks: int = 0


UNSPOILT = StoresPlan()

CERTOOL = "/usr/lib/vmware-vmca/bin/certool"

STORES_PLANS = {
    "vmca-down": ("vmcad of the first controller does not run", StoresPlan(stopped=("vmcad",))),
    "vmca-no-certool": (
        "the first controller has no certool",
        StoresPlan(removed=(CERTOOL,)),
    ),
    "vmca-root-missing": (
        "root.cer of the first controller's VMCA is gone; vmcad still has it in memory",
        StoresPlan(root="missing"),
    ),
    "vmca-root-broken": (
        "root.cer of the first controller's VMCA holds no certificate any more",
        StoresPlan(root="broken"),
    ),
    "vmca-root-not-reloaded": (
        "the first controller's VMCA has another root and key; vmcad was not restarted",
        StoresPlan(root="replaced"),
    ),
    "vmca-key-mismatch": (
        "the key of the first controller's VMCA is not that of root.cer",
        StoresPlan(root="key"),
    ),
    "vmca-root-unlisted": (
        "the directory lists an earlier root of the first controller's VMCA",
        StoresPlan(root_unlisted=True),
    ),
    "machine-ssl-not-restarted": (
        "the first vCenter's machine certificate was replaced; nothing was restarted since",
        StoresPlan(entries={"MACHINE_SSL_CERT": 700.0}),
    ),
    "machine-ssl-replaced-expired": (
        "as machine-ssl-not-restarted, by a certificate that has expired",
        StoresPlan(entries={"MACHINE_SSL_CERT": -1.0}),
    ),
    "solution-user-replaced": (
        "vpxd of the first vCenter has another certificate than its account in the directory",
        StoresPlan(entries={"vpxd": 300.0}),
    ),
    "solution-user-replaced-expired": (
        "as solution-user-replaced, by a certificate that has expired",
        StoresPlan(entries={"vpxd": -1.0}),
    ),
    "solution-user-lost": (
        "the directory has lost the account of the first vCenter's vpxd-extension",
        StoresPlan(lost_accounts=("vpxd-extension",)),
    ),
    "roots-not-copied": (
        "the first vCenter lacks a trusted root of the directory: vmafd stopped to copy them",
        StoresPlan(roots_stale=True),
    ),
    "extension-unknown": (
        "an extension of the first vCenter is known by a certificate that is gone",
        StoresPlan(extension_lost=True),
    ),
    "scheduled-tasks": (
        "users have three scheduled tasks on the first vCenter",
        StoresPlan(scheduled_tasks=3),
    ),
    "database-down": (
        "the database of the first vCenter does not run",
        StoresPlan(stopped=("vmware-vpostgres",)),
    ),
}
"""Texts and plans by the name of the scenario. The STS certificate has expired in all of them."""

ISSUER_PLANS: Mapping[str, tuple[str, CertificatePlan, tuple[str, ...], tuple[str, ...]]] = {
    "sms-expired": (
        "the certificate of each vCenter's storage monitoring service has expired",
        CertificatePlan(sms_days=-2),
        (),
        (),
    ),
    "vmca-root-short": (
        "the root of the first controller's VMCA ends in less than four years",
        CertificatePlan(vmca_days=1400),
        (),
        (),
    ),
    "machine-ssl-company-ca": (
        "the first node's machine certificate, of the company's own CA, has expired",
        CertificatePlan(machine_days=-2, machine_by_company=True, pinned=True),
        ("--renew", "expired"),
        ("RENEW-CUSTOM-CA",),
    ),
    "vmca-subordinate": (
        "the first controller's VMCA is subordinate to the company's own CA and ends in 20 days",
        CertificatePlan(
            vmca_days=20, machine_days=15, solution_user_days=15, vmca_subordinate=True
        ),
        ("--new-vmca-root",),
        ("RENEW-SUBORDINATE",),
    ),
}
"""Texts and plans of what was issued, or by whom, what an operator adds to ``stsfix run``, and the
risks that one has to take; the STS certificate has expired, too.
"""
