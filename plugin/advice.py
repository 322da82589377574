"""The next actions for every leaf of the error tree, as templates.

``{e.x}`` is an attribute of the error; ``{go_on}``, ``{resume}``, ``{rollback}`` ... are exact
command lines that `stsfix.plugin.diagnostics` puts in. Paths and commands of appliances and hosts
are those of VMware's public documentation; none was tried on a real system here.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from stsfix.plugin import advice_causes as causes
from stsfix.plugin import errors as plugin
from stsfix.plugin.advice_causes import BACK, GO_ON, LOOK, Advice
from stsfix.plugin.advice_run import RUN_ADVICE
from stsfix.remediation import errors as remediation
from stsfix.snapshot import errors as snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.snapshot.errors import OperationError

_GUEST_LOGIN = (
    (
        "Three causes look the same: a wrong password of {e.user}, an expired one (90 days after"
        " installation by default), or an account locked after a few wrong ones"
    ),
    "Log in once on the VM's console; if it asks for a new password, set one there",
    (
        "If the account is locked, wait or reset it there: faillock --user {e.user} --reset (8.0),"
        " pam_tally2 --user {e.user} --reset (up to 7.0)"
    ),
    GO_ON,
)

_ON_ITS_CONSOLE = (
    "on the VM's console, as root (at a prompt Command> type shell first; on Windows"
    " shutdown /s /t 0): shutdown -h now"
)

ADVICE: Mapping[type[OperationError], Advice] = MappingProxyType(
    {
        plugin.ConfigError: causes.config_advice,
        plugin.ReportFileError: causes.report_file_advice,
        plugin.SecretError: (
            (
                "Mend that, or give the password in another place (docs/secrets.md), never in"
                " domain.toml"
            ),
            GO_ON,
        ),
        plugin.OutOfMemoryError: (
            "End other programs of this workstation, or raise the limit (ulimit -v, container)",
            "Go on, also from here: what was really done is looked at first: {go_on}",
        ),
        # --- hosts and virtual machines
        snapshot.HostLoginError: causes.host_login_advice,
        snapshot.HostTlsError: causes.host_tls_advice,
        snapshot.HostRestrictedError: (
            "Free or expired licence: assign a licence to {e.host} at https://{e.host}/ui",
            (
                "Lockdown mode or a managing vCenter: log in as an exception user, or end it on the"
                " host's console"
            ),
            GO_ON,
        ),
        snapshot.VmNotFoundError: (
            "Find the host that runs this VM now; it may have been moved or registered again",
            "Add that host to domain.toml as [[esxi]]; the run follows the VM by its instance UUID",
            (
                "Only if it was deleted for good, and the others shall not go back: add --without"
                " and the node's name to {release}, once the run is repaired, taken back or"
                " restored; if it has written nothing, once the other nodes are on"
            ),
            GO_ON,
        ),
        snapshot.SnapshotSetIncompleteError: (
            "Do not revert single nodes by hand: nodes that differ break replication for good",
            "Look in the Host Client at the snapshots of each VM named above",
            (
                "If a rollback reverted some nodes before one was missed, power none on: ask"
                " VMware's support which directories are to be kept"
            ),
            (
                "If one of the run is gone for good and no node was reverted, its export can put"
                " the STS entries back without snapshots: {export_restore}"
            ),
            LOOK,
        ),
        snapshot.VmNotOffError: (
            "Shut these VMs down in the Host Client (guest shutdown, not power off)",
            "Find out who powered them on: HA, autostart or a person",
            GO_ON,
        ),
        snapshot.HostUnreachableError: causes.silent_advice(
            "Check that {e.host} is up and that this workstation reaches its HTTPS port",
            "If DNS is down with the outage, set address in its [[esxi]] table",
            (
                "If it is gone for good and its VMs are on other hosts: take its [[esxi]] out of"
                " domain.toml, have theirs in it, and they are looked for there"
            ),
            GO_ON,
        ),
        snapshot.AnswerTooLargeError: (
            (
                "Something else may answer in the place of {e.peer}: compare its address and"
                " certificate with what you know"
            ),
            "If it is the right one, restart what answers there; it is broken",
            GO_ON,
        ),
        snapshot.VmBusyError: (
            "Wait for {e.task} to end in the Host Client; stop backup jobs of this VM",
            GO_ON,
        ),
        snapshot.HypervisorFaultError: (
            "Look for {e.fault} in the host's events at the Host Client and mend its cause",
            GO_ON,
            BACK,
        ),
        snapshot.VmKeyMissingError: causes.key_missing_advice,
        snapshot.NoSpaceError: (
            "Free space on datastore {e.datastore}; a snapshot grows with every write of the node",
            GO_ON,
            BACK,
        ),
        snapshot.ToolsUnavailableError: (
            f"Shut the node down by hand, {_ON_ITS_CONSOLE}",
            GO_ON,
        ),
        snapshot.GuestLoginError: _GUEST_LOGIN,
        snapshot.GuestRightsError: (
            (
                "User Account Control gives members of Administrators an ordinary user's rights:"
                " configure the built-in account Administrator instead of {e.user}"
            ),
            (
                "If it is refused too, Admin Approval Mode is on for that account: switch it off in"
                " the local security policy (FilterAdministratorToken)"
            ),
            GO_ON,
        ),
        snapshot.GuestUnavailableError: (
            "Look on the VM's console whether the node is still starting",
            (
                "Check that VMware Tools runs in it and that guest operations are not switched off"
                " (/etc/vmware-tools/tools.conf, [guestoperations] disabled)"
            ),
            GO_ON,
        ),
        snapshot.NicDisconnectedError: (
            (
                "Connect the adapter in the Host Client; on a distributed switch without vCenter"
                " move it to a standard port group or an ephemeral one (KB 324492)"
            ),
            GO_ON,
            BACK,
        ),
        snapshot.TaskOverdueError: (
            "Look in the Host Client whether task {e.task} still runs; do not cancel it",
            "Wait for its end, or set a longer limit under [timeouts] in domain.toml",
            GO_ON,
        ),
        snapshot.AnswerLostError: (
            "Check the network between this workstation and {e.where}",
            "Go on: what was really done is looked at first: {go_on}",
        ),
        snapshot.ShutdownOverdueError: (
            "Look at each VM's console; if the guest still works on its shutdown, wait",
            f"If it hangs, shut it down by hand, {_ON_ITS_CONSOLE}",
            GO_ON,
        ),
        snapshot.SnapshotGoneError: (
            "Find out who deleted or consolidated it: a backup product or a person",
            (
                "Power no node on and revert none by hand: nodes that differ break replication for"
                " good; ask VMware's support which directories are to be kept"
            ),
            LOOK,
        ),
        snapshot.RevertUnverifiedError: (
            "Do not power any node on: nodes that differ break replication for good",
            "Power the VMs named above off in the Host Client and see who changed them",
            "Then revert again: {rollback}",
        ),
        # --- directory, STS and nodes
        remediation.DirectoryLoginError: (
            "Check the user of [sso] and its password; it was tried once and will not be again",
            "Passwords pasted from an editor may carry an invisible mark in front: type it",
            causes.LOCKED_OR_EXPIRED,
            GO_ON,
        ),
        remediation.PlainBindRefusedError: (
            "Set the LDAPS port of {e.node} in domain.toml: ports = {{ ldaps = 636 }} in its table",
            GO_ON,
        ),
        remediation.NodeTlsError: causes.node_tls_advice,
        remediation.HostKeyError: causes.host_key_advice,
        remediation.WindowsNodeError: causes.windows_node_advice,
        remediation.NoShellError: (
            (
                'Choose a transport that can, in [nodes."{e.node}"] of domain.toml:'
                ' transport = "auto", "guest-operations" or "ssh"'
            ),
            GO_ON,
        ),
        remediation.NodeLoginError: causes.node_login_advice,
        remediation.TransportUnavailableError: causes.silent_advice(
            "Look on the VM's console whether {e.node} is on and has started",
            (
                "Check that {e.transport} is enabled there and that this workstation reaches its"
                " port; ports and address can be set in domain.toml"
            ),
            'Or choose another transport in [nodes."{e.node}"]',
            GO_ON,
        ),
        remediation.NodeFileError: (
            "Look on {e.node} at {e.path}: permissions, a full or read-only file system",
            GO_ON,
            BACK,
        ),
        remediation.DomainNotFoundError: (
            'If {e.found} is the domain you mean, set domain = "{e.found}" under [sso]',
            "If not, name a node of {e.wanted} under [sso]",
            GO_ON,
        ),
        remediation.TenantNotFoundError: (
            "Check that the user of [sso] is an administrator of the domain: others see nothing",
            GO_ON,
        ),
        remediation.IssuerError: (
            (
                "Mend what [sts] names; stsfix needs an RSA key, its own certificate, and every"
                " issuer up to the root"
            ),
            GO_ON,
        ),
        remediation.DirectoryUnreachableError: causes.silent_advice(
            "Check that {e.node} is on, that vmdird runs there and that its LDAPS port is open",
            'If DNS is down with the outage, set address in [nodes."{e.node}"]',
            GO_ON,
        ),
        remediation.NodeUnreachableError: causes.silent_advice(
            "Services of a node need up to half an hour after power-on; wait and look again",
            'If DNS is down with the outage, set address in [nodes."{e.node}"]',
            GO_ON,
        ),
        remediation.DirectoryFaultError: (
            (
                "LDAP 50: the user lacks rights or is locked; 53: the directory is read-only; 68:"
                " somebody else has just added an entry of that name"
            ),
            "Look at the end of the newest log below /var/log/vmware/vmdird on {e.node}",
            GO_ON,
            BACK,
        ),
        remediation.EntryChangedError: (
            "Somebody else changes STS entries of this domain at the same time: stop that first",
            GO_ON,
            BACK,
        ),
        remediation.ForeignEntriesError: causes.foreign_entries_advice,
        remediation.EntryConflictError: (
            (
                "Stop who adds STS entries to this domain; delete neither entry by hand: that would"
                " delete both"
            ),
            "Waiting does not help, only a revert of all nodes does. Take the run back: {rollback}",
        ),
        remediation.ReplicationOverdueError: (
            (
                "Check the partners: /usr/lib/vmware-vmdir/bin/vdcrepadmin -f showpartnerstatus"
                " -h localhost -u administrator"
            ),
            "Slow links only need time: set a longer replication limit under [timeouts]",
            GO_ON,
            BACK,
        ),
        remediation.SigningCertificateError: (
            "This is what stsfix repairs; before a run it is expected: {preflight}",
            (
                "After a run: the STS of {e.node} has not taken the new certificate, or a clock is"
                " wrong; compare the clocks of all nodes and hosts"
            ),
            GO_ON,
        ),
        remediation.SsoLoginError: (
            "Check the password of {e.user}; it was tried once and will not be again",
            causes.LOCKED_OR_EXPIRED,
            *causes.NO_PASSWORD_LOGIN[:1],
            GO_ON,
        ),
        remediation.ProofError: causes.proof_advice,
        remediation.ServiceRestartError: (
            "See on {e.node} which services are down: service-control --status --all",
            (
                "Look at their logs below /var/log/vmware and start them: service-control --start"
                " --all"
            ),
            (
                "If one of an appliance is meant to stay down, disable it, and nobody waits for it:"
                " vmon-cli --update NAME --starttype DISABLED"
            ),
            GO_ON,
            BACK,
        ),
        remediation.NodeNotReadyError: (
            "Look at the console of {e.node}: a file system check or a slow start needs time",
            "If it is off, find out who shut it down: a person, or another workstation's run",
            "Set a longer boot limit under [timeouts] if it only needs time",
            GO_ON,
            BACK,
        ),
        remediation.VmcaError: (
            "See on {e.node} whether it runs: service-control --status vmcad",
            "Look at the end of the newest log below /var/log/vmware/vmcad on {e.node}",
            (
                "If VMCA cannot be mended now: take the run back, and begin another one with a root"
                ' of stsfix\'s own (issuer = "own-ca" under [sts] of domain.toml): a run keeps its'
                " issuer"
            ),
            GO_ON,
            BACK,
        ),
        remediation.ClockSkewError: (
            "See which clock is wrong: date -u here and on {e.node}",
            "Set it right (the same NTP server for nodes, hosts and this workstation)",
            GO_ON,
            BACK,
        ),
        remediation.VecsError: (
            (
                "Look on {e.node} at its stores:"
                " /usr/lib/vmware-vmafd/bin/vecs-cli entry list --store MACHINE_SSL_CERT"
            ),
            "What was replaced is in BACKUP_STORE there",
            GO_ON,
            BACK,
        ),
        remediation.WriteInDoubtError: (
            "Check the network between this workstation and {e.node}",
            "Go on: what was really written is looked at first: {go_on}",
        ),
        **RUN_ADVICE,
    }
)
"""Next actions of every leaf."""
