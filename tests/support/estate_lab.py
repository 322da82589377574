"""A lab with many hosts and many VMs on each, and the nodes of one SSO domain among them.

The lab's own work must not hide that of the product: the answer about all VMs of a host, which
costs the lab's interpreter far more than its client's, is computed once and then repeated. Calls
are counted all the same.
"""

from __future__ import annotations

import json
import re
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ready_keys import another_key
from stsfix.lab import pki
from stsfix.lab.disk import Role
from stsfix.lab.esx.host import EsxHost
from stsfix.lab.esx.idle_guest import IdleGuest
from stsfix.lab.esx.machine import ON, Disk, Nic, VirtualMachine
from stsfix.lab.lab import Lab
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.topology import HOSTS, NodePlan, Topology
from stsfix.lab.vmca import vmca_files

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from stsfix.lab.clock import LabClock
    from stsfix.lab.https import Reply, Request

_PASSWORD = "estate-secret-1"
_VIEW = re.compile(rb'(type="ContainerView"[^>]*>)[^<]*')
_ALL_VMS = (b"<RetrievePropertiesEx ", b"ContainerView", b"<type>VirtualMachine</type>")
_PARTS: tuple[list[Disk], list[Nic]] = ([Disk()], [Nic()])
"""Shared by all VMs that nobody looks at closely."""


class StaticGuest(IdleGuest):
    """A guest that is up from the start, and that costs no thread."""

    def __init__(self, hostname: str, *, clock: LabClock, addresses: Sequence[str]) -> None:
        super().__init__(hostname, clock=clock, addresses=addresses)
        self._tools_up = True


class Answering:
    """Answers for a host; says the same thing again when it is asked of all VMs again."""

    def __init__(self, host: EsxHost) -> None:
        self._host = host
        self._known: dict[bytes, Reply] = {}

    def __call__(self, request: Request) -> Reply:
        if not all(part in request.body for part in _ALL_VMS):
            return self._host.answer(request)
        asked = _VIEW.sub(rb"\1view", request.body)
        reply = self._known.get(asked)
        if reply is None:
            reply = self._known[asked] = self._host.answer(request)
        else:
            with self._host.faults.around("soap", "RetrievePropertiesEx", self._host.name):
                pass
        return reply


@dataclass
class Estate:
    """A lab and the hosts it has besides its own three."""

    lab: Lab
    others: list[EsxHost] = field(default_factory=list)

    @property
    def hosts(self) -> list[EsxHost]:
        return [*self.lab.hosts.values(), *self.others]

    def calls(self) -> dict[str, int]:
        """Return how many SOAP calls each host has answered (HTTP GETs are not counted)."""
        counts = dict.fromkeys((host.name for host in self.hosts), 0)
        for (protocol, _, target), number in self.lab.faults.calls.items():
            if protocol == "soap" and target in counts:
                counts[target] += number
        return counts

    def write_config(self, folder: Path) -> Path:
        """Write an operator's files for the whole estate."""
        path = self.lab.write_config(folder)
        lines = [path.read_text("utf-8")]
        for host in self.others:
            name = json.dumps(host.name)
            lines.append(
                f'[[esxi]]\nhost = {name}\naddress = "127.0.0.1"\nport = {host.port}\n'
                'user = "root"\ntls = "ca.pem"\n'
            )
        path.write_text("\n".join(lines), "utf-8")
        secrets = folder / "secrets.toml"
        text = secrets.read_text("utf-8")
        secrets.write_text(text.replace("[esxi]", f'[esxi]\ndefault = "{_PASSWORD}"'), "utf-8")
        return path


def _topology(nodes: int) -> Topology:
    names = [f"vc{number:02}.lab.example" for number in range(1, nodes + 1)]
    plans = tuple(
        NodePlan(fqdn=name, role=Role.EMBEDDED, host=HOSTS[at % len(HOSTS)], psc=name)
        for at, name in enumerate(names)
    )
    return Topology(name="estate", version="7.0", age="D", nodes=plans)


@contextmanager
def running_estate(
    *, hosts: int, vms: int, nodes: int, keys: Sequence[RSAPrivateKey] | None = None
) -> Generator[Estate]:
    """Run *hosts* hosts (three at least) with *vms* VMs each besides those of the *nodes*."""
    lab = Lab(_topology(nodes), SCENARIOS["expired"], speed=60, seed=1, keys=keys)
    estate = Estate(lab)
    with lab:
        try:
            estate.others = list(_more_hosts(lab, hosts - len(HOSTS)))
            for host in estate.hosts:
                for number in range(vms):
                    host.add_vm(_vm(lab, host, number))
                host._server._answer = Answering(host)
            yield estate
        finally:
            for host in estate.others:
                host.stop()


def _more_hosts(lab: Lab, count: int) -> Generator[EsxHost]:
    """One key and one certificate for all of them: nothing but setting up would be slower."""
    names = [f"esx{number:03}.estate.example" for number in range(1, count + 1)]
    node = lab.nodes[lab.topology.nodes[0].fqdn].disk
    root, root_key = (node.files[path].content for path in vmca_files(node))
    issuer = x509.load_pem_x509_certificate(root)
    issuer_key = load_pem_private_key(root_key, None)
    if not isinstance(issuer_key, RSAPrivateKey):
        raise TypeError(issuer_key)
    key = another_key()
    leaf = pki.vmca_leaf(
        key,
        issuer=issuer,
        issuer_key=issuer_key,
        common_name="estate",
        not_before=pki.days_from_now(-1),
        not_after=pki.days_from_now(30),
        names=names or ["none.estate.example"],
    )
    pair = pki.key_pair(key, [leaf, issuer])
    for name in names:
        users = {"root": _PASSWORD}
        host = EsxHost(name, port=0, tls=pair, clock=lab.clock, users=users, faults=lab.faults)
        host.start()
        yield host


def _vm(lab: Lab, host: EsxHost, number: int) -> VirtualMachine:
    name = f"{host.name.partition('.')[0]}-vm-{number:04}"
    address = f"10.{number >> 8 & 255}.{number & 255}.1"
    guest = StaticGuest(f"{name}.estate.example", clock=lab.clock, addresses=(address,))
    return VirtualMachine(
        name=name,
        guest=guest,
        instance_uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        bios_uuid=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        power=ON,
        disks=_PARTS[0],
        nics=_PARTS[1],
    )
