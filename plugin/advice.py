"""The next actions for every leaf of the error tree, as templates.

``{e.x}`` is an attribute of the error; ``{go_on}``, ``{resume}``, ``{rollback}`` ... are exact
command lines that `stsfix.plugin.diagnostics` puts in. Paths and commands of appliances and hosts
are those of VMware's public documentation; none was tried on a real system here.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stsfix.plugin import errors as plugin
from stsfix.remediation import errors as remediation
from stsfix.snapshot import errors as snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.snapshot.errors import OperationError

Advice = tuple[str, ...] | Callable[[Any], tuple[str, ...]]

_GO_ON = "Then go on: {go_on}"
_LOOK = "See what is there now: {status}"
_BACK = "Or take the run back: {rollback}"
EXPIRED_TEXT = "Signing certificate is not valid"
"""The STS's own words (IdentityManager.java; title of the VMware KB this tool is about)."""


def _host_tls(error: snapshot.HostTlsError) -> tuple[str, ...]:
    # Where an ESXi host keeps its certificate: /etc/vmware/ssl/rui.crt.
    where = "the [[esxi]] table of {e.host}"
    own = "openssl x509 -noout -fingerprint -sha256 -in /etc/vmware/ssl/rui.crt"
    return _tls(error.sha256, where, own)


def _node_tls(error: remediation.NodeTlsError) -> tuple[str, ...]:
    # vecs-cli entry getcert, store and alias as on vCenter 6.5 to 8.0.
    where = '[nodes."{e.node}"]'
    own = (
        "/usr/lib/vmware-vmafd/bin/vecs-cli entry getcert --store MACHINE_SSL_CERT"
        " --alias __MACHINE_CERT | openssl x509 -noout -fingerprint -sha256"
    )
    renewed = "If a run renewed this node's certificate, its new pin is in: {status}"
    return (*_tls(error.sha256, where, own)[:-1], renewed, _GO_ON)


def _tls(sha256: str | None, where: str, own: str) -> tuple[str, ...]:
    on_console = f"Read the SHA-256 fingerprint on the machine's own console: {own}"
    if sha256 is None:
        return (
            "No credential was sent. Check the name, the address and the clock of this workstation",
            on_console,
            f'Then pin it in {where} of domain.toml: tls = "sha256:<what the console shows>"',
            _GO_ON,
        )
    return (
        on_console,
        f'Only if it is the same, pin it in {where} of domain.toml: tls = "sha256:{sha256}"',
        "If it is not, somebody else answers at this address: no credential was sent, find out who",
        _GO_ON,
    )


def _host_key(error: remediation.HostKeyError) -> tuple[str, ...]:
    own = (
        "Read the fingerprints on the node's own console:"
        ' for k in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$k"; done'
    )
    pin = '[nodes."{e.node}"] of domain.toml: ssh_host_key = '
    if not error.shown:
        return (own, f'Then pin it in {pin}"SHA256:<what the console shows>"', _GO_ON)
    return (
        own,
        f'Only if one of them is {{e.shown}}, pin it in {pin}"{{e.shown}}"',
        "If none is, somebody else answers at this address: no password was sent, find out who",
        _GO_ON,
    )


def _windows_node(error: remediation.WindowsNodeError) -> tuple[str, ...]:
    mend = (
        'Set in [nodes."{e.node}"] of domain.toml: user to an administrator of Windows,'
        ' transport to "guest-operations" (or leave it out)'
        if error.by_setting
        else 'Without VMCA of a Windows node: issuer = "own-ca" under [sts] of domain.toml;'
        " renew other certificates with VMware's own tools"
    )
    works = "What works on Windows nodes and what does not: docs/operating.md, vCenter on Windows"
    return (mend, works, _GO_ON)


def _node_login(error: remediation.NodeLoginError) -> tuple[str, ...]:
    once = "Its password was sent once and will not be sent again, also not over another transport"
    match error.refusal:
        case remediation.LoginRefusal.EXPIRED:
            return (
                (
                    "Log in on the VM's console as {e.user} and set a new password when asked;"
                    " stsfix never changes one"
                ),
                "Put the new password where the old one was (docs/secrets.md)",
                _GO_ON,
            )
        case remediation.LoginRefusal.LOCKED:
            return (
                "Wait until the lock ends, without any attempt, also by other tools",
                (
                    "Or end it on the VM's console: faillock --user {e.user} --reset (8.0),"
                    " pam_tally2 --user {e.user} --reset (up to 7.0)"
                ),
                _GO_ON,
            )
        case remediation.LoginRefusal.REFUSED | remediation.LoginRefusal.SILENT:
            return (
                once,
                (
                    "Three causes can look the same: a wrong password of {e.user}, an expired one"
                    " (90 days after installation by default), or a locked account"
                ),
                "Log in once on the VM's console; if it asks for a new password, set one there",
                _GO_ON,
            )


def _config(error: plugin.ConfigError) -> tuple[str, ...]:
    if any(problem.reason == "there is no such file" for problem in error.problems):
        return (
            "Write one from the example in docs/configuration.md; for the lab: stsfix lab up",
            "Or name it with -c FILE or $STSFIX_CONFIG",
        )
    return (
        "Mend {e.path}; every key with its default is in docs/configuration.md",
        _GO_ON,
    )


def _by_hand(error: remediation.RestartByHandError) -> tuple[str, ...]:
    typed = [
        f"{number}. On {node}: {command}"
        for number, (node, command) in enumerate(
            zip(error.nodes, error.commands, strict=True), start=1
        )
    ]
    return (
        "Restart the services of each of these nodes, one after the other in this order",
        *typed,
        "As root in bash (at a prompt Command> type shell first); on Windows as an administrator",
        "If stopping ends with an error, start all the same with: service-control --start --all",
        "Then go on; every way in on these nodes is proven before the run does: {go_on}",
        _BACK,
    )


def _report_file(error: plugin.ReportFileError) -> tuple[str, ...]:
    if error.path == "standard output":
        return (
            "Nobody took what was written: a closed pipe or terminal, or a full disk",
            "What a run has done is in its journal: {status}",
        )
    return ("Name a new or an ordinary file in a folder of your own, on a disk with free space",)


def _proof(error: remediation.ProofError) -> tuple[str, ...]:
    if EXPIRED_TEXT in error.reason:
        return ("This is what stsfix repairs; before a run it is expected: {preflight}", _BACK)
    return (
        "Services may still be starting on {e.node}: wait some minutes and prove again: {verify}",
        _GO_ON,
        _BACK,
    )


def _domain_locked(error: remediation.DomainLockedError) -> tuple[str, ...]:
    if error.elsewhere:
        return (
            "This run wrote nothing and gave way; nodes that are off are left to the other one",
            "Talk to who began it: it is finished, resumed or taken back there",
            "See what there is now: {preflight}",
            (
                "Only if that workstation is lost, take its run over from here: docs/operating.md,"
                " When the state folder is lost"
            ),
        )
    if error.holder.startswith("run "):
        return (
            "See what can be done with it, resume, rollback or release: {runs}",
            "Once it is released or rolled back, begin a new one: {run}",
        )
    return (
        "Wait until {e.holder} has ended; what it does is here: {runs}",
        "A run of another workstation is ended there, by rollback or release",
    )


_GUEST_LOGIN = (
    (
        "Three causes look the same: a wrong password of {e.user}, an expired one (90 days after"
        " installation by default), or an account locked after a few wrong ones"
    ),
    "Log in once on the VM's console; if it asks for a new password, set one there",
    "If the account is locked, wait or reset it there (faillock --user root --reset)",
    _GO_ON,
)

ADVICE: Mapping[type[OperationError], Advice] = MappingProxyType(
    {
        plugin.ConfigError: _config,
        plugin.ReportFileError: _report_file,
        plugin.SecretError: (
            "Give the password in one of the places of docs/secrets.md, never in domain.toml",
            _GO_ON,
        ),
        # --- hosts and virtual machines
        snapshot.HostLoginError: (
            (
                "Three causes look the same: a wrong password of {e.user}, lockdown mode on"
                " {e.host}, or an account locked for 900 s after about five wrong passwords"
            ),
            "Wrong password: try it once at https://{e.host}/ui",
            (
                "Lockdown mode: log in as an exception user, or switch normal lockdown off on the"
                " host's console (F2); strict lockdown needs the vCenter or an exception user"
            ),
            "Locked account: wait 15 minutes without any attempt, also by other tools",
            _GO_ON,
        ),
        snapshot.HostTlsError: _host_tls,
        snapshot.HostRestrictedError: (
            "Free or expired licence: assign a licence to {e.host} at https://{e.host}/ui",
            (
                "Lockdown mode or a managing vCenter: log in as an exception user, or end it on the"
                " host's console"
            ),
            _GO_ON,
        ),
        snapshot.VmNotFoundError: (
            "Find the host that runs this VM now; it may have been moved or registered again",
            "Add that host to domain.toml as [[esxi]]",
            _GO_ON,
        ),
        snapshot.SnapshotSetIncompleteError: (
            "Do not revert single nodes by hand: nodes that differ break replication for good",
            "Look in the Host Client at the snapshots of each VM named above",
            (
                "If one of the run is gone for good, its export can put the STS entries back"
                " without snapshots: {export_restore}"
            ),
            _LOOK,
        ),
        snapshot.VmNotOffError: (
            "Shut these VMs down in the Host Client (guest shutdown, not power off)",
            "Find out who powered them on: HA, autostart or a person",
            _GO_ON,
        ),
        snapshot.HostUnreachableError: (
            "Check that {e.host} is up and that this workstation reaches its HTTPS port",
            "If DNS is down with the outage, set address in its [[esxi]] table",
            _GO_ON,
        ),
        snapshot.VmBusyError: (
            "Wait for {e.task} to end in the Host Client; stop backup jobs of this VM",
            _GO_ON,
        ),
        snapshot.HypervisorFaultError: (
            "Look for {e.fault} in the host's events at the Host Client and mend its cause",
            _GO_ON,
            _BACK,
        ),
        snapshot.NoSpaceError: (
            "Free space on datastore {e.datastore}; a snapshot grows with every write of the node",
            _GO_ON,
            _BACK,
        ),
        snapshot.ToolsUnavailableError: (
            "Shut the node down by hand: log in on the VM's console and run: shutdown -h now",
            _GO_ON,
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
            _GO_ON,
        ),
        snapshot.GuestUnavailableError: (
            "Look on the VM's console whether the node is still starting",
            (
                "Check that VMware Tools runs in it and that guest operations are not switched off"
                " (/etc/vmware-tools/tools.conf, [guestoperations] disabled)"
            ),
            _GO_ON,
        ),
        snapshot.NicDisconnectedError: (
            (
                "Connect the adapter in the Host Client; on a distributed switch without vCenter"
                " move it to a standard port group or an ephemeral one (KB 324492)"
            ),
            _GO_ON,
            _BACK,
        ),
        snapshot.TaskOverdueError: (
            "Look in the Host Client whether task {e.task} still runs; do not cancel it",
            "Wait for its end, or set a longer limit under [timeouts] in domain.toml",
            _GO_ON,
        ),
        snapshot.AnswerLostError: (
            "Check the network between this workstation and {e.where}",
            "Go on: what was really done is looked at first: {go_on}",
        ),
        snapshot.ShutdownOverdueError: (
            "Look at each VM's console; if the guest still works on its shutdown, wait",
            "If it hangs, shut it down by hand on the console: shutdown -h now",
            _GO_ON,
        ),
        snapshot.SnapshotGoneError: (
            "Find out who deleted or consolidated it: a backup product or a person",
            "Do not revert the other nodes: nodes that differ break replication for good",
            _LOOK,
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
            (
                "Locked or expired: wait for the unlock time of the SSO policy, or reset it on a"
                " node with /usr/lib/vmware-vmdir/bin/vdcadmintool"
            ),
            _GO_ON,
        ),
        remediation.PlainBindRefusedError: (
            "Set the LDAPS port of {e.node} in domain.toml: ports = {{ ldaps = 636 }} in its table",
            _GO_ON,
        ),
        remediation.NodeTlsError: _node_tls,
        remediation.HostKeyError: _host_key,
        remediation.WindowsNodeError: _windows_node,
        remediation.NoShellError: (
            (
                'Choose a transport that can, in [nodes."{e.node}"] of domain.toml:'
                ' transport = "auto", "guest-operations" or "ssh"'
            ),
            _GO_ON,
        ),
        remediation.NodeLoginError: _node_login,
        remediation.TransportUnavailableError: (
            "Look on the VM's console whether {e.node} is on and has started",
            (
                "Check that {e.transport} is enabled there and that this workstation reaches its"
                " port; ports and address can be set in domain.toml"
            ),
            'Or choose another transport in [nodes."{e.node}"]',
            _GO_ON,
        ),
        remediation.NodeFileError: (
            "Look on {e.node} at {e.path}: permissions, a full or read-only file system",
            _GO_ON,
            _BACK,
        ),
        remediation.DomainNotFoundError: (
            'If {e.found} is the domain you mean, set domain = "{e.found}" under [sso]',
            "If not, name a node of {e.wanted} under [sso]",
            _GO_ON,
        ),
        remediation.TenantNotFoundError: (
            "Check that the user of [sso] is an administrator of the domain: others see nothing",
            _GO_ON,
        ),
        remediation.IssuerError: (
            (
                "Mend what [sts] names; stsfix needs an RSA key, its own certificate, and every"
                " issuer up to the root"
            ),
            _GO_ON,
        ),
        remediation.PreflightBlockedError: (
            "See each finding with its advice: {preflight}",
            "When none blocks any more: {run}",
        ),
        remediation.AcceptanceError: (
            "See what was found, with ids and objects: {preflight}",
            "docs/findings.md lists every id and whether it can be accepted",
        ),
        remediation.NothingToRepairError: (
            (
                "If logins fail all the same, the cause is another one; see which proof fails:"
                " {verify}"
            ),
        ),
        remediation.RunNotFoundError: (
            "List the runs of this state folder: {runs}",
            "If the run was made elsewhere, go on there or name its folder with --state-dir",
        ),
        remediation.AdoptionError: (
            "Name every host that may hold a node's VM in domain.toml: only those are looked at",
            (
                "If a snapshot of the run is gone, do not revert single nodes by hand: power all"
                " nodes on, PSCs first, and delete the snapshots of the run in the Host Client"
            ),
            "Then look at the domain anew: {preflight}",
        ),
        remediation.ExportError: (
            (
                "Its passphrase is the SSO administrator's password of that day, unless one of its"
                " own was given (docs/secrets.md)"
            ),
            "Without it the way back is the snapshots: {rollback}",
        ),
        remediation.RestoreRefusedError: (
            "See what the export holds: {export_show}",
            "If every snapshot is still there, they are the better way back: {rollback}",
            "Else decide by hand which of the entries named above shall stay",
        ),
        remediation.RunStateError: ("See what the run is and what it can do: {status}",),
        remediation.DomainLockedError: _domain_locked,
        remediation.PlanChangedError: (
            "Go on with the version of stsfix that began the run (shown by {status})",
        ),
        remediation.DirectoryUnreachableError: (
            "Check that {e.node} is on, that vmdird runs there and that its LDAPS port is open",
            'If DNS is down with the outage, set address in [nodes."{e.node}"]',
            _GO_ON,
        ),
        remediation.NodeUnreachableError: (
            "Services of a node need up to half an hour after power-on; wait and look again",
            'If DNS is down with the outage, set address in [nodes."{e.node}"]',
            _GO_ON,
        ),
        remediation.DirectoryFaultError: (
            "LDAP 50: the user lacks rights or is locked; 53: the directory is read-only",
            "Look at the end of the newest log below /var/log/vmware/vmdird on {e.node}",
            _GO_ON,
            _BACK,
        ),
        remediation.EntryChangedError: (
            "Somebody else changes STS entries of this domain at the same time: stop that first",
            _GO_ON,
            _BACK,
        ),
        remediation.ReplicationOverdueError: (
            (
                "Check the partners: /usr/lib/vmware-vmdir/bin/vdcrepadmin -f showpartnerstatus"
                " -h localhost -u administrator"
            ),
            "Slow links only need time: set a longer replication limit under [timeouts]",
            _GO_ON,
            _BACK,
        ),
        remediation.SigningCertificateError: (
            "This is what stsfix repairs; before a run it is expected: {preflight}",
            (
                "After a run: the STS of {e.node} has not taken the new certificate, or a clock is"
                " wrong; compare the clocks of all nodes and hosts"
            ),
            _GO_ON,
        ),
        remediation.SsoLoginError: (
            "Check the password of {e.user}; it was tried once and will not be again",
            "Locked or expired: wait for the unlock time of the SSO policy",
            _GO_ON,
        ),
        remediation.ProofError: _proof,
        remediation.ServiceRestartError: (
            "See on {e.node} which services are down: service-control --status --all",
            (
                "Look at their logs below /var/log/vmware and start them: service-control --start"
                " --all"
            ),
            _GO_ON,
            _BACK,
        ),
        remediation.NodeNotReadyError: (
            "Look at the console of {e.node}: a file system check or a slow start needs time",
            "Set a longer boot limit under [timeouts] if it only needs time",
            _GO_ON,
            _BACK,
        ),
        remediation.VmcaError: (
            "See on {e.node} whether it runs: service-control --status vmcad",
            "Look at the end of the newest log below /var/log/vmware/vmcad on {e.node}",
            (
                'If VMCA cannot be mended now, let stsfix make a root of its own: issuer = "own-ca"'
                " under [sts] of domain.toml"
            ),
            _GO_ON,
            _BACK,
        ),
        remediation.ClockSkewError: (
            "See which clock is wrong: date -u here and on {e.node}",
            "Set it right (the same NTP server for nodes, hosts and this workstation)",
            _GO_ON,
            _BACK,
        ),
        remediation.VecsError: (
            (
                "Look on {e.node} at its stores:"
                " /usr/lib/vmware-vmafd/bin/vecs-cli entry list --store MACHINE_SSL_CERT"
            ),
            "What was replaced is in BACKUP_STORE there",
            _GO_ON,
            _BACK,
        ),
        remediation.WriteInDoubtError: (
            "Check the network between this workstation and {e.node}",
            "Go on: what was really written is looked at first: {go_on}",
        ),
        # --- the run
        remediation.StepUnclearError: (
            "See what the step noted: {status}",
            "Take the run back, which is safe either way: {rollback}",
        ),
        remediation.RestartByHandError: _by_hand,
        remediation.InterruptedRunError: ("Go on when you want to: {go_on}", _BACK),
        remediation.UndoFailedError: (
            "Mend what stopped it; do not power single nodes on meanwhile",
            "Then go on taking it back: {rollback}",
        ),
        remediation.JournalUnwritableError: (
            "Make room on, or repair, the file system of {e.path}",
            "The folder has to be your own, and nobody else may write into it (chmod go-w)",
            "Do not delete the file: it is what a resume and a rollback work from",
            _GO_ON,
        ),
    }
)
"""Next actions of every leaf."""

OWN_STATE: Mapping[type[OperationError], str] = MappingProxyType(
    {
        remediation.JournalUnwritableError: (
            "The last record may or may not be on disk; nothing was done after it."
        ),
        remediation.RestartByHandError: (
            "Nothing failed: services that could be restarted without a person run again."
        ),
        remediation.DomainLockedError: (
            "Nothing was written. Nodes that this run has shut down are left to the other one."
        ),
        plugin.ReportFileError: "Only what was to be written there is missing.",
        remediation.InterruptedRunError: "Every record is complete; nothing is half done.",
        remediation.UndoFailedError: (
            "The run is partly taken back; no node was powered on after the failure."
        ),
        remediation.ReplicationOverdueError: (
            "What was written on {e.writer} is not yet on every node."
        ),
        snapshot.ShutdownOverdueError: "No guest was forced off; others may be off already.",
        snapshot.RevertUnverifiedError: "Snapshots were reverted; no node was powered on.",
    }
)
"""What is known of the state where a class knows more than its category."""
