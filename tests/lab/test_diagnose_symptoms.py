"""Every symptom that VMware's article lists has a scenario whose cause is named, with the line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from diagnosed_lab import cause_of, examined, named

if TYPE_CHECKING:
    from stsfix.remediation.diagnosis.model import Quote

pytestmark = pytest.mark.lab


class Symptom(NamedTuple):
    """What people see (*title*, by the article), the *scenario* that shows it, the *cause* that is
    named, and *where* which *words* are quoted.
    """

    title: str
    scenario: str
    cause: str
    where: str
    words: str
    topology: str = "elm"


SYMPTOMS = (
    Symptom(
        "The vmware-vpxd service fails to start",
        "expired",
        "STS-EXPIRED",
        "/sdk/vimServiceVersions.xml: 503",
        "no healthy upstream",
    ),
    Symptom(
        "HTTP Status 400 - Bad Request Message BadRequest, Signing certificate is not valid",
        "expired-while-running",
        "STS-EXPIRED",
        "/var/log/vmware/sso/websso.log",
        "ERROR 400, message BadRequest, Signing certificate is not valid",
    ),
    Symptom(
        "vpxd-svcs.log: Server rejected the provided time range",
        "expired",
        "STS-EXPIRED",
        "/var/log/vmware/vpxd-svcs/vpxd-svcs.log",
        "Server rejected the provided time range. Cause:ns0:InvalidTimeRange: The token authority "
        "rejected an issue request for TimePeriod [startTime=",
    ),
    Symptom(
        "503 Service Unavailable",
        "expired",
        "STS-EXPIRED",
        "/sdk/vimServiceVersions.xml: 503",
        "Failed to connect to endpoint: [N7Vmacore4Http20NamedPipeServiceSpecE:0x",
        "external-psc",
    ),
    Symptom(
        "No healthy upstream",
        "expired",
        "STS-EXPIRED",
        "/ui/: 503",
        "no healthy upstream",
    ),
    Symptom(
        # Shown when credentials are sent, and diagnose sends none: what is behind it is quoted.
        "User name and password are required",
        "expired-while-running",
        "STS-EXPIRED",
        "/var/log/vmware/sso/websso.log",
        "Signing certificate is not valid",
    ),
    Symptom(
        "Replacing any certificate on either PSC or VCSA fails",
        "expired-while-running",
        "STS-EXPIRED",
        "/var/log/vmware/vmcad/certificate-manager.log",
        "Operation failed, performing automatic rollback",
    ),
    Symptom(
        # All of them need a token first.
        "Registrations in the Lookup Service, repointing and new PSCs fail",
        "expired-while-running",
        "STS-EXPIRED",
        "its STS, asked for a token",
        "Signing certificate is not valid at ",
    ),
    Symptom(
        "Cannot connect to vCenter Single Sign-On server https://VC_FQDN/sts/STSService/...",
        "sts-stopped",
        "STS-EXPIRED",
        "/var/log/vmware/vsphere-ui/logs/vsphere_client_virgo.log",
        "Cannot connect to vCenter Single Sign-On server "
        "https://vc1.lab.example/sts/STSService/vsphere.local",
    ),
    Symptom(
        "Cannot connect to vCenter Single Sign-On server https://VC_FQDN:7444/sts/STSService/...",
        "sts-stopped",
        "STS-EXPIRED",
        "/var/log/vmware/vsphere-ui/logs/vsphere_client_virgo.log",
        "Cannot connect to vCenter Single Sign-On server "
        "https://psc1.lab.example:7444/sts/STSService/vsphere.local",
        "external-psc",
    ),
    Symptom(
        "[400] An error occurred while sending an authentication request",
        "expired-while-running",
        "STS-EXPIRED",
        "/var/log/vmware/vsphere-ui/logs/vsphere_client_virgo.log",
        "[400] An error occurred while sending an authentication request to the vCenter Single "
        "Sign-On server",
    ),
    Symptom(
        "vpxd.log: Failed to read X509 cert; err: 151441516",
        "expired-while-running",
        "STS-EXPIRED",
        "/var/log/vmware/vpxd/vpxd.log",
        "Failed to read X509 cert; err: 151441516",
    ),
    Symptom(
        "Exporting a VM as OVF fails; cls.log: Unauthenticated",
        "expired-while-running",
        "STS-EXPIRED",
        "/var/log/vmware/content-library/cls.log",
        "Authentication failed com.vmware.vapi.std.errors.Unauthenticated: Unauthenticated",
    ),
    Symptom(
        "The machine certificate has expired (KB 442815)",
        "machine-ssl-expired",
        "MACHINE-SSL-EXPIRED",
        "/var/log/vmware/vpxd-svcs/vpxd-svcs.log",
        "CertificateExpiredException: NotAfter: ",
    ),
    Symptom(
        "The time of a node is wrong",
        "node-clock-far",
        "CLOCK-WRONG",
        "its STS, asked for a token",
        "This might be due to a clock skew problem.",
    ),
    Symptom(
        "No trusted chain for the signing certificate (KB 431643)",
        "signer-untrusted",
        "STS-UNTRUSTED",
        "/var/log/vmware/vsphere-ui/logs/vsphere_client_virgo.log",
        "Failed to find trusted path to signing certificate <CN=ssoserverSign>",
    ),
    Symptom(
        "A partition is full",
        "database-partition-out",
        "DISK-FULL",
        "/var/log/vmware/vpxd/vpxd.log",
        "No space left on device",
    ),
    Symptom(
        "An entry keeps the tenant from being read",
        "malformed-index",
        "STS-ENTRY-BROKEN",
        "/var/log/vmware/sso/vmware-identity-sts.log",
        "Failed to refreshTenantCredentialCache for tenant vsphere.local",
    ),
)


def _quotes(symptom: Symptom) -> list[Quote]:
    _, diagnosis = examined(symptom.scenario, symptom.topology)
    lines = cause_of(diagnosis, symptom.cause).lines
    return [q for q in lines if symptom.where in q.where and symptom.words in q.text]


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda symptom: symptom.title)
def test_the_cause_of_a_symptom_is_named_with_its_line(symptom: Symptom) -> None:
    """Its scenario has the cause among those proven, and quotes the words people see."""
    _, diagnosis = examined(symptom.scenario, symptom.topology)

    assert named(diagnosis)[symptom.cause] == "PROVEN"
    assert _quotes(symptom), [(q.where, q.text) for q in cause_of(diagnosis, symptom.cause).lines]


@pytest.mark.parametrize(("scenario", "zone"), [("expired", "UTC"), ("sts-stopped", "CEST")])
def test_a_refusal_tells_the_dates_of_the_signer_in_force(scenario: str, zone: str) -> None:
    """The dates that are quoted are known for the certificate's own, in any time zone."""
    _, diagnosis = examined(scenario)
    quotes = [q for q in cause_of(diagnosis, "STS-EXPIRED").lines if "cert validity" in q.text]

    assert quotes
    assert all(re.search(rf"endTime=[\w :]+ {zone} \d{{4}}\]", q.text) for q in quotes)
    assert not [quote for quote in diagnosis.history if quote.kind == "signer-dates"]


def test_history_is_told_and_names_nothing() -> None:
    """Lines of an expiry that was repaired two years ago are quoted as history, not as a cause."""
    _, diagnosis = examined("repaired-long-ago")

    assert not diagnosis.causes
    assert {quote.kind for quote in diagnosis.history} == {"signer-dates"}
    assert all("the one in force is valid" in quote.note for quote in diagnosis.history)
