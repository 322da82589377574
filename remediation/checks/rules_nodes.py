"""What preflight looks for in the nodes themselves. Data only; the checks are in `nodes`."""

from __future__ import annotations

from stsfix.snapshot.risk import Rule, Severity

BLOCKS, WARNS = Severity.BLOCKS, Severity.WARNS

_CLOCK_LIMITS = "limits are ours; the STS tolerates 10 minutes and Kerberos 5 (unverified)"

VCHA_ADVICE = "Remove its configuration first: destroy-vcha on 6.x, vcha-destroy on later releases."
"""Source: vSphere 6.5 and 6.7 Availability guides, pp. 72, 86 (vsphere.md 1.5)."""

RULES = (
    Rule(
        id="NODE-CLOCK",
        severity=BLOCKS,
        title="A node's clock is wrong",
        why="Tokens and certificates are judged by it: a good certificate can look expired, or "
        "not valid yet.",
        source=f"KB 316619 (InvalidTimeRange); {_CLOCK_LIMITS}",
        advice="Give nodes, hosts and workstation the same NTP server.",
        acceptable=True,
    ),
    Rule(
        id="NODE-CLOCK-HOST",
        severity=BLOCKS,
        title="A node and its host tell different times",
        why="VMware Tools sets the node's clock to the host's at power-on and at revert, so the "
        "node's time would jump during the run.",
        source=f"VMware Tools 12.4 guide, time synchronization; {_CLOCK_LIMITS}",
        advice="Give the host and the node the same NTP server.",
        acceptable=True,
    ),
    Rule(
        id="VMDIR-STATE",
        severity=BLOCKS,
        title="A directory is not in its normal state",
        why="A read-only directory refuses the new credential and takes no replication; the "
        "domain would be repaired in part.",
        source="KB 416211; vmdird measured: every write is refused with 53",
        advice="Bring vmdir back to Normal first (open a case with the vendor).",
    ),
    Rule(
        id="NODE-IDENTITY",
        severity=BLOCKS,
        title="The VM that was found is another node",
        why="Somebody else's vCenter would be shut down and reverted, and the real node would not "
        "be snapshotted: a rollback would tear the domain apart.",
        source="vmafd-cli get-pnid; KB 313886",
        advice="Add the host of the real node to domain.toml, or name its VM there by its instance "
        "UUID.",
    ),
    Rule(
        id="NODE-VCHA",
        severity=BLOCKS,
        title="vCenter HA is configured",
        why="Snapshots of VCHA nodes disrupt its database replication, and a revert has "
        "unpredictable results.",
        source="KB 427313; vSphere 6.7 Availability guide, pp. 72, 86; signs: vCert (HACore); "
        "/etc/vmware-vcha alone is unverified, and warns",
        advice=f"{VCHA_ADVICE} Repair, then configure it again.",
    ),
    Rule(
        id="NODE-GATEWAY",
        severity=BLOCKS,
        title="A node is embedded, and has neither vmdird nor a directory that answers",
        why="It is a gateway, which holds no directory, or a node whose directory is lost: from "
        "outside they look the same, and leaving the latter out would tear the domain apart.",
        source="fixsts.sh (KB 316619) refuses gateways by this path; ADR 55",
        advice="If its directory should run, mend that; of a gateway ask the vendor how to repair "
        "the domain without it (open a case).",
    ),
    Rule(
        id="NODE-VERSION-MIXED",
        severity=WARNS,
        title="The nodes are of different releases",
        why="vCenter itself refuses to refresh the STS certificate in such a domain, and services "
        "of a half-upgraded one may not start in any order.",
        source="vSphere 7.0 U3 API reference, signing certificate refresh",
        advice="Finish the upgrade first if that is possible with an expired certificate.",
    ),
    Rule(
        id="DOMAIN-LEVEL-MIXED",
        severity=WARNS,
        title="Directories tell different functional levels",
        why="One of them missed a change of the whole domain.",
        source="rootDSE, vmwMaximumDomainFunctionalLevel (vmdird measured)",
        advice="Check replication, then compare the levels again.",
    ),
    Rule(
        id="ROOT-PASSWORD-EXPIRED",
        severity=BLOCKS,
        title="Root's password of a node has ended",
        why="Guest operations, SSH and VAMI refuse root, so its services could not be restarted.",
        source="KB 332308, KB 322247; open-vm-tools, PAM account check",
        advice="Log in at the node's console, change the password, and tell stsfix.",
    ),
    Rule(
        id="ROOT-PASSWORD-EXPIRING",
        severity=WARNS,
        title="Root's password of a node ends within days",
        why="When it has ended neither this run nor its rollback can restart services.",
        source="KB 332308, KB 322247: 90 days from 6.5 on",
        advice="Change it before the run.",
    ),
    Rule(
        id="NODE-DISK-FULL",
        severity=BLOCKS,
        title="A partition of a node is full",
        why="Services do not start when they cannot write their logs.",
        source="field reports: a full /storage/log after a repair; limits are ours",
        advice="Free space on the partition.",
        acceptable=True,
    ),
    Rule(
        id="SERVICES-CORE-DOWN",
        severity=BLOCKS,
        title="vmdird or vmafdd does not run",
        why="They do not depend on the STS certificate: something else is wrong, and the repair "
        "would not mend it.",
        source="vCert refuses to work without them",
        advice="Start it (service-control --start) and find out why it stopped.",
    ),
    Rule(
        id="NODE-NOT-CHECKED",
        severity=WARNS,
        title="Something about a node could not be read",
        why="What it hides shows itself during the outage.",
        source="stsfix",
        advice="Mend this and run preflight again, or look at it by hand.",
    ),
    Rule(
        id="NODE-NOT-IN-DOMAIN",
        severity=BLOCKS,
        title="A configured node is not listed in the domain",
        why="It may be of another domain, or the directory has forgotten it.",
        source="KB 425780",
        advice="Take it out of sso.nodes, or find out why the directory does not list it.",
    ),
    Rule(
        id="REPL-LISTS-DIFFER",
        severity=BLOCKS,
        title="Two directories list different nodes",
        why="A node that only some know would be left out of the repair, or of a revert.",
        source="KB 425780; vmdird measured: lost changes show in no status line",
        advice="Restore replication before the repair (open a case with the vendor).",
    ),
    Rule(
        id="REPL-ONE-WAY",
        severity=BLOCKS,
        title="A replication agreement goes one way only",
        why="Changes of one node never reach the other, at least not directly.",
        source="vmdir pulls along each node's own agreements (Lightwave replication2)",
        advice="Make the missing agreement (vdcrepadmin -f createagreement -2).",
    ),
    Rule(
        id="REPL-LAG",
        severity=WARNS,
        title="A directory is behind its partner",
        why="It has not seen recent changes; it was catching up while preflight watched.",
        source="vmdird measured: 2 to 8 behind is normal at rest",
        advice="Wait until it has caught up, then run preflight again.",
    ),
    Rule(
        id="REPL-STALLED",
        severity=BLOCKS,
        title="Replication stands still",
        why="The new credential would not reach every node, and logins there would go on failing.",
        source="vmdird measured: a stalled vector is the sign of a partner that cannot pull",
        advice="Restore replication before the repair (vdcrepadmin -f showpartnerstatus).",
    ),
)
