"""What is looked for in the nodes' own stores and authorities. Data only; no real node was seen."""

from __future__ import annotations

from stsfix.snapshot.risk import Rule, Severity

BLOCKS, WARNS, INFORMS = Severity.BLOCKS, Severity.WARNS, Severity.INFORMS

_OWN_CA = 'Mend it, or let stsfix make a root of its own (issuer = "own-ca" under [sts]).'

VMCA_RULES = (
    Rule(
        id="VMCA-UNREAD",
        severity=BLOCKS,
        title="The root of a node's own authority (VMCA) could not be read",
        why='Nobody can tell whether it could sign, and with issuer = "vmca" the one of the node '
        "that is written to signs the new STS certificate.",
        source="stsfix; the place of root.cer: fixsts.sh (KB 76719)",
        advice=_OWN_CA,
    ),
    Rule(
        id="VMCA-NO-CERTOOL",
        severity=BLOCKS,
        title="A node has no certool",
        why="Without it nothing asks the node's own authority (VMCA) to sign.",
        source="/usr/lib/vmware-vmca/bin/certool: fixsts.sh (KB 76719), vCert (KB 385107)",
        advice=_OWN_CA,
    ),
    Rule(
        id="VMCA-DOWN",
        severity=BLOCKS,
        title="A node's own authority (VMCA) does not answer",
        why="It signs nothing: not for its own node, and not the new STS certificate in the middle "
        "of the run if it is the one that is to.",
        source="certool --getrootca asks vmcad (vmca/certool/Handler.cpp, Lightwave a04d9171)",
        advice='Start vmcad, or let stsfix make a root of its own (issuer = "own-ca" under [sts]).',
    ),
    Rule(
        id="VMCA-ROOT-DIFFERS",
        severity=BLOCKS,
        title="A node's own authority (VMCA) issues with another root than its file holds",
        why="It was not restarted since its root was replaced; what it signs has no known root.",
        source="vmcad reads root.cer when it starts (vmca/service, Lightwave a04d9171)",
        advice="Restart vmcad.",
    ),
    Rule(
        id="VMCA-KEY",
        severity=BLOCKS,
        title="The key of a node's own authority (VMCA) does not belong to its root",
        why="What it signs cannot be verified; a replacement of the root was left half done.",
        source="root.cer and privatekey.pem: vmca/config/vmca.reg.in, Lightwave a04d9171",
        advice=_OWN_CA,
    ),
    Rule(
        id="VMCA-ROOT-SHORT",
        severity=WARNS,
        title="The new STS certificate would live less than five years",
        why="It cannot outlive the root of the node's own authority (VMCA), which ends before.",
        source="vmca/service/utils.c, Lightwave a04d9171: notAfter is cut to the root's",
        advice='Write the date down, or let stsfix make a root of its own (issuer = "own-ca" under'
        " [sts]); VMCA gets a new one (--new-vmca-root) only within 30 days of its end.",
    ),
    Rule(
        id="VMCA-ROOT-UNLISTED",
        severity=INFORMS,
        title="The root of a node's own authority (VMCA) is not among the trusted roots",
        why="Nodes verify what it signs only once its root is in cn=Certificate-Authorities.",
        source="vmafd/server/vmafd/ldap.c, Lightwave a04d9171",
        advice="A run publishes the one that signs for it, unless sts.publish_root is off.",
    ),
)

STORE_RULES = (
    Rule(
        id="CERT-STORE-SHOWN",
        severity=WARNS,
        title="A node shows another machine certificate than its store holds",
        why="Its services were not restarted since it was replaced; after the run's restart it "
        "shows the other one, and a pin on the old one fails.",
        source="MACHINE_SSL_CERT is what services load (Lightwave a04d9171; vSphere documentation)",
        advice="Pin the certificate that is in MACHINE_SSL_CERT, or verify against a CA file.",
    ),
    Rule(
        id="CERT-SOLUTION-DIFFERS",
        severity=WARNS,
        title="A solution user's certificate in a node's store is not the one in the directory",
        why="Its service logs in with the one and is known by the other, so it cannot log in.",
        source="ServicePrincipals hold what the STS compares with (vmdir.md; KB 421381)",
        advice="Renew this solution user: stsfix run --renew all, or dir-cli service update.",
    ),
    Rule(
        id="CERT-ENCIPHERMENT-EXPIRED",
        severity=WARNS,
        title="A node's data-encipherment certificate is out of its time",
        why="Passwords in guest customization are encrypted with it; customization may fail. No "
        "service needs it to start.",
        source="KB 88548; vCert (KB 385107) renews it; what fails is unverified",
        advice="Renew it after the run, with the key that it has: docs/certificates.md has the "
        "commands. With another key saved passwords cannot be read any more.",
    ),
    Rule(
        id="CERT-SMS-EXPIRED",
        severity=WARNS,
        title="A certificate of a node's storage monitoring service (SMS) is out of its time",
        why="Storage providers (VASA) that know it may go offline. No service needs it to start.",
        source="KB 440183: vmware-sps renews it by itself; KB 2146011",
        advice="Once logins work, see whether vmware-sps has renewed it, and look at the storage "
        "providers; if not, go by KB 440183.",
    ),
    Rule(
        id="CERT-STORE-EXPIRED",
        severity=INFORMS,
        title="Another certificate in a node's store is out of its time",
        why="vCenter's certificate alarm counts every store, backups too.",
        source="KB 385107 (vCert); that the alarm counts backups is unverified",
        advice="Remove it with vecs-cli when nothing uses it any more.",
    ),
    Rule(
        id="TRUST-STORE-LACKS",
        severity=WARNS,
        title="A trusted root of the directory is missing on a node",
        why="The node's services refuse what that root issued.",
        source="vmafd copies cn=Certificate-Authorities to TRUSTED_ROOTS of every node "
        "(vmafd/server/vmafd/ldap.c, Lightwave a04d9171)",
        advice="Run vecs-cli force-refresh on the node; if that does not help, restart vmafdd.",
    ),
    Rule(
        id="EXTENSION-THUMBPRINT",
        severity=WARNS,
        title="An extension of vCenter is known by a certificate that its node does not have",
        why="The extension's service cannot log in to vCenter.",
        source="VPX_EXT.THUMBPRINT: fixcerts (KB 322249), vCert (KB 385107)",
        advice="Correct it after the run (KB 385107, or the extension's own registration).",
    ),
)

RULES = (*VMCA_RULES, *STORE_RULES)
