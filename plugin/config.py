"""Reads ``domain.toml``: which SSO domain, which hosts and nodes, and how to reach and trust them.

Strict: an unknown key, a wrong type, a file that is not there are all refused, together.
No secret ever stands in the file (`stsfix.plugin.secrets`).
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import ssl
import tomllib
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from stsfix.plugin.config_files import find_file, intruder
from stsfix.plugin.config_ssh import read_ssh
from stsfix.plugin.errors import ConfigError, ConfigProblem
from stsfix.plugin.settings import (
    HostSettings,
    NodeDefaults,
    NodeSettings,
    ServicesSettings,
    Settings,
    SnapshotSettings,
    SshSettings,
    SsoSettings,
    StsSettings,
    Timeouts,
)
from stsfix.plugin.toml_reader import TomlTable
from stsfix.remediation.model import Restart, Transport
from stsfix.snapshot.model import HostRef
from stsfix.snapshot.tls import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from stsfix.plugin.settings import IssuerName

__all__ = [
    "HostSettings",
    "NodeDefaults",
    "NodeSettings",
    "ServicesSettings",
    "Settings",
    "SsoSettings",
    "StsSettings",
    "Timeouts",
    "load_settings",
]

MAX_FILE_BYTES = 1 << 20
MAX_TIMEOUT_S = 7 * 24 * 3600
MAX_GROWTH_GIB = 10_000
MAX_VALIDITY_DAYS = 7305  # 20 years
_ISSUERS = ("vmca", "own-ca", "files")
_NODE_KEYS = (
    "user",
    "transport",
    "tls",
    "ports",
    "address",
    "vm",
    "ssh_host_key",
    "ssh_known_hosts",
)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[^@\s]+@[^@\s]+\Z")
_PIN = re.compile(r"sha256:(?P<digits>.*)", re.IGNORECASE | re.DOTALL)
_HEX = re.compile(r"[0-9a-f]{64}")


def load_settings(path: Path, *, come_across: bool = False) -> Settings:
    """Read and check the configuration file.

    Args:
        path: The file; paths in it are relative to its folder.
        come_across: Nobody named it: it lies in the current folder. Then another user's is not
            taken, because it says to whom passwords are sent.

    Raises:
        ConfigError: It cannot be read or has problems; all of them are in the error.
    """
    problems: list[ConfigProblem] = []
    settings = _read_settings(path, TomlTable(_parse(path, come_across), "", problems))
    if problems:
        raise ConfigError(str(path), problems)
    return settings


def _parse(path: Path, come_across: bool) -> dict[str, object]:  # noqa: FBT001 - as load_settings
    try:
        with path.open("rb") as file:
            if reason := intruder(path, os.fstat(file.fileno()), come_across=come_across):
                raise ConfigError(str(path), [_whole(reason)])
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(str(path), [_whole("is larger than 1 MiB")])
        # utf-8-sig: Notepad puts a byte order mark in front, which TOML does not allow.
        return tomllib.loads(content.decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(str(path), [_whole("there is no such file")]) from error
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        raise ConfigError(str(path), [_whole(reason)]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [_whole("is not UTF-8 text")]) from error
    except (ValueError, RecursionError) as error:
        # ValueError: also a number with more digits than int() takes.
        place = re.search(r"line \d+, column \d+", str(error))
        reason = "is not valid TOML" + (f" at {place.group()}" if place else "")
        raise ConfigError(str(path), [_whole(reason)]) from error


def _whole(reason: str) -> ConfigProblem:
    return ConfigProblem(where="", reason=reason)


def _read_settings(path: Path, root: TomlTable) -> Settings:
    folder = path.parent
    timeouts = _read_timeouts(root.table("timeouts"))
    defaults, nodes = _read_nodes(root.table("nodes"), folder, timeouts)
    secrets = root.table("secrets")
    secrets_file = secrets.optional_text("file")
    secrets.close()
    settings = Settings(
        path=path,
        sso=_read_sso(root.table("sso")),
        hosts=_read_hosts(root, folder, timeouts),
        sts=_read_sts(root.table("sts"), folder),
        services=_read_services(root.table("services")),
        snapshots=_read_snapshots(root.table("snapshots")),
        timeouts=timeouts,
        secrets_file=folder / secrets_file if secrets_file else None,
        node_defaults=defaults,
        nodes=nodes,
    )
    root.close()
    return settings


def _read_sso(table: TomlTable) -> SsoSettings:
    domain = table.text("domain", check=_domain_problem).lower()

    def user_problem(value: str) -> str | None:
        if not _USER.match(value):
            return "must be user@domain"
        if value.partition("@")[2].lower() != domain:
            return f"must be a user of {domain}, as others have no rights in its directory"
        return None

    sso = SsoSettings(
        domain=domain,
        nodes=tuple(name.lower() for name in table.texts("nodes", check=_node_problem)),
        user=table.text("user", f"administrator@{domain}", check=user_problem),
    )
    table.close()
    return sso


def _read_hosts(root: TomlTable, folder: Path, timeouts: Timeouts) -> tuple[HostSettings, ...]:
    hosts: list[HostSettings] = []
    for table in root.tables("esxi"):
        name = table.text("host", check=_name_problem)
        if name.lower() in {known.host.lower() for known in hosts}:
            table.report("host", "is listed twice")
        endpoint = timeouts.endpoint(
            name=name,
            address=table.text("address", name or "-", check=_name_problem),
            port=table.integer("port", 443, high=65535),
            trust=_read_trust(table, folder) or Trust(),
        )
        user = table.text("user", "root")
        hosts.append(HostSettings(host=HostRef(name), user=user, endpoint=endpoint))
        table.close()
    if not hosts:
        root.report("esxi", "name every ESXi host that may hold a node's VM as [[esxi]]")
    return tuple(hosts)


def _read_nodes(
    table: TomlTable, folder: Path, timeouts: Timeouts
) -> tuple[NodeDefaults, tuple[NodeSettings, ...]]:
    standard = NodeDefaults(
        user="root",
        transport=Transport.AUTO,
        ssh=SshSettings(),
        trust=Trust(),
        https_port=443,
        ldaps_port=636,
        vami_port=5480,
        sts_port=7444,
    )
    defaults = _read_node(table, standard, folder)
    nodes: list[NodeSettings] = []
    for name, own in table.subtables(_NODE_KEYS):
        reason = _node_problem(name)
        if reason is not None:
            own.report("", f'{reason}; write it in quotes: [nodes."vc1.lab.example"]')
            continue
        fqdn = name.lower()
        if fqdn in {known.fqdn for known in nodes}:
            own.report("", "is listed twice")
        address = own.text("address", fqdn, check=_name_problem)
        vm = own.optional_text("vm")
        settings = _read_node(own, defaults, folder).settings(fqdn, address, timeouts)
        nodes.append(dataclasses.replace(settings, vm=vm))
        own.close()
    table.close()
    return defaults, tuple(nodes)


def _read_node(table: TomlTable, base: NodeDefaults, folder: Path) -> NodeDefaults:
    ports = table.table("ports")
    node = NodeDefaults(
        user=table.text("user", base.user),
        transport=_read_transport(table, base.transport),
        ssh=read_ssh(table, ports, base.ssh, folder),
        trust=_read_trust(table, folder) or base.trust,
        https_port=ports.integer("https", base.https_port, high=65535),
        ldaps_port=ports.integer("ldaps", base.ldaps_port, high=65535),
        vami_port=ports.integer("vami", base.vami_port, high=65535),
        sts_port=ports.integer("sts", base.sts_port, high=65535),
    )
    ports.close()
    return node


def _read_transport(table: TomlTable, base: Transport) -> Transport:
    known = [t.value for t in Transport]
    value = table.choice("transport", base.value, known)
    return Transport(value) if value in known else base  # what is wrong was reported


def _read_sts(table: TomlTable, folder: Path) -> StsSettings:
    issuer = table.choice("issuer", "vmca", _ISSUERS) if table.holds("issuer") else None
    files = [_read_file(table, key, folder) for key in ("ca_certificate", "ca_key")]
    for key, value in zip(("ca_certificate", "ca_key"), files, strict=True):
        if issuer == "files" and not table.holds(key):
            table.report(key, 'is needed with issuer = "files"')
        if issuer != "files" and value is not None:
            table.report(key, 'is used only with issuer = "files"')
    allow_vmca_key = table.flag("allow_vmca_key", default=False)
    if allow_vmca_key and issuer in {"own-ca", "files"}:
        table.report("allow_vmca_key", 'is used only with issuer = "vmca"')
    sts = StsSettings(
        issuer=cast("IssuerName | None", issuer),
        validity_days=table.integer("validity_days", 3650, high=MAX_VALIDITY_DAYS),
        allow_vmca_key=allow_vmca_key,
        ca_certificate=files[0],
        ca_key=files[1],
        retire_old=table.flag("retire_old", default=True),
        publish_root=table.flag("publish_root", default=True),
    )
    table.close()
    return sts


def _read_services(table: TomlTable) -> ServicesSettings:
    known = [each.value for each in Restart]
    value = table.choice("restart", known[0], known) if table.holds("restart") else None
    table.close()
    return ServicesSettings(restart=Restart(value) if value in known else None)


def _read_snapshots(table: TomlTable) -> SnapshotSettings:
    standard = SnapshotSettings().growth_gib
    growth_gib = table.integer("growth_gib", standard, high=MAX_GROWTH_GIB)
    table.close()
    return SnapshotSettings(growth_gib=growth_gib)


def _read_timeouts(table: TomlTable) -> Timeouts:
    standard = Timeouts()
    values: dict[str, timedelta] = {}
    for field in dataclasses.fields(Timeouts):
        default: timedelta = getattr(standard, field.name)
        value = table.seconds(field.name, default.total_seconds(), high=MAX_TIMEOUT_S)
        values[field.name] = timedelta(seconds=value)
    table.close()
    return Timeouts(**values)


def _read_trust(table: TomlTable, folder: Path) -> Trust | None:
    value = table.optional_text("tls")
    if value is None:
        return None
    pin = _PIN.fullmatch(value.strip())
    digits = (pin["digits"] if pin else value).replace(":", "").strip().lower()
    if pin and _HEX.fullmatch(digits):
        return Trust(sha256=digits)
    if pin:
        table.report("tls", "a pin is sha256: and 64 hex digits, with or without colons")
    elif _HEX.fullmatch(digits):
        table.report("tls", "write sha256: in front of a fingerprint")
    else:
        file = find_file(table, "tls", value, folder)
        return None if file is None else _read_ca(table, file)
    return None


def _read_ca(table: TomlTable, file: Path) -> Trust | None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except OSError:  # also ssl.SSLError
        table.report("tls", "the file holds no readable PEM certificate")
        return None
    return Trust(ca_file=file)


def _read_file(table: TomlTable, key: str, folder: Path) -> Path | None:
    value = table.optional_text(key)
    return None if value is None else find_file(table, key, value, folder)


def _name_problem(value: str) -> str | None:
    if _NAME.fullmatch(value) or _is_address(value):
        return None
    return "must be a host name or an IP address"


def _node_problem(value: str) -> str | None:
    if (_NAME.fullmatch(value) and "." in value) or _is_address(value):
        return None
    return "must be a fully qualified host name, as the node was deployed with"


def _domain_problem(value: str) -> str | None:
    if _NAME.fullmatch(value) and "." in value and ".." not in value:
        return None
    return "must be the SSO domain's name with a dot, such as vsphere.local"


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
