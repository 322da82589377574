"""The services of a vCenter Server on Windows: which there are and what each needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.service import Service

if TYPE_CHECKING:
    from stsfix.lab.disk import Role, WindowsSetup


def windows_services(role: Role, setup: WindowsSetup) -> tuple[Service, ...]:
    """Return the services of a Windows node in the order they start.

    Source: names of the first four and of vMon's are in VMware's PSC guides 6.5 and 6.7 and in
    public logs of a Windows vCenter 6.5; VMwareSTS and VMwareIdentityMgmtService are those of
    Lightwave's installers. They take longer than an appliance's (vsphere.md 9) [K]. There is no
    applmgmt.
    """
    found = [Service(name="VMWareAfdService", start_s=10, stop_s=8, profile=False, part="vmafdd")]
    if role.has_directory:
        directory, afd = "VMWareDirectoryService", "VMWareAfdService"
        found += [
            Service(
                name=directory, start_s=15, stop_s=20, profile=False, needs=(afd,), part="vmdird"
            ),
            Service(
                name="VMWareCertificateService",
                start_s=8,
                stop_s=8,
                profile=False,
                needs=(directory,),
                part="vmcad",
            ),
            Service(
                name="VMwareIdentityMgmtService",
                start_s=15,
                stop_s=10,
                profile=False,
                needs=(directory,),
            ),
            Service(
                name="VMwareSTS",
                start_s=45,
                stop_s=25,
                profile=False,
                needs=("VMwareIdentityMgmtService",),
                part="vmware-stsd",
            ),
        ]
    found += [
        Service(name="rhttpproxy", start_s=8, stop_s=6, part="vmware-rhttpproxy"),
        Service(name="pschealth", start_s=5, stop_s=4),
    ]
    if role.has_vcenter:
        database = () if setup.external_database else ("vmware-vpostgres",)
        found += [Service(name=name, start_s=15, stop_s=12) for name in database]
        found += [
            Service(
                name="vpxd-svcs",
                start_s=45,
                stop_s=20,
                needs=database,
                part="vmware-vpxd-svcs",
            ),
            Service(name="vpxd", start_s=60, stop_s=60, needs=("vpxd-svcs",), part="vmware-vpxd"),
            Service(
                name="vapi-endpoint",
                start_s=25,
                stop_s=15,
                needs=("vpxd-svcs",),
                part="vmware-vapi-endpoint",
            ),
            Service(name="vsphere-ui", start_s=30, stop_s=20, needs=("vpxd",)),
        ]
    manual = ("mbcs", "netdumper", "rbd", "vmcam")
    found += [Service(name=name, start_s=8, stop_s=5, automatic=False) for name in manual]
    return tuple(found)
