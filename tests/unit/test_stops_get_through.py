"""A stop that was asked for is no fault of whoever was being asked: it goes through all of them."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from credential_bench import Bench as CredentialBench
from machines_bench import VC, Bench
from repaired import Repaired
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.records import NOT_PROVEN, NoteRecord, Phase
from stsfix.remediation.relocation import find_moved
from stsfix.remediation.steps.by_hand import ByHand
from stsfix.remediation.steps.machines import PowerOn, Quiesce, TakeSnapshots
from stsfix.remediation.steps.needed import Need
from stsfix.remediation.steps.reversion import prove_reverted

ROOT = Path(__file__).resolve().parents[2]

HANDLED_ELSEWHERE = {
    "_close": "what keeps the run open is told with whom it gave way to",
    "_give_way": "the same: whom it gave way to is what ends the run",
    "_decided": "it ends the command",
    "session_options": "the same",
    "wrapper": "the same",
    "_written": "services that did not start are told, whatever their logs say",
}
"""Functions that may catch a stop with everything else, each with the reason."""


def stopping(*_: object, **__: object) -> Any:
    """Answer as whatever waits does once a stop was asked for."""
    raise InterruptedRunError("")


STOPPING: Any = SimpleNamespace(
    is_by_hand=lambda _: False,
    read_services=stopping,
    read_replication_status=stopping,
    observe_host=stopping,
)


def test_the_proof_of_a_rollback_is_given_by_the_next_one(tmp_path):
    """Nothing is noted as never proven, and the run is not taken for taken back."""
    tmp_path.chmod(0o700)
    world = Repaired(tmp_path)
    sound = world.bench.context.directory
    asked: list[str] = []

    class Interrupted:
        def __init__(self, fqdn):
            self.port = sound(fqdn)

        def read_replication_status(self):
            asked.append("status")
            if len(asked) == 1:
                stopping()
            return self.port.read_replication_status()

        def __getattr__(self, name):
            return getattr(self.port, name)

    world.bench.context = replace(world.bench.context, directory=Interrupted)

    with pytest.raises(InterruptedRunError):
        world.runs().roll_back(world.spec.run)
    stored = world.file.read(world.spec.run)
    ended = world.runs().roll_back(world.spec.run)

    assert stored.phase is Phase.ROLLING_BACK
    assert not [r for r in stored.records if isinstance(r, NoteRecord) and r.key == NOT_PROVEN]
    assert ended is Phase.ROLLED_BACK
    assert len(asked) > 1


def test_a_proof_that_was_stopped_notes_nothing():
    """Alone, as above in a run."""
    bench = CredentialBench()
    context = replace(bench.context, directory=lambda _: STOPPING)
    noted: dict[str, str] = {}

    with pytest.raises(InterruptedRunError):
        prove_reverted(context, "quiesce", noted.__setitem__)

    assert noted == {}


def test_a_node_is_not_restarted_because_its_listing_was_stopped():
    """Who cannot list its services counts as in need."""
    bench = CredentialBench()
    need = Need(context=replace(bench.context, services=STOPPING), leaf="")

    with pytest.raises(InterruptedRunError):
        need._down(bench.context.spec.nodes)


def test_a_node_does_not_count_as_ready_because_it_was_stopped_waiting_for_it():
    """Its transport was not heard to get through."""
    bench = Bench()
    for host, vm in zip(bench.hosts, (bench.psc, bench.vc), strict=True):
        host.vm(vm).guest_operations = False
    bench.do(Quiesce(bench.context))
    bench.do(TakeSnapshots(bench.context))
    bench.context = replace(bench.context, services=STOPPING)

    with pytest.raises(InterruptedRunError):
        bench.do(PowerOn(bench.context))

    assert f"{VC} ready" not in bench.told


def test_less_is_not_noted_of_a_persons_restart():
    """What would have been seen is seen by the next attempt."""
    bench = CredentialBench()
    node = bench.context.spec.directories[0]
    context = replace(
        bench.context,
        directory=lambda _: STOPPING,
        coordinator=cast("Any", SimpleNamespace(observe=stopping)),
    )
    person = ByHand(context=context, leaf="")

    for look in (person._cycles, person._booted):
        with pytest.raises(InterruptedRunError):
            look(node)


def test_a_host_is_not_silent_because_it_was_stopped_asking_it():
    """Its VMs would be looked for on others."""
    bench = Bench()
    hosts = {host.host: STOPPING for host in bench.hosts}

    with pytest.raises(InterruptedRunError):
        find_moved(bench.context.spec, hosts, with_snapshot=False)


def swallowed(path: Path) -> list[str]:
    """Return which functions of a file catch every error, a stop as well, and go on."""
    found = []
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for attempt in (n for n in ast.walk(function) if isinstance(n, ast.Try)):
            caught = ""
            for handler in attempt.handlers:
                kinds = ast.unparse(handler.type) if handler.type else "BaseException"
                goes_on = not any(isinstance(n, ast.Raise) for n in ast.walk(handler))
                cleans = "cleaning_up()" in ast.unparse(attempt.body[0])
                lets = "InterruptedRunError" in caught or "StoppedError" in caught
                if "OperationError" in kinds and goes_on and not cleans and not lets:
                    found.append(function.name)
                caught += kinds
    return found


def test_nobody_else_goes_on_after_a_stop():
    """Who catches whatever goes wrong lets a stop through first; snapshot knows no stop."""
    files = [*(ROOT / "remediation").rglob("*.py"), *(ROOT / "plugin").rglob("*.py")]

    found = {name: path for path in files for name in swallowed(path)}

    assert {n: p for n, p in found.items() if n not in HANDLED_ELSEWHERE} == {}


def test_who_swallows_a_stop_is_found(tmp_path):
    """Without and with a handler before it."""
    one = "    try:\n        x()\n    except OperationError:\n        pass\n"
    other = one.replace("    except O", "    except StoppedError:\n        raise\n    except O")
    file = tmp_path / "f.py"
    file.write_text(f"def f():\n{one}\ndef g():\n{other}")

    assert swallowed(file) == ["f"]
