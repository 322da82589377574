"""What is told of a renewal that a run was asked for. Data only; no real node was seen."""

from __future__ import annotations

from stsfix.snapshot.risk import Rule, Severity

BLOCKS, WARNS, INFORMS = Severity.BLOCKS, Severity.WARNS, Severity.INFORMS

RULES = (
    Rule(
        id="RENEW-PLAN",
        severity=INFORMS,
        title="This run renews certificates",
        why="Who pinned them, or compares them, has to learn the new ones.",
        source="certificate-manager options 3 and 6; fixcerts.py 3.2 (KB 90561)",
        advice="Have the list of products at hand that talk to these nodes; the run names them.",
    ),
    Rule(
        id="RENEW-ROOT-NEW",
        severity=WARNS,
        title="This run gives a node's own authority (VMCA) a new root",
        why="Everything that trusts the old root has to learn the new one: CA files, ESXi hosts "
        "whose certificates VMCA issued, products like NSX, SRM and vSphere Replication.",
        source="KB 316619; certificate-manager option 4",
        advice="Put the new root into the CA files that domain.toml names, and renew the hosts' "
        "certificates from vCenter after the run.",
    ),
    Rule(
        id="RENEW-CUSTOM-CA",
        severity=BLOCKS,
        title="A certificate to be renewed is from another CA than VMCA",
        why="The run would replace it by one of VMCA, which clients that trust your CA refuse.",
        source="stsfix: no VMCA of the domain issued it",
        advice="Renew it with your CA; or accept this, and the run replaces it by one of VMCA.",
        acceptable=True,
    ),
    Rule(
        id="RENEW-NOT-READ",
        severity=BLOCKS,
        title="What is to be renewed could not be read",
        why="A renewal of the rest would leave the domain half renewed.",
        source="stsfix",
        advice="Mend what the evidence says: a transport that runs commands on the node, vmafdd, "
        "vmcad. Or leave --renew out.",
    ),
    Rule(
        id="RENEW-WINDOWS",
        severity=BLOCKS,
        title="Certificates of a node on Windows are not renewed",
        why="stsfix asks neither its stores nor its VMCA; a renewal of the rest would leave the "
        "domain half renewed.",
        source="stsfix: docs/operating.md, vCenter on Windows",
        advice="Leave --renew and --new-vmca-root out. On each node certificate-manager renews "
        "(options 3 and 6), once the STS issues tokens again.",
    ),
    Rule(
        id="RENEW-NO-ACCOUNT",
        severity=WARNS,
        title="A solution user of a node has no account in the directory",
        why="Nothing can log in with it, so it is not renewed.",
        source="fixcerts.py 3.2: the account is <store>-<machine id>",
        advice="Compare with dir-cli service list; lsdoctor makes missing accounts again.",
    ),
    Rule(
        id="RENEW-ROOT-ENDED",
        severity=BLOCKS,
        title="The authority that is to sign (VMCA) has a root that is out of its time",
        why="Nothing that it signs is worth anything, or lives longer than the root.",
        source="vmca/service/utils.c, Lightwave a04d9171: notAfter is cut to the root's",
        advice="Let the run make a new root: stsfix run --new-vmca-root.",
    ),
    Rule(
        id="RENEW-NO-SIGNER",
        severity=BLOCKS,
        title="The authority that is to sign (VMCA) cannot",
        why="It is asked in the middle of the run, when nodes were already changed.",
        source="certool asks vmcad of its own node (Lightwave a04d9171)",
        advice="Mend it and run preflight again, or leave --renew out.",
    ),
    Rule(
        id="RENEW-ROOT-NEEDLESS",
        severity=BLOCKS,
        title="No authority (VMCA) needs a new root",
        why="Everything that trusts the present one would have to learn another for nothing.",
        source="stsfix: a root is replaced when it ends within 30 days",
        advice="Leave --new-vmca-root out.",
    ),
    Rule(
        id="RENEW-SUBORDINATE",
        severity=BLOCKS,
        title="The authority that would get a new root (VMCA) is subordinate to another CA",
        why="A root of its own takes it out of your company's hierarchy.",
        source="root.cer holds more than one certificate",
        advice="Give VMCA a new certificate of that CA (certificate-manager option 2); or accept "
        "this, and it gets a root of its own.",
        acceptable=True,
    ),
    Rule(
        id="RENEW-LEFT",
        severity=WARNS,
        title="A certificate is not renewed by this run",
        why="It may be out of its time, or be so soon.",
        source="certificate-manager leaves it alone, too (log of an 8.0.3); KB 88548, KB 440183",
        advice="After the run, see docs/certificates.md for this store, or use vCert (KB 385107).",
    ),
    Rule(
        id="COST-TLS-CHANGE",
        severity=INFORMS,
        title="TLS certificates of nodes change",
        why="Products that pin or registered them (NSX, SRM, vSphere Replication, Horizon, backup, "
        "monitoring) refuse the node until they learn the new one.",
        source="KB 316619; Horizon: KB 67701; Hybrid Linked Mode: certificates are synced again",
        advice="See the end of the run: it names the new fingerprints and what is registered.",
    ),
)
