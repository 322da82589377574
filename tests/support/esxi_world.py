"""The ESXi adapter on a host of the lab, and what a test asks of both."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from esx_lab import PASSWORD, running_host
from stsfix.lab import pki
from stsfix.lab.faults import Effect, Rule, When
from stsfix.snapshot.esxi import EsxiHost
from stsfix.snapshot.model import HostRef
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from esx_lab import EsxLab
    from stsfix.snapshot.model import VmFacts, VmId

HOST = HostRef("esx1.lab.example")


class HostWorld:
    """A lab host with vc1 (off) and our adapter for it."""

    def __init__(
        self, lab: EsxLab, folder: Path, kind: type[EsxiHost], user: str, password: str
    ) -> None:
        self.lab = lab
        path = folder / "ca.pem"
        path.write_bytes(pki.pem(lab.ca.root))
        endpoint = Endpoint(
            name=HOST,
            address="127.0.0.1",
            port=lab.host.port,
            trust=Trust(ca_file=path),
            connect_timeout_s=5.0,
            read_timeout_s=5.0,
        )
        self.host = kind(HOST, endpoint, user, Secret(password), SystemClock())

    @property
    def vc1(self) -> VmId:
        return self.host.observe_host().vms[0].vm

    def facts(self) -> VmFacts:
        return self.host.observe_vms([self.vc1])[0]

    def attempts(self) -> int:
        return self.lab.host.accounts.attempts.total()

    def calls(self) -> int:
        return self.lab.faults.calls.total()

    def refuse(self, call: str, detail: str) -> None:
        self.lab.faults.add(Rule(protocol="soap", call=call, detail=detail))

    def drop(self, call: str, when: When) -> None:
        self.lab.faults.add(Rule(protocol="soap", call=call, when=when, effect=Effect.DROP))


@contextmanager
def host_world(
    folder: Path,
    kind: type[EsxiHost] = EsxiHost,
    user: str = "root",
    password: str = PASSWORD,
    **options: Any,
) -> Generator[HostWorld]:
    """Make a host with *options* of `running_host`; it is stopped and logged out at the end."""
    with running_host(**options) as lab:
        world = HostWorld(lab, folder, kind, user, password)
        try:
            yield world
        finally:
            world.host.close()
