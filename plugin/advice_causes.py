"""Next actions of errors that have several causes: what the error knows decides.

Templates as in `stsfix.plugin.advice`, whose table they belong to.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Protocol

from stsfix.plugin.errors import EXPORTS
from stsfix.remediation.errors import REFUSED, UNTRUSTED, LoginRefusal
from stsfix.snapshot.answers import TOO_SLOWLY

if TYPE_CHECKING:
    from stsfix.plugin import errors as plugin
    from stsfix.remediation import errors as remediation
    from stsfix.remediation import errors_run as of_run
    from stsfix.snapshot import errors as snapshot

Advice = tuple[str, ...] | Callable[[Any], tuple[str, ...]]

GO_ON = "Then go on: {go_on}"
LOOK = "See how far the run is, and what it can do: {status}"
BACK = "Or take the run back: {rollback}"
LOCKED_OR_EXPIRED = (
    "Locked: wait for the unlock time of the SSO policy; expired: reset it on a node with"
    " /usr/lib/vmware-vmdir/bin/vdcadmintool"
)
EXPIRED_TEXT = "Signing certificate is not valid"
"""The STS's own words (IdentityManager.java; title of the VMware KB this tool is about)."""


APART_ADVICE = (
    (
        "Shut every node down now (guest shutdown in the Host Client) and power none on:"
        " directories of different times break replication for good (KB 313886)"
    ),
    "With all of them off, see there whether a VM is not at {e.run} or has an independent disk",
    "Revert every VM to {e.run} there, and only then power all on, PSCs first",
    "Then compare again: {rollback}",
    "If it stays so, leave all of them off and ask VMware's support which directory is to be kept",
)
APART_STATE = "Every VM was reverted and powered on, and the directories do not fit each other."


def silent_advice(*lines: str) -> Advice:
    """Advise with *lines* on a peer that does not answer, and first on one that is only slow."""

    def advise(error: _Silent) -> tuple[str, ...]:
        return (_SLOW, *lines) if TOO_SLOWLY in error.reason else lines

    return advise


_SLOW = (
    "If the line to it is slow, raise read below [timeouts] in domain.toml; else look whether it is"
    " overloaded, or something between here and there holds its answers back"
)


class _Silent(Protocol):
    reason: str


def host_login_advice(error: snapshot.HostLoginError) -> tuple[str, ...]:
    """Advise on a host that let nobody in, by the fault that it answered with."""
    if error.expired:
        return (
            (
                "Set a new password of {e.user} on the host's console (F2) or at"
                " https://{e.host}/ui; stsfix never changes one"
            ),
            "Put it where the old one was (docs/secrets.md)",
            GO_ON,
        )
    return (
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
        GO_ON,
    )


def key_missing_advice(error: snapshot.VmKeyMissingError) -> tuple[str, ...]:
    """Advise on an encrypted VM whose host has no key for it."""
    # vSphere 7.0 and 8.0 Security guides: vCenter hands keys of a standard key provider out.
    where = error.original or error.host
    return (
        *(
            ("Register it on {e.original} again, and remove it from {e.host} without deleting",)
            if error.original
            else ()
        ),
        (
            f"Do not reboot {where}: a host loses keys at a reboot, unless it keeps them in a TPM"
            " (key persistence, 7.0 U2 and later) or has a Native Key Provider"
        ),
        "If the key is lost, only a vCenter that knows the key provider gives it to the host again",
        GO_ON,
    )


def host_tls_advice(error: snapshot.HostTlsError) -> tuple[str, ...]:
    """Advise on a host's certificate that is not the expected one."""
    # Where an ESXi host keeps its certificate: /etc/vmware/ssl/rui.crt.
    where = "the [[esxi]] table of {e.host}"
    own = "openssl x509 -noout -fingerprint -sha256 -in /etc/vmware/ssl/rui.crt"
    return _tls(error.sha256, where, own)


def node_tls_advice(error: remediation.NodeTlsError) -> tuple[str, ...]:
    """Advise on a node's certificate that is not the expected one."""
    return _node_tls(error.sha256)


def _node_tls(sha256: str | None) -> tuple[str, ...]:
    # vecs-cli entry getcert, store and alias as on vCenter 6.5 to 8.0.
    where = '[nodes."{e.node}"]'
    own = (
        "/usr/lib/vmware-vmafd/bin/vecs-cli entry getcert --store MACHINE_SSL_CERT"
        " --alias __MACHINE_CERT | openssl x509 -noout -fingerprint -sha256"
    )
    renewed = "If a run renewed this node's certificate, its new pin is in: {newest}"
    return (*_tls(sha256, where, own)[:-1], renewed, GO_ON)


def _tls(sha256: str | None, where: str, own: str) -> tuple[str, ...]:
    on_console = f"Read the SHA-256 fingerprint on the machine's own console: {own}"
    if sha256 is None:
        return (
            "No credential was sent. Check the name, the address and the clock of this workstation",
            on_console,
            f'Then pin it in {where} of domain.toml: tls = "sha256:<what the console shows>"',
            GO_ON,
        )
    return (
        on_console,
        f'Only if it is the same, pin it in {where} of domain.toml: tls = "sha256:{sha256}"',
        "If it is not, somebody else answers at this address: no credential was sent, find out who",
        GO_ON,
    )


def host_key_advice(error: remediation.HostKeyError) -> tuple[str, ...]:
    """Advise on a host key that is not known, or another one."""
    own = (
        "Read the fingerprints on the node's own console:"
        ' for k in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$k"; done'
    )
    pin = '[nodes."{e.node}"] of domain.toml: ssh_host_key = '
    if not error.shown:
        return (own, f'Then pin it in {pin}"SHA256:<what the console shows>"', GO_ON)
    return (
        own,
        f'Only if one of them is {{e.shown}}, pin it in {pin}"{{e.shown}}"',
        "If none is, somebody else answers at this address: no password was sent, find out who",
        GO_ON,
    )


def windows_node_advice(error: remediation.WindowsNodeError) -> tuple[str, ...]:
    """Advise on what a Windows node lacks for being worked on."""
    mend = (
        'Set in [nodes."{e.node}"] of domain.toml: user to an administrator of Windows,'
        ' transport to "guest-operations" (or leave it out)'
        if error.by_setting
        else 'Without VMCA of a Windows node: issuer = "own-ca" under [sts] of domain.toml;'
        " renew other certificates with VMware's own tools"
    )
    works = "What works on Windows nodes and what does not: docs/operating.md, vCenter on Windows"
    return (mend, works, GO_ON)


def node_login_advice(error: remediation.NodeLoginError) -> tuple[str, ...]:
    """Advise on a refused password of a node, by what the node said."""
    once = "Its password was sent once and will not be sent again, also not over another transport"
    match error.refusal:
        case LoginRefusal.EXPIRED:
            return (
                (
                    "Log in on the VM's console as {e.user} and set a new password when asked;"
                    " stsfix never changes one"
                ),
                "Put the new password where the old one was (docs/secrets.md)",
                GO_ON,
            )
        case LoginRefusal.LOCKED:
            return (
                "Wait until the lock ends, without any attempt, also by other tools",
                (
                    "Or end it on the VM's console: faillock --user {e.user} --reset (8.0),"
                    " pam_tally2 --user {e.user} --reset (up to 7.0)"
                ),
                GO_ON,
            )
        case LoginRefusal.REFUSED | LoginRefusal.SILENT:
            return (
                once,
                (
                    "Three causes can look the same: a wrong password of {e.user}, an expired one"
                    " (90 days after installation by default), or a locked account"
                ),
                "Log in once on the VM's console; if it asks for a new password, set one there",
                GO_ON,
            )


def config_advice(error: plugin.ConfigError) -> tuple[str, ...]:
    """Advise on a configuration that is missing or wrong."""
    if any(problem.reason == "there is no such file" for problem in error.problems):
        return (
            "Write one from the example in docs/configuration.md; for the lab: stsfix lab up",
            "Or name it with -c FILE or $STSFIX_CONFIG",
        )
    return (
        "Mend {e.path}; every key with its default is in docs/configuration.md",
        GO_ON,
    )


def by_hand_advice(error: of_run.RestartByHandError) -> tuple[str, ...]:
    """Advise on nodes that a person has to restart, with the commands."""
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
        BACK,
    )


def report_file_advice(error: plugin.ReportFileError) -> tuple[str, ...]:
    """Advise on a report that could not be written."""
    if error.path == "standard output":
        return (
            "Nobody took what was written: a closed pipe or terminal, or a full disk",
            "What a run has done is in its journal: {status}",
        )
    if EXPORTS in PurePath(error.path).parts[-2:]:  # a run's own file, which nobody named
        return ("Make room on the disk of {e.path}, or mend its folder", GO_ON)
    return ("Name a new or an ordinary file in a folder of your own, on a disk with free space",)


_ALLOW_PASSWORDS = (
    "If the directory takes the same password (a run binds with it first), a login policy forbids"
    " passwords: allow them until the proof is given (vSphere Client, Single Sign On)"
)
_GIVE_UP_THE_PROOF = (
    "Or see by other means that logins work on every node, and end the run without the proof:"
    " docs/operating.md, When logins cannot be proven"
)
NO_PASSWORD_LOGIN = (_ALLOW_PASSWORDS, _GIVE_UP_THE_PROOF)
"""Advice where an STS refuses a password that LDAP took. Source: vsphere.md 5: a policy of smart
cards only blocks logins by password.
"""


def proof_advice(error: remediation.ProofError) -> tuple[str, ...]:
    """Advise on a way in that does not work."""
    if EXPIRED_TEXT in error.reason:
        return ("This is what stsfix repairs; before a run it is expected: {preflight}", BACK)
    if REFUSED in error.reason:
        return (*NO_PASSWORD_LOGIN, GO_ON, BACK)
    if UNTRUSTED in error.reason:
        return (*_node_tls(None), BACK)
    return (
        "Services may still be starting on {e.node}: wait some minutes and prove again: {verify}",
        GO_ON,
        BACK,
    )


def foreign_entries_advice(error: remediation.ForeignEntriesError) -> tuple[str, ...]:
    """Advise on entries that somebody else added, changed or removed."""
    if error.signer:
        return (
            (
                "Find out whose {e.signer} is: a person's, or made by vCenter's own refresh of its"
                " certificate"
            ),
            (
                "If it is not to sign, remove it and leave its chain (docs/operating.md, Removing a"
                " credential by hand)"
            ),
            GO_ON,
            BACK,
        )
    stop = "Somebody else changes STS entries of this domain at the same time: stop that first"
    if error.gone:
        return (stop, "It is not written a second time. Take the run back: {rollback}")
    return (stop, GO_ON, BACK)


def run_not_found_advice(error: of_run.RunNotFoundError) -> tuple[str, ...]:
    """Advise on a run that is not in the state folder."""
    listed = ("List the runs of this state folder: {runs}",) if error.run else ()
    return (
        *listed,
        (
            "If the run was begun by another user or on another workstation, go on there, or name"
            " its state folder with --state-dir"
        ),
        (
            "If that state folder is lost, the run is found by its snapshots: docs/operating.md,"
            " When the state folder is lost"
        ),
    )


def journal_advice(error: of_run.JournalUnwritableError) -> tuple[str, ...]:
    """Advise on a journal that cannot be written, or may be another one's work."""
    keep = "Do not delete the journal: it is what a resume and a rollback work from"
    if error.untrusted:
        return (
            (
                "Work as the user who began the run; for a first run name a folder of your own with"
                " --state-dir"
            ),
            "If it is yours and only its mode is wrong: chmod go-w {e.path}",
            keep,
            GO_ON,
        )
    return ("Make room on, or repair, the file system of {e.path}", keep, GO_ON)


def export_advice(error: of_run.ExportError) -> tuple[str, ...]:
    """Advise on an export that does not open, or that is there and should not be."""
    if error.others:
        return (
            (
                "If the state folder is an older copy, go on with the newer one, or take the run"
                " back from its snapshots with a folder of its own: {adopt}"
            ),
            "If somebody changed the STS entries meanwhile, close this run: {rollback}",
        )
    return (
        (
            "Its passphrase is the SSO administrator's password of that day, unless one of its"
            " own was given (docs/secrets.md)"
        ),
        "Without it the way back is the snapshots: {rollback}",
    )


def nodes_joined_advice(error: of_run.NodesJoinedError) -> tuple[str, ...]:
    """Advise on a domain that has grown, before anything is written or when it is to go back."""
    behind = "A revert would leave these behind: replication with them would be broken for good"
    if error.unwritten:
        return (
            behind,
            "Nothing is written yet. Close this run, which reverts nobody: {rollback}",
            "Then release its snapshots, and begin a new run, which has all nodes: {release}",
        )
    return (
        behind,
        "If one is only a stale entry, remove it from the directory first (KB 425780)",
        (
            "Else the run's export can put the STS entries back without snapshots, while"
            " all nodes stay on: {export_restore}"
        ),
    )


def domain_locked_advice(error: of_run.DomainLockedError) -> tuple[str, ...]:
    """Advise on another run of the domain, here or elsewhere."""
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
    if error.open_run:
        return (
            "See what it is, and how to go on with it, take it back or release it: {status}",
            "Once it is released or rolled back, begin a new one: {again}",
        )
    return (
        "Wait until {e.holder} has ended; what it does is here: {runs}",
        "A run of another workstation is ended there, by rollback or release",
    )
