"""Which transport a node gets, and that a refused password is sent by none of them again."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from memory_shell import MemoryShell
from ssh_client import FQDN, NODE
from stsfix.remediation.errors import (
    HostKeyError,
    LoginRefusal,
    NodeLoginError,
    NoShellError,
    TransportUnavailableError,
)
from stsfix.remediation.model import Transport
from stsfix.remediation.transports.attempts import Attempts
from stsfix.remediation.transports.chosen import Choice, ChosenShell, Way, runs_nothing
from stsfix.snapshot.errors import (
    AnswerLostError,
    GuestLoginError,
    GuestUnavailableError,
    HostUnreachableError,
    TaskOverdueError,
)
from stsfix.snapshot.model import TaskKey

if TYPE_CHECKING:
    from stsfix.remediation.ports import NodeShell, Progress

REFUSED = NodeLoginError(FQDN, "root", "SSH", LoginRefusal.REFUSED)
NO_GUEST = GuestUnavailableError(NODE.vm, "OperationDisabledByGuest")
NO_SSH = TransportUnavailableError(FQDN, "SSH", "Connection refused")


class World:
    """Two shells, a choice between them, and what was told."""

    def __init__(self, wanted=Transport.AUTO):
        self.guest, self.ssh = MemoryShell(), MemoryShell()
        self.told: list[Progress] = []
        ways: dict[Transport, Way[NodeShell]] = {
            Transport.GUEST: Way(make=lambda: self.guest, probe=runs_nothing),
            Transport.SSH: Way(make=lambda: self.ssh, probe=runs_nothing),
        }
        choice = Choice(lambda fqdn: wanted, ways, Attempts(), self.told.append)
        self.shell = ChosenShell(choice)

    def run(self, script="echo in"):
        return self.shell.run(NODE, script, limit=timedelta(seconds=5)).output


def test_auto_prefers_guest_operations():
    """SSH is not asked where the guest answers; what is used is told once."""
    world = World()

    assert world.run() == "in\n"
    world.run()

    assert world.ssh.attempts == 0
    assert [event.text for event in world.told] == ["reached by guest operations"]


@pytest.mark.parametrize("error", [NO_GUEST, HostUnreachableError("esx1", "timed out")])
def test_auto_goes_on_where_one_does_not_get_through(error):
    """The reason is told, the choice is kept, and nothing is asked twice."""
    world = World()
    world.guest.error = error

    assert world.run() == "in\n"
    world.run()

    assert world.guest.attempts == 1
    assert [event.text for event in world.told] == [f"reached by SSH, since {error}"]
    assert world.shell.describe(NODE) == f"memory of {FQDN}"


@pytest.mark.parametrize(
    "error",
    [
        GuestLoginError(NODE.vm, "root"),
        HostKeyError(FQDN, "changed", "SHA256:x", is_changed=True),
        AnswerLostError("vc1", "true"),
    ],
)
def test_auto_never_falls_through_a_refusal(error):
    """The next transport would send the same password, or hide who answered."""
    world = World()
    world.guest.error = error

    with pytest.raises(type(error)):
        world.run()

    assert world.ssh.attempts == 0


def test_auto_names_every_transport_that_failed():
    """Who has none left learns why of each."""
    world = World()
    world.guest.error, world.ssh.error = NO_GUEST, NO_SSH

    with pytest.raises(TransportUnavailableError) as caught:
        world.run()

    assert "OperationDisabledByGuest" in str(caught.value)
    assert "Connection refused" in str(caught.value)


def test_a_choice_that_stops_working_is_made_again():
    """The call that failed fails; the next one may find another way."""
    world = World()
    world.run()
    world.guest.error = NO_GUEST

    with pytest.raises(GuestUnavailableError):
        world.run()

    assert world.run() == "in\n"
    assert world.ssh.attempts > 0


def test_a_fixed_transport_is_the_only_one():
    """With "ssh" the guest is never asked, also if SSH fails."""
    world = World(Transport.SSH)
    world.ssh.error = NO_SSH

    for _ in range(2):
        with pytest.raises(TransportUnavailableError):
            world.run()

    assert world.guest.attempts == 0
    assert world.told == []


@pytest.mark.parametrize("wanted", [Transport.VAMI, Transport.NONE])
def test_transports_that_run_nothing_say_so(wanted):
    """The error names transport and wish; nobody was contacted."""
    world = World(wanted)

    with pytest.raises(NoShellError, match=f'"{wanted}", which cannot run a script'):
        world.run()

    assert world.shell.describe(NODE) == wanted.value
    assert world.guest.attempts + world.ssh.attempts == 0


def test_files_go_the_same_way():
    """Files use the transport of the node."""
    world = World(Transport.SSH)

    world.shell.put(NODE, "/root/a", b"x")

    assert world.shell.get(NODE, "/root/a") == b"x"
    assert world.guest.attempts == 0


def test_a_refused_password_is_not_sent_again_by_anybody():
    """One attempt: other transports and later calls raise the same error without a call."""
    attempts, calls = Attempts(), []

    def refuse():
        calls.append(1)
        raise REFUSED

    for _ in range(3):
        with pytest.raises(NodeLoginError):
            attempts.guarded(FQDN, refuse)

    assert len(calls) == 1
    assert attempts.guarded("vc2.lab.example", lambda: "other node") == "other node"


def test_a_wrong_password_is_not_sent_twice_at_once():
    """Threads that come while the first attempt runs wait for its end."""
    attempts, calls = Attempts(), []
    entered, go = threading.Event(), threading.Event()

    def refuse():
        calls.append(1)
        entered.set()
        go.wait(10)
        raise REFUSED

    def work():
        with pytest.raises(NodeLoginError):
            attempts.guarded(FQDN, refuse)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    entered.wait(10)
    go.set()
    for thread in threads:
        thread.join()

    assert len(calls) == 1


def test_after_a_proven_password_calls_run_side_by_side():
    """Only the first call of a node makes others wait."""
    attempts = Attempts()
    attempts.guarded(FQDN, lambda: None)
    both = threading.Barrier(2, timeout=10)

    threads = [threading.Thread(target=attempts.guarded, args=(FQDN, both.wait)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not both.broken


def test_other_errors_are_no_refusal():
    """A script that took too long says nothing about the password."""
    attempts = Attempts()

    def overdue():
        raise TaskOverdueError(TaskKey("task"), 5.0)

    with pytest.raises(TaskOverdueError):
        attempts.guarded(FQDN, overdue)

    assert attempts.guarded(FQDN, lambda: "again") == "again"
