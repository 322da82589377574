"""OpenSSH's sshd on loopback, as an appliance's: root, PAM, bash or appliancesh at login.

It runs as the test's own user, which has to be root: only root's sshd may ask PAM, and PAM looks
for a service's rules in /etc/pam.d only. The rules are in a file of their own there, removed at
the end; they ask a script for the password, and real pam_faillock for the lock.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loopback import free_port

if TYPE_CHECKING:
    from collections.abc import Generator

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
PASSWORD = "pa ss'\"$*wörd"
NODE = "vc1.lab.example"

_LOOK_ALIKE = Path(__file__).parents[1] / "peers" / "sshd" / "appliancesh.py"
_PAM = Path("/etc/pam.d")


def obstacle() -> str:
    """Return why sshd cannot be run here, empty if it can."""
    if SSHD is None:
        return "sshd is not installed"
    if os.getuid() != 0:
        return "only root's sshd can ask PAM for a password"
    if not _PAM.is_dir() or not shutil.which("bash"):
        return "this machine has no PAM rules in /etc/pam.d, or no bash"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """A running sshd. *folder* holds the state of what is behind it."""

    port: int
    folder: Path
    pid: int

    def drop(self) -> None:
        """Break every connection, as a reboot does."""
        done = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.pid)],
            capture_output=True,
            text=True,
            check=True,
        )
        for pid in done.stdout.split():
            os.kill(int(pid), signal.SIGKILL)

    def fingerprint(self, kind: str = "ed25519") -> str:
        """Return the fingerprint of a host key, by ssh-keygen."""
        done = subprocess.run(
            ["ssh-keygen", "-lf", str(self.folder / f"host_{kind}.pub")],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()[1]

    def key_line(self, name: str, kind: str = "ed25519") -> str:
        """Return the line of a known_hosts file that lists a host key for *name*."""
        words = (self.folder / f"host_{kind}.pub").read_text().split()
        return f"{name} {words[0]} {words[1]}\n"

    @property
    def attempts(self) -> list[str]:
        """Every password that PAM was asked about."""
        file = self.folder / "attempts"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def typed(self) -> list[str]:
        """Every line that was typed at appliancesh."""
        file = self.folder / "log"
        return file.read_text().splitlines() if file.exists() else []


@contextmanager
def running_sshd(
    folder: Path,
    *,
    login: str = "bash",
    methods: tuple[str, ...] = ("password", "keyboard-interactive"),
    settings: str = "",
    deny_after: int = 100,
) -> Generator[Sshd]:
    """Run sshd with its state in *folder* until the block ends.

    Args:
        folder: Gets keys, configuration and everything else.
        login: ``bash``, or a state of the look-alike: ``enabled``, ``disabled``, ``locked``.
        methods: Ways to log in that are offered.
        settings: Lines of sshd_config that replace ours.
        deny_after: Wrong passwords after which pam_faillock locks the account.
    """
    _prepare(folder, login)
    port = free_port()
    service = f"stsfix-sshd-{port}"
    (folder / "sshd_config").write_text(settings + _config(folder, port, login, methods))
    program = folder / service
    program.symlink_to(str(SSHD))
    rules = _PAM / service
    rules.write_text(_rules(folder, deny_after))
    Path("/run/sshd").mkdir(exist_ok=True)
    command = [str(program), "-D", "-e", "-f", str(folder / "sshd_config")]
    try:
        with (folder / "sshd.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                _await_banner(port, process, folder)
                yield Sshd(port=port, folder=folder, pid=process.pid)
            finally:
                process.terminate()
                process.wait(timeout=20)
    finally:
        rules.unlink()


def _prepare(folder: Path, login: str) -> None:
    for name in ("bin", "home", "tally"):
        (folder / name).mkdir()
    (folder / "state").write_text(login)
    for kind in ("ed25519", "rsa"):
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(folder / f"host_{kind}")]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    _script(
        folder / "check",
        f"""\
        #!/bin/bash
        IFS= read -r -d '' given
        printf '%s\\n' "$given" >> {folder}/attempts
        [ "$given" = "$(cat {folder}/password)" ]
        """,
    )
    (folder / "password").write_text(PASSWORD)
    _script(
        folder / "login",
        f"""\
        #!/bin/bash
        export PATH={folder}/bin:$PATH HOME={folder}/home
        [ -n "$SSH_ORIGINAL_COMMAND" ] && exec /bin/bash -c "$SSH_ORIGINAL_COMMAND"
        exec /bin/bash --norc
        """,
    )


def _script(path: Path, text: str) -> None:
    path.write_text(textwrap.dedent(text))
    path.chmod(0o700)


def _config(folder: Path, port: int, login: str, methods: tuple[str, ...]) -> str:
    shell = f"{folder}/login" if login == "bash" else f"{sys.executable} {_LOOK_ALIKE} {folder}"
    offered = " ".join(methods)
    return textwrap.dedent(f"""\
        ListenAddress 127.0.0.1
        Port {port}
        HostKey {folder}/host_ed25519
        HostKey {folder}/host_rsa
        PidFile none
        UsePAM yes
        PermitRootLogin yes
        AuthenticationMethods {offered}
        PasswordAuthentication {"yes" if "password" in methods else "no"}
        KbdInteractiveAuthentication {"yes" if "keyboard-interactive" in methods else "no"}
        PubkeyAuthentication {"yes" if "publickey" in methods else "no"}
        AuthorizedKeysFile none
        PrintMotd no
        LogLevel VERBOSE
        ForceCommand {shell}
        """)


def _rules(folder: Path, deny_after: int) -> str:
    tally = f"dir={folder}/tally even_deny_root deny={deny_after}"
    return textwrap.dedent(f"""\
        auth required pam_faillock.so preauth {tally}
        auth [success=1 ignore=ignore default=bad] pam_exec.so expose_authtok quiet {folder}/check
        auth [success=ignore default=die] pam_faillock.so authfail {tally}
        auth required pam_faillock.so authsucc {tally}
        auth required pam_permit.so
        account required pam_permit.so
        session required pam_permit.so
        password required pam_deny.so
        """)


def _await_banner(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError((folder / "sshd.log").read_text())
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as plain:
                plain.settimeout(5)
                if plain.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("sshd shows no banner")
