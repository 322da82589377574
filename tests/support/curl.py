"""curl against the management interface of a node; TLS is checked, the password is in a file."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from stsfix.lab.lab import Lab

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Status (0: no answer) and body of one request."""

    status: int
    body: str

    @property
    def value(self) -> Any:
        """What a successful call returns."""
        return json.loads(self.body)["value"]

    @property
    def error(self) -> tuple[str, str]:
        """Last part of the error's name, and its first message."""
        found = json.loads(self.body)
        return found["type"].rpartition(".")[2], found["value"]["messages"][0]["default_message"]


class Curl:
    """Asks *node* as root, or with the id of a session."""

    def __init__(self, lab: Lab, node: str, folder: Path) -> None:
        self.lab = lab
        self.node = node
        self._folder = folder

    def ask(
        self,
        method: str,
        path: str,
        *,
        password: str | None = None,
        session: str = "",
        body: str = "",
    ) -> Answered:
        """Make one request below /rest."""
        port = self.lab.network.ports[self.node].vami
        ca = self._folder / "ca.pem"
        ca.write_bytes(self.lab.ca_pem)
        secret = self.lab.passwords.nodes[self.node] if password is None else password
        quoted = secret.replace("\\", "\\\\").replace('"', '\\"')
        login = f"vmware-api-session-id: {session}" if session else ""
        lines = [f'header = "{login}"'] if session else [f'user = "root:{quoted}"']
        if body:
            lines += ['header = "Content-Type: application/json"', f"data = {json.dumps(body)}"]
        config = self._folder / "curl.conf"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        place = f"{self.node}:{port}"
        words = ["curl", "-q", "-sS", "-K", str(config), "--cacert", str(ca), "-X", method]
        words += ["--resolve", f"{place}:127.0.0.1", "-w", "\n%{http_code}"]
        done = subprocess.run(
            [*words, f"https://{place}/rest{path}"],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        text, _, status = done.stdout.rpartition("\n")
        return Answered(status=int(status), body=text)
