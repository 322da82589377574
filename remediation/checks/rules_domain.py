"""What preflight looks for in the SSO domain. Data only; the checks are in `domain`."""

from __future__ import annotations

from stsfix.snapshot.risk import Rule, Severity

BLOCKS, WARNS, INFORMS = Severity.BLOCKS, Severity.WARNS, Severity.INFORMS

_HIDDEN = "Nobody knows what it hides, and a domain is repaired whole or not at all."

READING_RULES = (
    Rule(
        id="HOST-UNREACHABLE",
        severity=BLOCKS,
        title="An ESXi host does not answer",
        why=_HIDDEN,
        source="KB 313886: all nodes are off and snapshotted together",
        advice="Check address, port and firewall of the host.",
    ),
    Rule(
        id="HOST-LOGIN",
        severity=BLOCKS,
        title="An ESXi host refuses the login",
        why="Wrong password, lockdown mode and a locked account look the same; an expired password "
        "is told.",
        source="vSphere 6.7 Security guide, Lockdown Mode Behavior; KB 425190; PasswordExpired: "
        "vSphere API reference, unverified",
        advice="Check password, lockdown mode and account lock (900 s); it is not tried again.",
    ),
    Rule(
        id="HOST-TLS",
        severity=BLOCKS,
        title="An ESXi host's certificate is not the trusted one",
        why="No password is sent to a host that may be somebody else.",
        source="stsfix",
        advice="Compare the certificate with the host's console, then set tls.",
    ),
    Rule(
        id="SSO-LOGIN",
        severity=BLOCKS,
        title="The directory refuses the SSO administrator",
        why="Accounts are locked after a few failures, so the password is tried once only.",
        source="KB 341951 (lock-out); KB 409987 (LDAP 49, characters pasted with a password)",
        advice="Check the SSO administrator's password; it is not tried again on any node.",
    ),
    Rule(
        id="SSO-UNREACHABLE",
        severity=BLOCKS,
        title="A directory does not answer",
        why=_HIDDEN,
        source="KB 313886",
        advice="If its name is wrong, correct it under [sso]; if DNS is down, set address in its"
        " [nodes] table. Else check that vmdird runs on the node.",
    ),
    Rule(
        id="NODE-TLS",
        severity=BLOCKS,
        title="A node's certificate is not the trusted one",
        why="No password is sent to a node that may be somebody else.",
        source="stsfix",
        advice="Compare the certificate with the node's, then set tls. If a run renewed it: stsfix "
        "status shows the new pin.",
    ),
    Rule(
        id="SSO-DOMAIN",
        severity=BLOCKS,
        title="The node serves another SSO domain",
        why="The wrong domain would be repaired.",
        source="rootDSE (vmdird measured)",
        advice="Set sso.domain to the domain the node serves.",
    ),
    Rule(
        id="SSO-TENANT",
        severity=BLOCKS,
        title="The tenant's entries cannot be read",
        why="Missing rights and missing entries look the same.",
        source="vmdird measured: searches without rights come back empty",
        advice="Log in as an administrator of the SSO domain.",
    ),
    Rule(
        id="GUEST-LOGIN",
        severity=BLOCKS,
        title="A node refuses the login of root",
        why="An expired or locked root account stops guest operations, SSH and VAMI alike.",
        source="open-vm-tools, PAM account check; effect on a real appliance unverified",
        advice="Check root's password and whether it has expired or is locked (chage -l root).",
    ),
    Rule(
        id="GUEST-UNAVAILABLE",
        severity=BLOCKS,
        title="No transport gets through to a node",
        why="Without one its role cannot be read and its services cannot be restarted.",
        source="vSphere API reference, GuestOperationsUnavailable; RFC 4253 for SSH",
        advice=(
            "Allow guest operations or enable SSH; or choose what works: transport in the table of"
            " the node."
        ),
    ),
    Rule(
        id="SSH-HOST-KEY",
        severity=BLOCKS,
        title="A node's SSH host key is not trusted",
        why="A password could reach somebody else; none was sent.",
        source="RFC 4251, 4.1",
        advice=(
            "Compare it with ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the node's own"
            " console; if it is the same, set ssh_host_key in the table of the node."
        ),
    ),
    Rule(
        id="NOT-CHECKED",
        severity=BLOCKS,
        title="Something could not be read",
        why=_HIDDEN,
        source="stsfix",
        advice="Mend this and run preflight again.",
    ),
)

GONE = (
    "If it is gone for good, remove what the directory still lists of it (docs/operating.md, A "
    "node that is gone)."
)
"""Source: KB 425780, KB 439392, KB 316470 (cmsso-util unregister); no node is left out of a run."""

NODE_RULES = (
    Rule(
        id="NODE-NOT-FOUND",
        severity=BLOCKS,
        title="The VM of a node is on none of the hosts",
        why="A partial domain is never touched: snapshots of some nodes only are worthless, and "
        "a revert of some tears their directories apart.",
        source="KB 313886",
        advice="Add the ESXi host that runs it to domain.toml. If a VM whose guest has another "
        "host name is the node all the same, name it there by its instance UUID.",
    ),
    Rule(
        id="NODE-AMBIGUOUS",
        severity=BLOCKS,
        title="More than one live VM could be the node",
        why="The wrong VM would be shut down and reverted.",
        source="stsfix",
        advice="Name the right one in domain.toml.",
    ),
    Rule(
        id="NODE-STALE-COPY",
        severity=INFORMS,
        title="A host still lists a stale registration of the node",
        why="Powered on by mistake it would be a second copy of the node.",
        source="vSphere API reference, VirtualMachineConnectionState",
        advice="None for the run: stale registrations are not touched.",
    ),
    Rule(
        id="NODE-UNLISTED",
        severity=BLOCKS,
        title="A replication partner is no domain controller of the domain",
        why="A hidden partner keeps the old credential, or brings the old state back.",
        source="KB 425780",
        advice=f"Bring the node back. {GONE}",
    ),
    Rule(
        id="NODE-NO-SERVER",
        severity=WARNS,
        title="A domain controller has no directory server entry",
        why="It may be a gateway, or what is left of a removed node.",
        source="fixsts.sh (KB 316619) refuses gateways",
        advice="Check that it is meant to be there.",
    ),
    Rule(
        id="NODE-ROLE-UNVERIFIED",
        severity=BLOCKS,
        title="What a node is could not be verified",
        why="Order of power and services depends on it, and its services cannot be restarted.",
        source="/etc/vmware/deployment.node.type, as VMware's own scripts read it",
        advice=(
            "Make guest operations or SSH work on the node; with transports that run no commands"
            " compare its role with what you know."
        ),
    ),
    Rule(
        id="HOST-MANAGED-ELSEWHERE",
        severity=WARNS,
        title="A vCenter outside the domain manages a node's host",
        why="It runs on while the nodes are off: DRS may move their VMs, HA may restart them.",
        source="vSphere API reference, HostListSummary.managementServerIp; DRS needs its vCenter",
        advice="Set DRS of the nodes' VMs to manual in that vCenter for the time of the run.",
    ),
    Rule(
        id="REPL-NO-PARTNER",
        severity=BLOCKS,
        title="A controller has no replication agreement",
        why="No change would reach it.",
        source="KB 416211",
        advice="Restore replication before the repair.",
    ),
    Rule(
        id="REPL-ENTRIES-DIFFER",
        severity=BLOCKS,
        title="Two directories show different STS entries",
        why="Replication is broken; what is written now may never arrive, or be overwritten.",
        source="vmdird measured: comparing entries is the only proof of replication",
        advice="Restore replication before the repair (open a case with the vendor).",
    ),
    Rule(
        id="REPL-NEVER-PULLED",
        severity=BLOCKS,
        title="A directory has not pulled from any partner",
        why="It does not know what its partners have.",
        source="vmdird measured: UtdVector: Unknown",
        advice="Wait for replication or restore it before the repair.",
    ),
    Rule(
        id="REPL-USN-ROLLBACK",
        severity=BLOCKS,
        title="A directory was reverted alone",
        why="Its partners ignore what it writes until it has passed the numbers they have seen.",
        source="KB 313886; vmdird measured, replication after a revert",
        advice="Do not write to this domain (open a case with the vendor).",
    ),
    Rule(
        id="RUN-SNAPSHOTS",
        severity=BLOCKS,
        title="A run has left its snapshots",
        why="Two runs of one domain would take each other back.",
        source="stsfix",
        advice="Finish that run first, where it was started.",
    ),
    Rule(
        id="SERVICES-STOPPED",
        severity=INFORMS,
        title="Services of a node are stopped",
        why="With an expired signing certificate some cannot start.",
        source="KB 316619",
        advice="The repair restarts services (restart under [services] says which) and checks"
        " them.",
    ),
)

_HIGHEST = "DirectoryConfigStore.java (Lightwave): the highest number signs"

STS_RULES = (
    Rule(
        id="STS-VALID",
        severity=INFORMS,
        title="The signing certificate is valid",
        why="There is nothing to repair.",
        source=_HIGHEST,
        advice="None.",
    ),
    Rule(
        id="STS-EXPIRING",
        severity=INFORMS,
        title="The signing certificate ends soon",
        why="When it has ended nobody can log in.",
        source="KB 318197: vCenter warns 90 days ahead",
        advice="Plan a repair: stsfix run.",
    ),
    Rule(
        id="STS-EXPIRED",
        severity=INFORMS,
        title="The signing certificate has expired",
        why="Nobody can log in, and services that ask for a token do not start.",
        source="KB 316619",
        advice="stsfix run replaces it.",
    ),
    Rule(
        id="STS-NOT-YET-VALID",
        severity=WARNS,
        title="The signing certificate is not valid yet",
        why="A wrong clock looks like this too.",
        source="RFC 5280, 4.1.2.5",
        advice="Check the clocks before anything else.",
    ),
    Rule(
        id="STS-NO-CREDENTIAL",
        severity=INFORMS,
        title="There is no signing credential",
        why="Nobody can log in.",
        source="fixsts.sh deletes before it adds (KB 316619)",
        advice="stsfix run adds one.",
    ),
    Rule(
        id="STS-MALFORMED-INDEX",
        severity=BLOCKS,
        title="The name of a credential has no number",
        why="It breaks the load of the whole tenant, and would break the new credential too.",
        source="DirectoryConfigStore.java (Lightwave), Integer.parseInt of the name",
        advice="Remove this entry by hand (keep a copy elsewhere), then run preflight again.",
    ),
    Rule(
        id="STS-KEY-MISMATCH",
        severity=WARNS,
        title="A private key does not belong to its certificate",
        why="What it signs nobody can verify.",
        source="RFC 5280; vCert checks it on import only",
        advice="The repair replaces it.",
    ),
    Rule(
        id="STS-EMPTY-CHAIN",
        severity=BLOCKS,
        title="An STS entry holds no certificate",
        why="With an empty trusted chain no STS works, and a repair leaves such a chain alone.",
        source="Lightwave: samlauthority Config.java L81-83; vmdir refuses such entries (measured)",
        advice="Delete the entry (it holds nothing), then start preflight again.",
    ),
    Rule(
        id="STS-MALFORMED-CERTIFICATE",
        severity=BLOCKS,
        title="A certificate of an STS entry cannot be read",
        why="The STS may not be able to read it either. One that it cannot read in a trusted chain "
        "keeps it from loading any; of an old credential it reads nothing.",
        source="Lightwave: samlauthority Config.java L81-83, ServerUtils.java L756; RFC 5280. What "
        "Java reads and this program does not is unverified",
        advice="If no STS issues tokens, delete a trusted chain like this. If they do, accept it. "
        "A repair adds a whole pair with a higher number. It removes a credential like this with "
        "its own chain, and leaves every other chain alone.",
        acceptable=True,
    ),
    Rule(
        id="STS-LEAFLESS-CHAIN",
        severity=WARNS,
        title="A chain begins with a CA and has no leaf",
        why="The STS takes the first certificate for the signer; logins may fail.",
        source="KB 316619: chains left by 5.x and 6.0 upgrades",
        advice="The repair adds a whole pair. It removes a credential like this with its own "
        "chain, and leaves every other chain alone: if the issuer of one is gone, delete it "
        "(docs/operating.md, Removing a trusted chain by hand).",
    ),
    Rule(
        id="STS-UNTRUSTED-SIGNER",
        severity=WARNS,
        title="The signing certificate begins no trusted chain",
        why="The STS refuses its own tokens.",
        source="Lightwave, trusted certificate chains of the tenant",
        advice="stsfix run adds a whole pair.",
    ),
    Rule(
        id="STS-FOREIGN-CHAIN",
        severity=INFORMS,
        title="A trusted chain belongs to no credential",
        why="Tokens of another issuer may rest on it.",
        source="Lightwave, trusted certificate chains of the tenant",
        advice="It is left alone. If its issuer is gone, delete it (docs/operating.md, Removing a "
        "trusted chain by hand).",
    ),
)

RULES = (*READING_RULES, *NODE_RULES, *STS_RULES)
