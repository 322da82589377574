"""Who has to learn a new machine certificate, from the extensions that are registered. Pure.

Source: vsphere.md 8: keys are those that public inventory scripts and VMware's pages name; what
each product needs is documented for some and general knowledge for others, which says so. A
repair of the STS credential alone changes no TLS certificate: then nobody who is registered has to
learn anything, but those who keep what the STS signed with do (`OF_THE_SIGNER`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product that registers extensions; *keys* are patterns of their names. *action* is what
    it needs after a node's machine certificate changed. *sure* is False where nobody here knows
    it from documentation.
    """

    name: str
    keys: tuple[str, ...]
    action: str
    sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """A product that is registered, by which extensions, and what to do about it."""

    product: str
    keys: tuple[str, ...]
    action: str
    sure: bool


PRODUCTS: Final = (
    Product(
        name="NSX",
        keys=("com.vmware.nsx.*", "com.vmware.vshieldmanager"),
        action="edit the compute manager and accept the new thumbprint",
        sure=False,
    ),
    Product(
        name="Site Recovery Manager or VMware Live Recovery",
        keys=("com.vmware.vcdr*",),
        action="reconfigure the appliance and reconnect the sites",
    ),
    Product(
        name="vSphere Replication",
        keys=("com.vmware.vchms*", "com.vmware.vr.*"),
        action='"Save and Restart Service" in its appliance management, or restart VRMS (8.x)',
    ),
    Product(
        name="Aria Operations (vROps)",
        keys=("com.vmware.vcops*", "com.vmware.vrops*"),
        action="edit the account, validate, and accept the new certificate (KB 441138)",
    ),
    Product(
        name="HCX",
        keys=("com.vmware.hybridity*", "com.vmware.hcx*"),
        action="trust vCenter again in its configuration",
        sure=False,
    ),
    Product(
        name="Cloud Director Availability",
        keys=("com.vmware.h4.*",),
        action="trust vCenter again in its configuration",
        sure=False,
    ),
    Product(
        name="Veeam",
        keys=("com.veeam*",),
        action="confirm vCenter's new certificate in its list of servers",
        sure=False,
    ),
)

_OWN: Final = (
    "com.vmware.vim.*",
    "com.vmware.vcintegrity*",
    "com.vmware.vlcm*",
    "com.vmware.rbd*",
    "com.vmware.imagebuilder*",
    "com.vmware.vsan*",
    "com.vmware.vsphere*",
    "com.vmware.cl",
    "com.vmware.ovf",
    "com.vmware.h5ngc",
    "com.vmware.vcenter*",
    "virtualcenter",
    "vcenterserver",
    "hostdiag",
    "licenseservice",
)
"""vCenter's own extensions, in lower case: its scripts and this run see to them."""

_LINKED: Final = (
    "Hybrid Linked Mode without a gateway: synchronize the certificates from the cloud to "
    "on-premises again (KB 316619)"
)
_TASKS: Final = (
    "Scheduled tasks of users: their tokens are of the old STS certificate; remove them in the "
    "vSphere Client and make them again (KB 385375)"
)

_HORIZON: Final = (
    "Horizon: if a Connection Server says that it cannot tell vCenter's validity, accept vCenter "
    "there again (KB 67701)"
)

OF_THE_SIGNER: Final = (_LINKED, _HORIZON, _TASKS)
"""What is left to do after a new STS credential although no TLS certificate changed. KB 316619
names the first twice and refers to KB 67701 for the second; nobody here has seen either.
"""

ALWAYS: Final = (
    "Horizon: accept vCenter's new certificate in its console (KB 67701); it registers nothing",
    _LINKED,
    _TASKS,
    "Monitoring, backup and scripts that pin a fingerprint of these nodes: give them the new one",
)
"""What leaves no trace among the extensions."""


def dependents(keys: Iterable[str]) -> tuple[Dependent, ...]:
    """Return who has to learn new machine certificates, known products first; *keys* are names
    of registered extensions.
    """
    left = sorted(set(keys))
    found = []
    for product in PRODUCTS:
        matching = tuple(key for key in left if _matches(key, product.keys))
        if matching:
            left = [key for key in left if key not in matching]
            found.append(
                Dependent(
                    product=product.name, keys=matching, action=product.action, sure=product.sure
                )
            )
    others = tuple(key for key in left if not _matches(key, _OWN))
    if others:
        found.append(
            Dependent(
                product="Others",
                keys=others,
                action="see their documentation whether they pin vCenter's certificate",
                sure=False,
            )
        )
    return tuple(found)


def _matches(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(key.lower(), pattern) for pattern in patterns)
