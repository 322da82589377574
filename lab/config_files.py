"""Writes what an operator of the lab would have: domain.toml, ca.pem and secrets.toml."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import ssl
from typing import TYPE_CHECKING

from stsfix.lab.ssh_keys import fingerprint
from stsfix.lab.topology import DOMAIN, HOSTS
from stsfix.lab.windows.plan import operators_user

if TYPE_CHECKING:
    from pathlib import Path

    from stsfix.lab.lab import Lab
    from stsfix.lab.programs import NodePorts
    from stsfix.lab.seams import KeyPair

SECRETS_FILE = "secrets.toml"
CA_FILE = "ca.pem"
CONFIG_FILE = "domain.toml"

FIELD_TIMEOUTS = {
    "shutdown": 1200,
    "power_on": 600,
    "boot": 2400,
    "snapshot": 900,
    "revert": 900,
    "removal": 14400,
    "replication": 300,
    "services": 1800,
}
"""The product's documented defaults, in seconds of the field."""

_WRONG = "not the password"
_OTHER_PIN = "sha256:" + "0" * 64
_GENEROUS = 4
_SHORTEST_S = 60


def write_config(lab: Lab, folder: Path) -> Path:
    """Write the three files into *folder* and return the path of domain.toml.

    secrets.toml has mode 0600 from its first byte on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CA_FILE).write_bytes(lab.ca_pem)
    _write_private(folder / SECRETS_FILE, _secrets(lab))
    path = folder / CONFIG_FILE
    path.write_text(_config(lab), encoding="utf-8")
    return path


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _quoted(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)


def _config(lab: Lab) -> str:
    wrong = lab.scenario.files
    nodes = [lab.topology.controllers[0].fqdn, *([wrong.node] if wrong.node else [])]
    domain = wrong.domain or DOMAIN
    user = f"{wrong.user or 'administrator'}@{domain}"
    lines = [
        "# Written by the stsfix lab; every name and password is made up.",
        "[sso]",
        f"domain = {_quoted(domain)}",
        f"nodes = [{', '.join(map(_quoted, nodes))}]",
        f"user = {_quoted(user)}",
    ]
    for name in HOSTS[: len(HOSTS) - wrong.hosts_left_out]:
        pinned = name == HOSTS[0] or lab.scenario.certificates.pinned
        trust = f"sha256:{_pin(lab, name)}" if pinned else CA_FILE
        if wrong.host_pin and name == HOSTS[0]:
            trust = _OTHER_PIN
        lines += [
            "",
            "[[esxi]]",
            f"host = {_quoted(name)}",
            'address = "127.0.0.1"',
            f"port = {lab.hosts[name].port}",
            'user = "root"',
            f"tls = {_quoted(trust)}",
        ]
    transport = lab.scenario.access.transport or "guest-operations"
    lines += ["", "[nodes]", 'user = "root"', f"transport = {_quoted(transport)}"]
    lines += [f"tls = {_quoted(CA_FILE)}"]
    for fqdn, ports in lab.network.ports.items():
        lines += [
            "",
            f"[nodes.{_quoted(fqdn)}]",
            'address = "127.0.0.1"',
            f"ports = {{ {_ports(ports)} }}",
            f"ssh_host_key = {_quoted(_host_key(lab, fqdn))}",
        ]
        if fqdn in lab.scenario.access.without_transport(lab.topology):
            lines.append('transport = "none"')
        if lab.nodes[fqdn].disk.windows is not None:
            lines.append(f"user = {_quoted(operators_user(lab.scenario.windows))}")
        if wrong.node_pin and fqdn == lab.topology.nodes[0].fqdn:
            lines.append(f"tls = {_quoted(_OTHER_PIN)}")
        elif lab.scenario.certificates.pinned:
            machine = lab.nodes[fqdn].disk.machine
            lines.append(f"tls = {_quoted(f'sha256:{_leaf_pin(machine)}')}")
    # Who signs the new certificate is left to the default, as most operators would.
    if wrong.restart:
        lines += ["", "[services]", f"restart = {_quoted(wrong.restart)}"]
    lines += ["", "[timeouts]", *_timeouts(lab.clock.speed)]
    lines += ["", "[secrets]", f"file = {_quoted(SECRETS_FILE)}", ""]
    return "\n".join(lines)


def _ports(ports: NodePorts) -> str:
    return ", ".join(
        f"{name} = {getattr(ports, name)}" for name in ("https", "ldaps", "vami", "ssh", "sts")
    )


def _timeouts(speed: float) -> list[str]:
    lines = ["connect = 10", "read = 60"]
    for name, field_s in FIELD_TIMEOUTS.items():
        lines.append(f"{name} = {max(_SHORTEST_S, round(_GENEROUS * field_s / speed))}")
    lines.append(f"poll = {max(0.05, round(5 / speed, 3))}")
    return lines


def _pin(lab: Lab, host: str) -> str:
    return _leaf_pin(lab.host_certificates[host])


def _host_key(lab: Lab, fqdn: str) -> str:
    """Return the pin of the node's SSH host key: of its first or second, in either notation."""
    if lab.scenario.access.host_key_wrong and fqdn == lab.topology.nodes[0].fqdn:
        return _OTHER_PIN
    number = list(lab.nodes).index(fqdn)
    keys = lab.nodes[fqdn].disk.ssh_host_keys
    digest = fingerprint(keys[number % len(keys)])
    if number % 2:
        return f"sha256:{digest}"
    return "SHA256:" + base64.b64encode(bytes.fromhex(digest)).decode().rstrip("=")


def _leaf_pin(pair: KeyPair) -> str:
    pem = pair.certificates_pem.decode()
    end = "-----END CERTIFICATE-----"
    leaf = ssl.PEM_cert_to_DER_cert(pem[: pem.index(end) + len(end)])
    return hashlib.sha256(leaf).hexdigest()


def _secrets(lab: Lab) -> str:
    wrong = lab.scenario.files
    hosts, nodes = dict(lab.passwords.hosts), dict(lab.passwords.nodes)
    if wrong.host_password:
        hosts[HOSTS[0]] = _WRONG
    if wrong.root_password:
        nodes[lab.topology.nodes[0].fqdn] = _WRONG
    for fqdn in lab.scenario.access.without_transport(lab.topology):
        del nodes[fqdn]  # nobody needs it
    lines = [f"sso = {_quoted(_WRONG if wrong.sso_password else lab.passwords.sso)}"]
    lines += ["", "[esxi]"]
    lines += [f"{_quoted(name)} = {_quoted(password)}" for name, password in hosts.items()]
    lines += ["", "[nodes]"]
    lines += [f"{_quoted(name)} = {_quoted(password)}" for name, password in nodes.items()]
    return "\n".join(lines) + "\n"
