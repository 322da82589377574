"""One contract for every way to restart services: memory, lab (SSH, VAMI), OpenSSH's sshd."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contract_worlds import world_parameters
from service_worlds import WORLDS, why_not
from stsfix.remediation.errors import ServiceRestartError
from stsfix.remediation.nodes.service_names import bare

pytestmark = pytest.mark.lab

LIMIT = timedelta(seconds=100)


@pytest.fixture(scope="module", params=list(world_parameters(WORLDS, why_not)))
def shared(request, tmp_path_factory):
    """A node whose services are controlled by one of the ways."""
    with WORLDS[request.param](tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def world(shared):
    """The node, with everything running."""
    shared.mend()
    if shared.core not in shared.control.read_services(shared.node).running:
        shared.control.restart_all(shared.node, limit=LIMIT)
    return shared


def test_services_are_listed_by_what_they_do(world):
    """Running ones and stopped ones, and nobody has to do it by hand."""
    report = world.control.read_services(world.node)

    assert report.node == world.node.fqdn
    assert world.core in report.running
    assert not set(report.running) & set(report.stopped)
    assert not world.control.is_by_hand(world.node)


def test_a_stopped_service_is_listed_as_stopped(world):
    """What does not run is not called running."""
    world.stop()

    assert world.core in world.control.read_services(world.node).stopped


def test_everything_is_restarted_and_runs_again(world):
    """Each service was started anew once; what ran before is not called newly started."""
    before = world.restarts()

    report = world.control.restart_all(world.node, limit=LIMIT)

    assert world.restarts() == before + 1
    assert world.core in report.running
    assert report.started == ()


def test_what_was_down_comes_up_and_is_told(world):
    """A service that logins need is started whatever it was before."""
    world.stop()

    report = world.control.restart_all(world.node, limit=LIMIT)

    assert world.core in report.running
    assert world.core in report.started


def test_what_does_not_start_is_named_with_its_words(world):
    """After the limit the error names the service and what was said of it."""
    world.break_start()

    with pytest.raises(ServiceRestartError) as caught:
        world.control.restart_all(world.node, limit=world.patience)

    assert world.core in caught.value.stopped
    assert bare(world.core) in " ".join(caught.value.evidence)


def test_a_later_restart_mends_what_failed(world):
    """Repeating it after the cause is gone converges."""
    world.break_start()
    with pytest.raises(ServiceRestartError):
        world.control.restart_all(world.node, limit=world.patience)

    world.mend()

    assert world.core in world.control.restart_all(world.node, limit=LIMIT).started
