"""Ways to a node's services, for the contract of `ports.ServiceControl`: one world each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lab_keys import shared_keys
from lab_node import BareNode
from memory_shell import MemoryShell
from ssh_client import NODE, pin, ssh_shell
from sshd_peer import PASSWORD, obstacle, running_sshd
from stsfix.lab.faults import Rule
from stsfix.lab.lab import Lab
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.ssh_keys import fingerprint
from stsfix.lab.topology import TOPOLOGIES
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.transports.service_control import PolledServiceControl, ServiceLogs
from stsfix.remediation.transports.service_ways import ShellWay, SshWay
from stsfix.remediation.transports.vami import Vami
from stsfix.remediation.transports.vami_services import VamiWay
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from stsfix.lab.faults import FaultBook
    from stsfix.lab.services import Board
    from stsfix.remediation.ports import NodeShell

POLL = timedelta(seconds=3)
PAUSES = 20
"""How many times shorter pauses are than the clock of these worlds says."""

FAKE = Path(__file__).parents[1] / "peers" / "sshd" / "service-control.sh"


class ShortPauses(SystemClock):
    """A clock for which a pause lasts *times* as long as it does; what a node takes for its work
    counts as it is. A limit is over after as many looks as in the field, not after as long.
    """

    def __init__(self, times: float) -> None:
        self._times = times
        self._skipped = 0.0

    def monotonic(self) -> float:
        """Return seconds, with what pauses did not last."""
        return super().monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        """Pause for a part of *seconds*."""
        real = max(seconds, 0.0) / self._times
        super().sleep(real)
        self._skipped += real * (self._times - 1)


@dataclass(frozen=True, kw_only=True)
class ServiceWorld:
    """A node whose services can be controlled. *core* is the name of a service that logins need,
    as this way lists it; `stop` and `break_start` are about it, `mend` takes all of it back.
    *patience* is enough for this way to see that something does not start: so many looks.
    """

    control: PolledServiceControl
    node: NodePlan
    core: str
    stop: Callable[[], object]
    break_start: Callable[[], object]
    mend: Callable[[], None]
    restarts: Callable[[], int]
    patience: timedelta = timedelta(seconds=24)


def _control(shell: NodeShell, way: object) -> PolledServiceControl:
    return PolledServiceControl(
        way,  # type: ignore[arg-type] # each is a ServiceWay
        clock=ShortPauses(PAUSES),
        logs=ServiceLogs(shell),
        poll=POLL,
    )


def _board_world(
    control: PolledServiceControl,
    board: Board,
    faults: FaultBook,
    *,
    node: NodePlan,
    core: str,
    listed: str,
) -> ServiceWorld:
    service = board.find(core)
    assert service is not None
    broken = Rule(protocol="guest", call=f"start {service.name}", times=10_000)
    return ServiceWorld(
        control=control,
        node=node,
        core=listed,
        stop=lambda: board.stop(service),
        break_start=lambda: faults.add(broken),
        mend=faults.clear,
        restarts=lambda: board.started_log.count(service.name),
    )


@contextmanager
def memory_world(folder: Path) -> Generator[ServiceWorld]:
    """The lab's programs without sockets."""
    del folder
    bare = BareNode()
    shell = MemoryShell(bare)
    yield _board_world(
        _control(shell, ShellWay(shell)),
        bare.board,
        bare.faults,
        node=NODE,
        core="vmware-vpxd",
        listed="vmware-vpxd",
    )


@contextmanager
def lab_world(
    folder: Path, *, topology: str, plan: str, way: str, core: str, listed: str
) -> Generator[ServiceWorld]:
    """A node of a healthy lab, reached by *way*: ``ssh`` or ``vami``."""
    scenario = replace(SCENARIOS[plan], credentials=SCENARIOS["healthy"].credentials)
    with Lab(TOPOLOGIES[topology], scenario, speed=2000, seed=1, keys=shared_keys()) as lab:
        fqdn = next(iter(lab.nodes))
        board, ports = lab.nodes[fqdn].board, lab.network.ports[fqdn]
        password = lab.passwords.nodes[fqdn]
        assert board is not None
        node = NodePlan(fqdn=fqdn, role=Role(lab.nodes[fqdn].disk.role.value), vm=NODE.vm)
        known = fingerprint(lab.nodes[fqdn].disk.ssh_host_keys[0])
        ca = folder / "ca.pem"
        ca.write_bytes(lab.ca_pem)
        endpoint = Endpoint(
            name=fqdn, address="127.0.0.1", port=ports.vami, trust=Trust(ca_file=ca)
        )
        with ssh_shell(ports.ssh, password, sha256=known) as shell:
            if way == "ssh":
                control = _control(shell, SshWay(shell))
            else:
                clock = SystemClock()
                vami = VamiWay(lambda _: Vami(endpoint, "root", Secret(password), clock), clock)
                control = PolledServiceControl(vami, clock=ShortPauses(PAUSES), poll=POLL)
            yield _board_world(
                control,
                board,
                lab.faults,
                node=node,
                core=core,
                listed=listed,
            )


@contextmanager
def sshd_world(folder: Path, *, login: str) -> Generator[ServiceWorld]:
    """OpenSSH's sshd, bash or appliancesh, and a small service-control."""
    state = folder / "services"
    state.mkdir()
    for name in ("vmdird", "vmware-vpxd", "vmware-stsd", "vmcam"):
        (state / f"svc-{name}").write_text("Stopped\n" if name == "vmcam" else "Running\n")
    (state / "manual-vmcam").touch()
    (folder / "sshd").mkdir()
    with running_sshd(folder / "sshd", login=login) as server:
        program = server.folder / "bin" / "service-control"
        program.write_text(FAKE.read_text().replace("@FOLDER@", str(state)))
        program.chmod(0o700)
        known = pin(server.fingerprint())

        def calls() -> list[str]:
            log = state / "log"
            return log.read_text().splitlines() if log.exists() else []

        with ssh_shell(server.port, PASSWORD, sha256=known) as shell:
            yield ServiceWorld(
                control=_control(shell, SshWay(shell)),
                node=NODE,
                core="vmware-vpxd",
                stop=lambda: (state / "svc-vmware-vpxd").write_text("Stopped\n"),
                break_start=(state / "broken-vmware-vpxd").touch,
                mend=lambda: (state / "broken-vmware-vpxd").unlink(missing_ok=True),
                restarts=lambda: calls().count("--start --all"),
            )


WORLDS: dict[str, Callable[[Path], AbstractContextManager[ServiceWorld]]] = {
    "memory": memory_world,
    "lab-ssh-8": lambda folder: lab_world(
        folder,
        topology="embedded",
        plan="ssh-only",
        way="ssh",
        core="vpxd",
        listed="vmware-vpxd",
    ),
    "lab-ssh-6": lambda folder: lab_world(
        folder,
        topology="external-psc",
        plan="ssh-only",
        way="ssh",
        core="vmware-stsd",
        listed="vmware-stsd",
    ),
    "lab-vami-8": lambda folder: lab_world(
        folder, topology="embedded", plan="vami-only", way="vami", core="vpxd", listed="vpxd"
    ),
    "lab-vami-7": lambda folder: lab_world(
        folder, topology="elm", plan="vami-only", way="vami", core="vmware-stsd", listed="sts"
    ),
    "lab-vami-6.7": lambda folder: lab_world(
        folder,
        topology="external-psc",
        plan="vami-only",
        way="vami",
        core="vmware-stsd",
        listed="vmware-stsd",
    ),
    "sshd-bash": lambda folder: sshd_world(folder, login="bash"),
    "sshd-appliancesh": lambda folder: sshd_world(folder, login="enabled"),
    "sshd-plug-in": lambda folder: sshd_world(folder, login="locked"),
}


def why_not(world: str) -> str:
    """Return why *world* cannot be had on this machine, empty if it can."""
    return obstacle() if world.startswith("sshd") else ""
