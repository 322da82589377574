"""OpenSSH's own client against a node of a lab; it types the password as a person would."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from stsfix.lab.lab import Lab

LIMIT_S = 30.0
needs_openssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH is not installed")


class OpenSsh:
    """Logs in as root. *folder* keeps known_hosts and what answers the password's question."""

    def __init__(self, lab: Lab, node: str, folder: Path) -> None:
        self.lab = lab
        self.node = node
        self._folder = folder
        self.known_hosts = folder / "known_hosts"
        self.methods = "keyboard-interactive,password"

    def command(self, *words: str, program: str = "ssh") -> list[str]:
        """Return the command line; it is given no password."""
        port = {"ssh": "-p", "sftp": "-P", "scp": "-P"}[program]
        options = (
            f"UserKnownHostsFile={self.known_hosts}",
            "StrictHostKeyChecking=accept-new",
            "NumberOfPasswordPrompts=1",
            f"PreferredAuthentications={self.methods}",
            "LogLevel=ERROR",
        )
        command = [program, "-F", "none", port, str(self.lab.network.ports[self.node].ssh)]
        for option in options:
            command += ["-o", option]
        return [*command, *words]

    def environment(self, password: str | None = None) -> dict[str, str]:
        """Return an environment in which the client gets its password from a program."""
        secret = self._folder / "password"
        secret.write_text(self.lab.passwords.nodes[self.node] if password is None else password)
        ask = self._folder / "askpass"
        ask.write_text(f"#!/bin/sh\ncat {secret}\n")
        ask.chmod(0o700)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "TERM": "xterm",
            "SSH_ASKPASS": str(ask),
            "SSH_ASKPASS_REQUIRE": "force",
        }

    def run(
        self, *words: str, stdin: str = "", terminal: bool = False, password: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command, or the login shell if there are no *words*, to its end."""
        options = ("-tt",) if terminal else ("-T",)
        return subprocess.run(
            self.command(*options, "root@127.0.0.1", *words),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=self.environment(password),
            timeout=LIMIT_S,
            check=False,
        )

    def terminal(self) -> AbstractContextManager[Screen]:
        """Return a login on a terminal; it is killed at the end."""
        return self.started("-tt", "root@127.0.0.1")

    @contextmanager
    def started(self, *words: str) -> Generator[Screen]:
        """Yield a client that runs; it is killed at the end."""
        process = subprocess.Popen(
            self.command(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(),
        )
        try:
            yield Screen(process)
        finally:
            process.kill()
            process.communicate()


class Screen:
    """What a person sees of a login, and types."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._out, self._in = _pipe(process.stdout), _pipe(process.stdin)
        os.set_blocking(self._out.fileno(), False)

    def type(self, text: str) -> None:
        """Send *text* as it is."""
        self._in.write(text.encode())
        self._in.flush()

    def read_to(self, text: str) -> str:
        """Return what is shown up to and with *text*.

        Raises:
            AssertionError: It is not shown, or the login ends.
        """
        seen = b""
        deadline = time.monotonic() + LIMIT_S
        while not seen.endswith(text.encode()):
            found: bytes | None = self._out.read(1)
            if found is not None and not found:
                raise AssertionError(f"the login ended after {seen!r}")
            if found is None and time.monotonic() > deadline:
                raise AssertionError(f"{text!r} is not in {seen!r}")
            if found is None:
                time.sleep(0.005)
            seen += found or b""
        return seen.decode(errors="replace")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("the pipe was asked for")
    return pipe
