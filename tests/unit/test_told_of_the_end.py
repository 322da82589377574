"""What is told of a run that has ended is so by now: that it wrote nothing, or was taken back."""

from __future__ import annotations

import pytest

from machines_bench import VC
from repaired import STOPPED, Repaired
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.terminal.runs import run_lines
from stsfix.plugin.view import RELEASED_UNWRITTEN, view_of


@pytest.fixture
def folder(tmp_path):
    """A state folder."""
    tmp_path.chmod(0o700)
    return tmp_path


def seen(world):
    """Return the picture of the run."""
    return view_of(world.file.read(world.spec.run), RunContext())


def lines(world):
    """Return what people read, and how the line that says what it is looks."""
    found = list(run_lines(seen(world), width=400))
    return [line.text for line in found], found[2].style


def test_a_run_that_wrote_nothing_is_not_called_repaired(folder):
    """A VM was gone, and it was closed without it: the domain is as broken as before."""
    world = Repaired(folder, STOPPED)
    del world.bench.hosts[1].vms[world.bench.vc.moref]

    world.runs().release(world.spec.run, without=[VC])

    told, style = lines(world)
    assert seen(world).meaning.startswith(RELEASED_UNWRITTEN)
    assert not any("repaired" in text for text in told)
    assert style != "green"


def test_a_run_that_ended_well_is_called_repaired(folder):
    """Every step is done."""
    world = Repaired(folder)

    world.runs().release(world.spec.run)

    told, style = lines(world)
    assert any("repaired and proven" in text for text in told)
    assert style == "green"
