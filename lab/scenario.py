"""Scenarios: what is wrong, or special, in a lab. Data only; `world` and `lab` apply it."""

from __future__ import annotations

from dataclasses import dataclass

from stsfix.lab.access_plan import ACCESS_PLANS, USUAL, AccessPlan
from stsfix.lab.certificate_plan import IN_ORDER, PLANS, REPAIR_PLANS, CertificatePlan
from stsfix.lab.link_plan import CONNECTED, LINK_PLANS, LinkTrouble
from stsfix.lab.machine_plan import (
    CORRECT,
    FILES_PLANS,
    HOST_PLANS,
    MACHINE_PLANS,
    ORDINARY,
    FilesPlan,
    HostPlan,
    MachinePlan,
)
from stsfix.lab.outage_plan import EXPIRED_PLANS, HEALTHY_PLANS, NO_OUTAGE, OutagePlan
from stsfix.lab.stores_plan import ISSUER_PLANS, STORES_PLANS, UNSPOILT, StoresPlan
from stsfix.lab.sts_plan import (
    EXPIRED,
    EXPIRING,
    HEALTHY,
    OBSOLETE,
    RENEWED,
    STS_PLANS,
    TWO_HEALTHY,
    ChainPlan,
    CredentialPlan,
)
from stsfix.lab.topology import HOSTS
from stsfix.lab.windows_plan import NO_WINDOWS, WINDOWS_PLANS, WindowsPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTrouble:
    """What is wrong in the guests. *vmdir_state*, *vcha*, *pnid* (empty: its own), *password_days*
    and *log_free_kib* (None: as usual) are of the first node; *disabled* services, *no_vmdird*
    (its program is missing) and *version* of the second, where there is one. With *sts_keeps* the
    STS of the last controller reads its tenant when it starts, and never again.
    """

    vmdir_state: str = "Normal"
    vcha: bool = False
    pnid: str = ""
    password_days: float | None = 300.0
    log_free_kib: int | None = None
    disabled: tuple[str, ...] = ()
    no_vmdird: bool = False
    version: str = ""
    sts_keeps: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What differs from a healthy lab. Node numbers count the topology's nodes from 0.

    *age* and *version* replace the topology's when they are not empty. *leafless* is applied to
    the chain of the credential itself. *repair* is what an operator adds to ``stsfix run`` here,
    *accepted* are the risks that one has to take by name.
    """

    name: str
    text: str
    credentials: tuple[CredentialPlan, ...] = EXPIRED
    chains: tuple[ChainPlan, ...] = ()
    hosts: tuple[HostPlan, ...] = ()
    node_clock_offset_s: float = 0.0
    duplicate_vm: bool = False
    independent_disk: bool = False
    dvs_nics: bool = False
    tools_missing: bool = False
    replication_broken: bool = False
    machine_certificate_expired: bool = False
    root_password_expired: bool = False
    age: str = ""
    version: str = ""
    node: NodeTrouble = NodeTrouble()
    windows: WindowsPlan = NO_WINDOWS
    links: LinkTrouble = CONNECTED
    machine: MachinePlan = ORDINARY
    files: FilesPlan = CORRECT
    certificates: CertificatePlan = IN_ORDER
    access: AccessPlan = USUAL
    outage: OutagePlan = NO_OUTAGE
    stores: StoresPlan = UNSPOILT
    repair: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="expired", text="the STS signing certificate has expired; nothing else"),
        Scenario(
            name="healthy",
            text="nothing is wrong",
            credentials=HEALTHY,
        ),
        Scenario(
            name="expiring",
            text="the STS signing certificate ends in 20 days",
            credentials=EXPIRING,
        ),
        Scenario(
            name="sts-keeps",
            text="release 8.0, the STS certificate ends in 20 days; the last STS takes no new one",
            credentials=EXPIRING,
            version="8.0",
            node=NodeTrouble(sts_keeps=True),
        ),
        *(
            Scenario(name=name, text=text, credentials=plan.credentials, chains=plan.chains)
            for name, (text, plan) in STS_PLANS.items()
        ),
        Scenario(
            name="sts-stale",
            text="the STS still signs with a credential that has expired; a new one is there",
            credentials=RENEWED,
            certificates=CertificatePlan(sts_stale=True),
        ),
        Scenario(
            name="duplicate-vm-name",
            text="another live VM has the first node's name and claims its host name",
            duplicate_vm=True,
        ),
        Scenario(
            name="independent-disk",
            text="a disk of the first node is independent: a snapshot leaves it out",
            independent_disk=True,
        ),
        Scenario(
            name="clock-skew",
            text="the first host and its node are 15 minutes ahead",
            hosts=(HostPlan(host=HOSTS[0], clock_offset_s=900.0),),
            node_clock_offset_s=900.0,
        ),
        Scenario(
            name="tools-missing", text="the first node has no VMware Tools", tools_missing=True
        ),
        Scenario(
            name="replication-broken",
            text="the first controller was once reverted alone: its partner is ahead of it",
            replication_broken=True,
        ),
        Scenario(
            name="dvs-nics",
            text="the nodes' NICs are on a distributed switch, non-ephemeral",
            dvs_nics=True,
        ),
        Scenario(
            name="machine-certificate-expired",
            text="the first node's machine certificate has expired too",
            machine_certificate_expired=True,
        ),
        Scenario(
            name="machine-ssl-expired",
            text="the first node's machine certificate has expired; the STS is in order",
            credentials=HEALTHY,
            machine_certificate_expired=True,
        ),
        Scenario(
            name="root-password-expired",
            text="root's password of the first node has expired",
            root_password_expired=True,
        ),
        Scenario(
            name="node-clock",
            text="the first node's clock is 30 seconds ahead of its host's",
            node_clock_offset_s=30.0,
        ),
        Scenario(
            name="node-clock-far",
            text="the first node's clock is an hour behind its host's",
            node_clock_offset_s=-3600.0,
        ),
        Scenario(
            name="node-clock-reset",
            text="the first node's clock fell back three years; the STS certificate is sound",
            credentials=HEALTHY,
            node_clock_offset_s=-3 * 365 * 86400.0,
        ),
        Scenario(
            name="vmdir-read-only",
            text="vmdird of the first node refuses writes",
            node=NodeTrouble(vmdir_state="Read only"),
        ),
        Scenario(
            name="vcha",
            text="the first node is the active node of vCenter HA",
            node=NodeTrouble(vcha=True),
        ),
        Scenario(
            name="somebody-else",
            text="the VM of the first node is another domain's vCenter",
            node=NodeTrouble(pnid="vc1.other.example"),
        ),
        Scenario(
            name="root-password-expiring",
            text="root's password of the first node ends in three days",
            node=NodeTrouble(password_days=3.0),
        ),
        Scenario(
            name="root-password-lapsed",
            text="root's password of the first node has ended, and VMware Tools lets root in",
            node=NodeTrouble(password_days=-4.0),
        ),
        Scenario(
            name="log-partition-full",
            text="/storage/log of the first node is full",
            node=NodeTrouble(log_free_kib=1200),
        ),
        *(
            Scenario(
                name=name,
                text=text,
                windows=plan,
                version=plan.version,
                age=plan.age,
                accepted=plan.accepted,
            )
            for name, (text, plan) in WINDOWS_PLANS.items()
        ),
        Scenario(
            name="gateway",
            text="the second node is a gateway: embedded, without vmdird",
            node=NodeTrouble(no_vmdird=True, disabled=("vmdird",)),
        ),
        Scenario(
            name="vmafdd-down",
            text="vmafdd of the second node does not run, and nothing that needs it",
            node=NodeTrouble(disabled=("vmafdd",)),
        ),
        Scenario(
            name="mixed-versions",
            text="the second node is of an older release; restarts only where needed are asked for",
            node=NodeTrouble(version="6.7"),
            files=FilesPlan(restart="needed"),
        ),
        *(Scenario(name=name, text=text, links=plan) for name, (text, plan) in LINK_PLANS.items()),
        *(
            Scenario(name=name, text=text, hosts=(plan,))
            for name, (text, plan) in HOST_PLANS.items()
        ),
        *(
            Scenario(name=name, text=text, machine=plan)
            for name, (text, plan) in MACHINE_PLANS.items()
        ),
        *(Scenario(name=name, text=text, files=plan) for name, (text, plan) in FILES_PLANS.items()),
        *(
            Scenario(
                name=name,
                text=text,
                credentials=TWO_HEALTHY if plan.sts_stale else HEALTHY,
                certificates=plan,
            )
            for name, (text, plan) in PLANS.items()
        ),
        *(
            Scenario(name=name, text=text, access=plan)
            for name, (text, plan) in ACCESS_PLANS.items()
        ),
        *(
            Scenario(name=name, text=text, credentials=HEALTHY, outage=plan)
            for name, (text, plan) in HEALTHY_PLANS.items()
        ),
        *(
            Scenario(name=name, text=text, outage=plan)
            for name, (text, plan) in EXPIRED_PLANS.items()
        ),
        Scenario(
            name="vami-log-full",
            text="as vami-only, and /storage/log of the first node is full",
            access=ACCESS_PLANS["vami-only"][1],
            node=NodeTrouble(log_free_kib=1200),
        ),
        Scenario(
            name="ssh-root-password-expired",
            text="as ssh-only, and root's password of the first node has expired",
            access=ACCESS_PLANS["ssh-only"][1],
            root_password_expired=True,
        ),
        *(
            Scenario(name=name, text=text, certificates=plan, repair=repair)
            for name, (text, plan, repair) in REPAIR_PLANS.items()
        ),
        *(
            Scenario(name=name, text=text, stores=plan)
            for name, (text, plan) in STORES_PLANS.items()
        ),
        *(
            Scenario(name=name, text=text, certificates=plan, repair=repair, accepted=accepted)
            for name, (text, plan, repair, accepted) in ISSUER_PLANS.items()
        ),
        Scenario(
            name="obsolete-chains",
            text="credentials, chains and stores keep what nodes of 5.x and 6.0 left behind",
            credentials=OBSOLETE.credentials,
            chains=OBSOLETE.chains,
            certificates=CertificatePlan(leftovers=True),
        ),
        Scenario(name="old-server", text="vmdird as in vSphere 6.5", age="A", version="6.5"),
    )
}
