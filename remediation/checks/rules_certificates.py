"""What is looked for in the domain's certificates. Data only; none of it saw a real vCenter."""

from __future__ import annotations

from stsfix.snapshot.risk import Rule, Severity

BLOCKS, WARNS, INFORMS = Severity.BLOCKS, Severity.WARNS, Severity.INFORMS

MACHINE_RULES = (
    Rule(
        id="CERT-MACHINE-EXPIRED",
        severity=BLOCKS,
        title="A node's machine certificate is out of its time",
        why="Services that need it do not start again after the restart, so the STS certificate "
        "alone does not bring this node up.",
        source="KB 316619: Failed to start vpxd-svcs, RC=4, after fixsts.sh",
        advice="Let the run renew it: stsfix run --renew expired. One of another CA than VMCA: "
        "accept this, and replace it right after the run.",
        acceptable=True,
    ),
    Rule(
        id="CERT-MACHINE-EXPIRING",
        severity=WARNS,
        title="A node's machine certificate ends soon",
        why="When it ends, services of the node do not start any more.",
        source="vCenter's certificate alarm warns 30 days ahead by default (unverified)",
        advice="Let the run renew it (stsfix run --renew expired), or replace it after the run.",
    ),
    Rule(
        id="CERT-MACHINE-NAME",
        severity=WARNS,
        title="A node's machine certificate does not name the node",
        why="Clients that compare names refuse it, and services of 8.0 do not start with it.",
        source="public issue Install-vCenterSSL#4; unverified",
        advice="Replace it by one whose subject alternative names hold the FQDN; what VMCA issued, "
        "stsfix run --renew all replaces by such a one.",
    ),
    Rule(
        id="CERT-PORTS-DIFFER",
        severity=WARNS,
        title="TLS ports of a node show different certificates",
        why="A service was not restarted since the certificate was replaced; after the run's "
        "restart it shows another one, and a pin on the old one fails.",
        source="vmdird uses MACHINE_SSL_CERT (Lightwave a04d9171); port 5480 may have its own",
        advice="Pin the certificate that is in MACHINE_SSL_CERT, or verify against a CA file.",
    ),
    Rule(
        id="CERT-SOLUTION-EXPIRED",
        severity=BLOCKS,
        title="A solution user's certificate is out of its time",
        why="Its service cannot log in after the restart, so the STS certificate alone does not "
        "bring the node up.",
        source="KB 421381, KB 316619",
        advice="Let the run renew it: stsfix run --renew expired.",
        acceptable=True,
    ),
    Rule(
        id="CERT-SOLUTION-EXPIRING",
        severity=WARNS,
        title="A solution user's certificate ends soon",
        why="When it ends, its service cannot log in.",
        source="KB 421381",
        advice="Let the run renew it (stsfix run --renew expired), or replace it after the run.",
    ),
    Rule(
        id="CERT-WEAK",
        severity=WARNS,
        title="A certificate has a weak key or signature",
        why="Newer releases and clients refuse it.",
        source="vmca/service/utils.c, Lightwave a04d9171: RSA of 2048 bits at least, SHA-256",
        advice="The run replaces the STS certificate; replace any other one afterwards.",
    ),
    Rule(
        id="CERT-MALFORMED",
        severity=WARNS,
        title="Bytes that should be a certificate are none",
        why="What reads them may fail, and nobody can tell when it ends.",
        source="stsfix",
        advice="Find out who uses this entry before you remove it.",
    ),
    Rule(
        id="CERT-NOT-CHECKED",
        severity=WARNS,
        title="Some certificates could not be read",
        why="What cannot be read may have expired, too.",
        source="stsfix",
        advice="Mend this and run preflight again, or look at it by hand.",
    ),
)

ROOT_RULES = (
    Rule(
        id="VMCA-ROOT-EXPIRED",
        severity=BLOCKS,
        title="The root of a node's own authority (VMCA) is out of its time",
        why="Every certificate it issued is worthless: machine certificates and solution users "
        "have to be replaced as well, and products like NSX registered again.",
        source="KB 316619, fixsts.sh: makes a new root; subject CN=CA, O=<host name>: vmca selfca",
        advice="Make a new root and renew what it issued, all in one run: stsfix run "
        "--new-vmca-root.",
        acceptable=True,
    ),
    Rule(
        id="VMCA-ROOT-EXPIRING",
        severity=WARNS,
        title="The root of a node's own authority (VMCA) ends soon",
        why="VMCA cuts what it issues to the end of its root, so nothing lives longer.",
        source="vmca/service/utils.c, Lightwave a04d9171",
        advice="Plan a new root and new certificates for everything it issued: within 30 days of "
        "its end, stsfix run --new-vmca-root makes both.",
    ),
    Rule(
        id="TRUST-ROOT-EXPIRED",
        severity=WARNS,
        title="A trusted root is out of its time",
        why="Certificates that it issued are not accepted; an unused one raises alarms only.",
        source="cn=Certificate-Authorities is copied to TRUSTED_ROOTS of every node "
        "(vmafd/server/vmafd/ldap.c, Lightwave a04d9171)",
        advice="Remove it with dir-cli when nothing uses it any more.",
    ),
    Rule(
        id="TRUST-ROOT-NOT-CA",
        severity=WARNS,
        title="A trusted root is no CA certificate",
        why="Nothing can be verified with it; some services fail to load such a store.",
        source="RFC 5280, 4.2.1.9; effect on services unverified",
        advice="Remove it with dir-cli when nothing pins it.",
    ),
    Rule(
        id="TRUST-ROOT-TWICE",
        severity=INFORMS,
        title="Trusted roots of one name have different keys",
        why="Software that looks issuers up by name may take the wrong one.",
        source="RFC 5280, 4.2.1.1; an old VMCA root is left behind when a new one is made",
        advice="Remove the one that issued nothing that is still in use.",
    ),
    Rule(
        id="TRUST-CRL-COUNT",
        severity=BLOCKS,
        title="There are very many certificate revocation lists",
        why="Services wait for the list of TRUSTED_ROOT_CRLS when they start: vpostgres was seen "
        "to hang for 56 minutes.",
        source="KB 59555; vCert warns above 30 and calls more than 100 critical",
        advice="Remove lists of roots that are gone (KB 59555).",
        acceptable=True,
    ),
)

STS_RULES = (
    Rule(
        id="SSO-NO-PASSWORDS",
        severity=WARNS,
        title="The login policy forbids passwords",
        why="A run proves logins with the administrator's password. The STS refuses it, so the run "
        "would repair the domain and stop before its end, unproven.",
        source="vSphere 8.0 authentication guide, smart card policy (vsphere.md 5); Lightwave "
        "DirectoryConfigStore.java; that the attribute holds the policy is unverified",
        advice="If somebody can still log in, allow passwords for the time of the run. Else see "
        "docs/operating.md, When logins cannot be proven.",
    ),
    Rule(
        id="STS-CHAIN-BROKEN",
        severity=WARNS,
        title="A chain of the STS does not hold together",
        why="Who verifies tokens up to the root refuses them; the identity service itself checks "
        "no link.",
        source="IdentityManager.java L1154, Lightwave a04d9171",
        advice="The run adds a whole chain; the old one goes with its credential.",
    ),
    Rule(
        id="STS-KEY-USAGE",
        severity=INFORMS,
        title="The STS certificate's key usage does not allow signatures",
        why="Strict clients refuse tokens signed by it.",
        source="RFC 5280, 4.2.1.3; the identity service does not look at it (Lightwave a04d9171)",
        advice="The run replaces it by one that may sign.",
    ),
    Rule(
        id="STS-ROOT-UNLISTED",
        severity=WARNS,
        title="The root of the STS certificate is not among the trusted roots",
        why="Clients that build trust from TRUSTED_ROOTS refuse its tokens.",
        source="vmafd/server/vmafd/ldap.c, Lightwave a04d9171; who does so is inferred",
        advice="The run adds the root of the new certificate (sts.publish_root).",
    ),
    Rule(
        id="STS-PUBLISHED-DIFFERS",
        severity=WARNS,
        title="An STS publishes another certificate than its directory names",
        why="It did not reload: it signs with an old certificate until it is restarted.",
        source="IdentityManager.java L7643, Lightwave a04d9171; KB 318197: restart every node",
        advice="The run restarts an STS that does not take the new one by itself; without a run, "
        "restart this one.",
    ),
    Rule(
        id="STS-JWKS-DIFFERS",
        severity=WARNS,
        title="An STS publishes different keys in JWKS and SAML metadata",
        why="OpenID clients refuse what it signs.",
        source="JWKSController.java L69-110, Lightwave a04d9171: both show the current signer",
        advice="Restart the STS of this node.",
    ),
    Rule(
        id="STS-SEVERAL-CREDENTIALS",
        severity=INFORMS,
        title="There are several signing credentials",
        why="The one with the highest number signs, whatever its dates.",
        source="DirectoryConfigStore.java L320-380, Lightwave a04d9171",
        advice="The run retires the old ones unless sts.retire_old is off.",
    ),
    Rule(
        id="STS-SEVERAL-CHAINS",
        severity=INFORMS,
        title="There are several trusted chains",
        why="Each leaf there is trusted to sign tokens, also when it has expired.",
        source="AuthnOnlyTokenValidator.java L122-130, Lightwave a04d9171",
        advice="The run removes those of the credentials that it retires, and no other; one that "
        "is still valid only if every service is restarted.",
    ),
    Rule(
        id="CHAIN-SMART-CARD",
        severity=INFORMS,
        title="There are CAs for logins with smart cards",
        why="They look like chains of the STS, and removing them ends logins with smart cards.",
        source="fixsts.sh (KB 76719) leaves DefaultClientCertCAStore alone",
        advice="None: they are never touched.",
    ),
    Rule(
        id="CHAIN-EXTERNAL-IDP",
        severity=INFORMS,
        title="There are chains of external identity providers",
        why="They look like chains of the STS, and removing them ends logins at that provider.",
        source="DirectoryStoreMeta.java L3651-3735, Lightwave a04d9171",
        advice="None: they are never touched.",
    ),
    Rule(
        id="CHAIN-UNKNOWN",
        severity=INFORMS,
        title="There are trusted chains in an unknown place",
        why="Nobody knows who uses them.",
        source="stsfix",
        advice="None: they are never touched.",
    ),
)

DOMAIN_RULES = (
    Rule(
        id="LOOKUP-TRUST",
        severity=WARNS,
        title="The lookup service names an old machine certificate of a node",
        why="Solutions that compare it refuse to talk to the node.",
        source="KB 320707, KB 2121701: sslTrust keeps the old certificate until it is updated",
        advice="Run ls_update_certs or lsdoctor after the run; a run that renews this machine "
        "certificate corrects it, an STS-only repair does not.",
    ),
    Rule(
        id="SSO-CONNECTION",
        severity=WARNS,
        title="The domain's own identity source points to one certain node",
        why="While that node is off or restarts, nobody can log in on any node; a staged start "
        "looks like a failed repair.",
        source="KB 367229; vCert expects ldap://localhost:389",
        advice="Correct vmwSTSConnectionStrings after the run (KB 367229).",
    ),
    Rule(
        id="SSO-SOURCE-EXPIRED",
        severity=WARNS,
        title="The certificate of an identity source is out of its time",
        why="Users of that source cannot log in over LDAPS after the run either.",
        source="vmwSTSIdentityStore's userCertificate, Lightwave a04d9171",
        advice="Replace it in the configuration of the identity source.",
    ),
    Rule(
        id="COST-SCHEDULED-TASKS",
        severity=INFORMS,
        title="Scheduled tasks of users have to be made again",
        why="They log in with a token that the old certificate signed.",
        source="KB 385375; counted as vCert does (KB 385107), which lists no names",
        advice="After the run remove them in the vSphere Client and make them again; the vCenter "
        "lists them under Monitor, Scheduled Tasks.",
    ),
    Rule(
        id="COST-NO-TLS-CHANGE",
        severity=INFORMS,
        title="No TLS certificate changes",
        why="Registered extensions and products that pin machine certificates (NSX, SRM, backup) "
        "need nothing but a new login. Hybrid Linked Mode without a gateway, Horizon and scheduled "
        "tasks of users keep what belongs to the old STS certificate.",
        source="KB 316619, KB 318197, KB 67701, KB 385375; which products need a restart is "
        "unverified",
        advice="Register nothing again; log in again or restart where a product keeps a session. "
        "With Hybrid Linked Mode synchronize certificates from the cloud again; for Horizon see KB "
        "67701.",
    ),
)

RULES = (*MACHINE_RULES, *ROOT_RULES, *STS_RULES, *DOMAIN_RULES)
