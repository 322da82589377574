"""The product's SSH transport, set up for tests."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stsfix.remediation.host_keys import HostKeys, SshPeer
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.transports.ssh import SshShell
from stsfix.remediation.transports.ssh_pool import SshPool
from stsfix.snapshot.model import HostRef, VmId
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from stsfix.remediation.host_keys import HostKeyQuestion

FQDN = "vc1.lab.example"
NODE = NodePlan(
    fqdn=FQDN,
    role=Role.EMBEDDED,
    vm=VmId(host=HostRef("esx1.lab.example"), moref="7", instance_uuid="u", name="vc1"),
)


class MemoryKeys:
    """`host_keys.KeyMemory` that forgets at the end."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def read(self) -> str:
        return self.text

    def add(self, line: str) -> None:
        self.text += f"{line}\n"


@contextmanager
def ssh_shell(
    port: int,
    password: str,
    *,
    sha256: str | None = None,
    known_hosts: Path | None = None,
    memory: MemoryKeys | None = None,
    confirm: Callable[[HostKeyQuestion], bool] | None = None,
    user: str = "root",
    read_timeout_s: float = 20.0,
    connect_timeout_s: float = 20.0,
) -> Generator[SshShell]:
    """Yield the transport to an SSH server on loopback; closed at the end."""
    peer = SshPeer(
        node=FQDN,
        address="127.0.0.1",
        port=port,
        sha256=sha256,
        known_hosts=known_hosts,
        connect_timeout_s=connect_timeout_s,
        read_timeout_s=read_timeout_s,
    )
    keys = HostKeys(memory or MemoryKeys(), confirm)
    pool = SshPool(lambda fqdn: peer, keys, lambda fqdn: (user, Secret(password)))
    shell = SshShell(pool, SystemClock())
    try:
        yield shell
    finally:
        shell.close()


def pin(openssh_form: str) -> str:
    """Return an OpenSSH fingerprint as 64 hex digits."""
    return base64.b64decode(openssh_form.removeprefix("SHA256:") + "=").hex()
