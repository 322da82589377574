"""How a node is asked itself: by scripts, by its list of services, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memory_hypervisor import MemoryClock
from memory_shell import MemoryShell
from reports import domain as inventory
from ssh_client import NODE
from stsfix.remediation.checks.domain import roles_are_known
from stsfix.remediation.discovery.nodes import guest_refusal, with_guest
from stsfix.remediation.errors import NoShellError, TransportUnavailableError
from stsfix.remediation.model import Transport
from stsfix.remediation.nodes.node_facts import NOT_ASKED, Management, NodeFacts, Unread
from stsfix.remediation.ports import ServiceReport
from stsfix.remediation.transports.node_reader import ChosenNodeReader, GuestNodeReader
from stsfix.snapshot.errors import GuestLoginError, GuestUnavailableError

SERVICES = ServiceReport(node=NODE.fqdn, running=("vmdird",), stopped=("vmcam",))
NO_SHELL = NoShellError(NODE.fqdn, "vami", "run a script")
NO_SSH = TransportUnavailableError(NODE.fqdn, "every transport", "SSH: Connection refused")


class Services:
    """ServiceControl that lists `SERVICES`, or raises *error*."""

    def __init__(self, error=None):
        self.error = error

    def is_by_hand(self, node):
        return False

    def read_services(self, node, *, limit=None):
        if self.error is not None:
            raise self.error
        return SERVICES

    def restart_all(self, node, *, limit, ran=()):
        raise NotImplementedError


def reader(shell_error=None, *, wanted, used=Transport.SSH, services_error=None):
    """Return the reader of a node whose shell raises *shell_error*."""
    shell = MemoryShell()
    shell.error = shell_error
    return ChosenNodeReader(
        GuestNodeReader(shell, MemoryClock()),
        Services(services_error),
        wanted=lambda fqdn: wanted,
        scripts=lambda fqdn: used,
        listing=lambda fqdn: Transport.VAMI,
    )


def test_scripts_are_preferred_and_their_transport_is_told():
    """Where a script runs, everything comes from it."""
    answer = reader(wanted=Transport.AUTO, used=Transport.SSH).read_guest(NODE)

    assert isinstance(answer.facts, NodeFacts)
    assert answer.transport is Transport.SSH


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (NO_SHELL, Transport.VAMI),
        (NO_SSH, Transport.AUTO),
        (GuestUnavailableError(NODE.vm, "off"), Transport.AUTO),
        (NoShellError(NODE.fqdn, "ssh", "give a bash"), Transport.SSH),
    ],
)
def test_without_scripts_services_are_read_and_the_rest_is_not_checked(error, wanted):
    """The reason stands for everything that only a script tells."""
    answer = reader(error, wanted=wanted).read_guest(NODE)

    assert answer.services == SERVICES
    assert answer.facts == answer.clock == Unread(reason=str(error))
    assert answer.transport is Transport.VAMI


def test_a_transport_that_was_chosen_has_no_stand_in():
    """With "ssh" nobody asks another way what the operator did not want."""
    with pytest.raises(TransportUnavailableError):
        reader(NO_SSH, wanted=Transport.SSH).read_guest(NODE)


def test_a_refused_login_is_no_reason_to_ask_another_way():
    """It would send the same password."""
    with pytest.raises(GuestLoginError):
        reader(GuestLoginError(NODE.vm, "root"), wanted=Transport.AUTO).read_guest(NODE)


def test_when_nothing_works_the_first_error_is_told():
    """It names every way that was tried."""
    unavailable = TransportUnavailableError(NODE.fqdn, "VAMI", "503")

    with pytest.raises(TransportUnavailableError, match="every transport"):
        reader(NO_SSH, wanted=Transport.AUTO, services_error=unavailable).read_guest(NODE)


def one_node(**changes):
    """Return a sound node with *changes*."""
    node = inventory().nodes[0]
    assert node.vm is not None
    vm = replace(node.vm, **changes.pop("vm", {}))
    return replace(node, vm=vm, **changes)


@pytest.mark.parametrize(
    ("transport", "ready", "asked"),
    [
        (Transport.GUEST, False, False),
        (Transport.GUEST, True, True),
        (Transport.SSH, False, True),
        (Transport.AUTO, False, True),
        (Transport.VAMI, False, True),
        (Transport.NONE, True, False),
    ],
)
def test_who_is_asked(transport, ready, asked):
    """Tools matter to guest operations only; with "none" nobody is asked."""
    node = one_node(vm={"guest_operations_ready": ready})

    assert (guest_refusal(node, transport) is None) is asked


def test_a_node_without_transport_says_so():
    """Its facts are not checked, and that is by choice."""
    node = with_guest(one_node(), reader(wanted=Transport.NONE), lambda *_: None, Transport.NONE)

    assert node.transport is Transport.NONE
    assert isinstance(node.facts, Unread)
    assert "no transport" in node.facts.reason


@pytest.mark.parametrize(
    ("transport", "severity"),
    [
        (Transport.VAMI, "warns"),
        (Transport.NONE, "warns"),
        (Transport.SSH, "blocks"),
        (None, "blocks"),
    ],
)
def test_a_role_by_guess_forbids_a_run_only_where_it_could_be_asked(transport, severity):
    """Who chose a transport that runs no commands is warned."""
    whole = inventory()
    node = replace(whole.nodes[0], role_verified=False, transport=transport)

    (finding,) = roles_are_known(replace(whole, nodes=(node,)))

    assert finding.severity == severity


@pytest.mark.parametrize(
    ("listing", "answer", "told"),
    [
        (Transport.VAMI, Management(health="red"), Management(health="red")),
        (Transport.VAMI, NO_SSH, Unread(reason=str(NO_SSH))),
        (Transport.SSH, Management(health="red"), NOT_ASKED),
    ],
    ids=["told", "gone", "another-way"],
)
def test_the_management_interface_is_asked_where_it_is_the_transport(listing, answer, told):
    """That it stops to answer costs what it would have told, nothing else."""

    def management(node):
        if isinstance(answer, Exception):
            raise answer
        return answer

    shell = MemoryShell()
    shell.error = NO_SHELL
    chosen = ChosenNodeReader(
        GuestNodeReader(shell, MemoryClock()),
        Services(),
        wanted=lambda fqdn: listing,
        scripts=lambda fqdn: listing,
        listing=lambda fqdn: listing,
        management=management,
    )

    found = chosen.read_guest(NODE)

    assert found.management == told
    assert found.services == SERVICES
