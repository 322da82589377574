"""Ways to a node with a bash, for the contract of `ports.NodeShell`: one world each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from esx_lab import PASSWORD as ESX_PASSWORD
from esx_lab import running_host
from hypervisor_worlds import adapter
from lab_keys import shared_keys
from memory_shell import MemoryShell
from shell_guest import SECRET, ShellGuest
from ssh_client import FQDN, NODE, pin, ssh_shell
from sshd_peer import PASSWORD, obstacle, running_sshd
from stsfix.lab import pki
from stsfix.lab.esx.machine import VirtualMachine
from stsfix.lab.lab import Lab
from stsfix.lab.ssh_keys import fingerprint
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.transports.guest import GuestShell
from stsfix.snapshot.guest import EsxiGuestOperations
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from stsfix.remediation.ports import NodeShell

POLL = timedelta(milliseconds=20)


@dataclass(frozen=True, kw_only=True)
class ShellWorld:
    """A node that can be reached. *folder* is one on it for files of the test; *left* lists
    what is in it and in the node's folder for temporary files; *with_password* gives the same
    way in with another password, and *attempts* counts logins that were refused.
    """

    shell: NodeShell
    node: NodePlan
    folder: str
    left: Callable[[], set[str]]
    mode: Callable[[str], int]
    with_password: Callable[[str], NodeShell]
    attempts: Callable[[], int]


@contextmanager
def memory_world(folder: Path) -> Generator[ShellWorld]:
    """The double that other tests use."""
    del folder
    shell = MemoryShell()
    refused = MemoryShell()
    refused.is_refused = True
    files = shell.node.disk.files
    yield ShellWorld(
        shell=shell,
        node=NODE,
        folder="/root/t",
        left=lambda: {path for path in files if path.startswith(("/root/t/", "/tmp/"))},
        mode=lambda path: files[path].mode,
        with_password=lambda password: refused,
        attempts=lambda: refused.attempts,
    )


@contextmanager
def guest_world(folder: Path) -> Generator[ShellWorld]:
    """Guest operations of the lab's ESXi host."""
    with running_host() as lab:
        guest = ShellGuest()
        lab.host.add_vm(VirtualMachine(name="node", guest=guest)).power_on()
        path = folder / "ca.pem"
        path.write_bytes(pki.pem(lab.ca.root))
        endpoint = Endpoint(
            name="esx1.lab.example",
            address="127.0.0.1",
            port=lab.host.port,
            trust=Trust(ca_file=path),
        )
        with adapter(endpoint, ESX_PASSWORD) as host:
            vm = next(s.vm for s in host.observe_host().vms if s.vm.name == "node")
            operations = EsxiGuestOperations(host, SystemClock(), poll=POLL)

            def shell(password: str) -> GuestShell:
                return GuestShell(lambda vm: operations, lambda fqdn: ("root", Secret(password)))

            files = guest.disk.files
            yield ShellWorld(
                shell=shell(SECRET),
                node=NodePlan(fqdn=FQDN, role=Role.EMBEDDED, vm=vm),
                folder="/root/t",
                left=lambda: {path for path in files if path.startswith(("/root/t/", "/tmp/"))},
                mode=lambda path: files[path].mode,
                with_password=shell,
                attempts=lambda: guest.disk.failed_logins,
            )


@contextmanager
def sshd_world(folder: Path, *, login: str) -> Generator[ShellWorld]:
    """OpenSSH's sshd with a real bash behind it."""
    (folder / "sshd").mkdir()
    (folder / "files").mkdir()
    with running_sshd(folder / "sshd", login=login) as server:
        known = pin(server.fingerprint())

        def refused(password: str) -> NodeShell:
            opened = ssh_shell(server.port, password, sha256=known)
            return opened.__enter__()  # it never gets a connection to close

        with ssh_shell(server.port, PASSWORD, sha256=known) as shell:
            yield ShellWorld(
                shell=shell,
                node=NODE,
                folder=str(folder / "files"),
                left=lambda: {str(path) for path in (folder / "files").rglob("*")},
                mode=lambda path: (folder / path).stat().st_mode & 0o777,
                with_password=refused,
                attempts=lambda: sum(given != PASSWORD for given in server.attempts),
            )


@contextmanager
def lab_ssh_world(folder: Path, *, scenario: str, topology: str) -> Generator[ShellWorld]:
    """The lab's own sshd, on the first node of a lab."""
    del folder
    with Lab.build(topology, scenario, speed=2000, keys=shared_keys()) as lab:
        fqdn = next(iter(lab.nodes))
        disk, port = lab.nodes[fqdn].disk, lab.network.ports[fqdn].ssh
        known = fingerprint(disk.ssh_host_keys[0])

        def refused(password: str) -> NodeShell:
            opened = ssh_shell(port, password, sha256=known)
            return opened.__enter__()  # it never gets a connection to close

        with ssh_shell(port, lab.passwords.nodes[fqdn], sha256=known) as shell:
            yield ShellWorld(
                shell=shell,
                node=NODE,
                folder="/root/t",
                left=lambda: {
                    path for path in disk.files if path.startswith(("/root/t/", "/tmp/"))
                },
                mode=lambda path: disk.files[path].mode,
                with_password=refused,
                attempts=lambda: disk.failed_logins,
            )


WORLDS: dict[str, Callable[[Path], AbstractContextManager[ShellWorld]]] = {
    "memory": memory_world,
    "lab-guest-operations": guest_world,
    "lab-ssh-bash": lambda folder: lab_ssh_world(folder, scenario="ssh-bash", topology="embedded"),
    "lab-ssh-8": lambda folder: lab_ssh_world(folder, scenario="ssh-only", topology="embedded"),
    "lab-ssh-7": lambda folder: lab_ssh_world(folder, scenario="ssh-only", topology="elm"),
    "lab-ssh-6": lambda folder: lab_ssh_world(folder, scenario="ssh-only", topology="external-psc"),
    "sshd-bash": lambda folder: sshd_world(folder, login="bash"),
    "sshd-appliancesh": lambda folder: sshd_world(folder, login="enabled"),
    "sshd-appliancesh-6": lambda folder: sshd_world(folder, login="disabled"),
}


def why_not(world: str) -> str:
    """Return why *world* cannot be had on this machine, empty if it can."""
    return obstacle() if world.startswith("sshd") else ""
