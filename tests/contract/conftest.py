"""Directories for the contracts of `Directory` and `Registrations`; other ports have worlds of
their own.
"""

from __future__ import annotations

import pytest

from directory_worlds import WORLDS, a_world


@pytest.fixture(params=WORLDS)
def world(request, tmp_path):
    """One of the worlds, fresh."""
    with a_world(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def directory(world):
    """The port, logged in as administrator on first use."""
    made = world.directory()
    yield made
    made.close()
