"""A stop that was asked for is no fault of whoever was being asked: it goes through all of them."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from credential_bench import Bench as CredentialBench
from machines_bench import VC, Bench, powering_on
from repaired import Repaired
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.records import NOT_PROVEN, NoteRecord, Phase
from stsfix.remediation.relocation import find_moved
from stsfix.remediation.steps.by_hand import ByHand
from stsfix.remediation.steps.machines import Quiesce, TakeSnapshots
from stsfix.remediation.steps.needed import Need
from stsfix.remediation.steps.reversion import prove_reverted

ROOT = Path(__file__).resolve().parents[2]
BROAD = re.compile(r"\b(OperationError|Exception|BaseException)\b")

HANDLED_ELSEWHERE = {
    "plugin/cli/run.py:_close": "what keeps the run open is told with whom it gave way to",
    "remediation/steps/machines.py:_give_way": "the same: whom it gave way to is what ends the run",
    "plugin/cli/run.py:_decided": "it ends the command",
    "plugin/cli/session.py:session_options": "the same",
    "plugin/cli/session.py:wrapper": "the same",
    "remediation/transports/service_control.py:_written": "logs are told as unread",
    "remediation/transports/vami.py:__exit__": "it cleans up",
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
        bench.do(powering_on(bench.context))

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
            let_through = ""
            for handler in attempt.handlers:
                kinds = ast.unparse(handler.type) if handler.type else "BaseException"
                goes_on = not any(isinstance(n, ast.Raise) for n in ast.walk(handler))
                cleans = "cleaning_up()" in ast.unparse(attempt.body[0])
                lets = "InterruptedRunError" in let_through or "StoppedError" in let_through
                if BROAD.search(kinds) and goes_on and not cleans and not lets:
                    found.append(function.name)
                let_through += "" if goes_on else kinds
        for block in (n for n in ast.walk(function) if isinstance(n, ast.With)):
            entered = [ast.unparse(item.context_expr) for item in block.items]
            if any("suppress(" in each and BROAD.search(each) for each in entered):
                found.append(function.name)
    return found


def test_nobody_else_goes_on_after_a_stop():
    """Who catches whatever goes wrong lets a stop through first; snapshot knows no stop."""
    files = [*(ROOT / "remediation").rglob("*.py"), *(ROOT / "plugin").rglob("*.py")]

    found = {f"{path.relative_to(ROOT)}:{name}" for path in files for name in swallowed(path)}

    assert found == HANDLED_ELSEWHERE.keys()


@pytest.mark.parametrize(
    ("kind", "is_found"),
    [
        ("except OperationError:", True),
        ("except Exception:", True),
        ("except (ValueError, BaseException):", True),
        ("except:", True),
        ("except InterruptedRunError:\n        pass\n    except OperationError:", True),
        ("except StoppedError:\n        raise\n    except OperationError:", False),
        ("except TransientError:", False),
    ],
)
def test_who_swallows_a_stop_is_found(tmp_path, kind, is_found):
    """Without and with a handler before it that lets it through."""
    file = tmp_path / "f.py"
    file.write_text(f"def f():\n    try:\n        x()\n    {kind}\n        pass\n")

    assert swallowed(file) == ["f"] * is_found


def test_who_suppresses_a_stop_is_found(tmp_path):
    """The other way to go on."""
    file = tmp_path / "f.py"
    file.write_text("def f():\n    with suppress(OSError, OperationError):\n        x()\n")

    assert swallowed(file) == ["f"]
