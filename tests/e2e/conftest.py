"""Labs for whole commands: one for a module, or one of a scenario."""

from __future__ import annotations

import pytest

from lab_bench import Bench, build


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One lab for the module; what a test does to it stays."""
    with build() as lab:
        yield Bench(lab, tmp_path_factory.mktemp("lab"))


@pytest.fixture
def bench(shared):
    """The module's lab as it was at its beginning, and no run in the state folder."""
    shared.lab.restore(shared.saved)
    shared.reset()
    return shared


@pytest.fixture
def bench_of(tmp_path):
    """Start a lab of a scenario; it is stopped at the end."""
    labs = []

    def start(scenario, topology="elm"):
        lab = build(scenario, topology=topology)
        labs.append(lab)
        lab.start()
        return Bench(lab, tmp_path)

    yield start
    for lab in labs:
        lab.stop()
