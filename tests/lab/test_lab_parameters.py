"""Passwords and ports of a lab can be given instead of drawn."""

from __future__ import annotations

from dataclasses import fields

import pytest

import loopback
from lab_keys import shared_keys
from stsfix.lab.lab import Lab
from stsfix.lab.passwords import Passwords
from stsfix.lab.ports import BLOCK, NoPortsError, PortBlock
from stsfix.lab.programs import NodePorts
from stsfix.plugin.cli.lab import up


@pytest.fixture
def block():
    """A block of ports that nobody else has."""
    block = PortBlock()
    yield block
    block.release()


def test_passwords_come_from_a_secrets_file(tmp_path):
    """A default holds for every host or node that the file does not name."""
    path = tmp_path / "secrets.toml"
    path.write_text('sso = "s"\n[esxi]\ndefault = "e"\n"esx2" = "e2"\n[nodes]\n"vc1" = "n"\n')

    found = Passwords.read(path, hosts=["esx1", "esx2"], nodes=["vc1"])

    assert found == Passwords(sso="s", hosts={"esx1": "e", "esx2": "e2"}, nodes={"vc1": "n"})


def test_a_missing_password_names_its_owner(tmp_path):
    """Nothing is made up when the file leaves a node out."""
    path = tmp_path / "secrets.toml"
    path.write_text('sso = "s"\n[esxi]\ndefault = "e"\n')

    with pytest.raises(KeyError):
        Passwords.read(path, hosts=["esx1"], nodes=["vc1"])


@pytest.mark.lab
def test_ports_come_from_the_named_block():
    """The first port guards the block, the next ones are the lab's."""
    lab = Lab.build("embedded", keys=shared_keys(), first_port=loopback.BLOCK)
    ports = {host.port for host in lab.hosts.values()}
    lab.stop()

    assert all(loopback.BLOCK < port < loopback.BLOCK + BLOCK for port in ports)


def test_a_block_is_enough_for_the_largest_estate(block):
    """Ten nodes, each with all of its ports, as benchmarks/inventory.py has them."""
    taken = {block.take() for _ in range(10 * len(fields(NodePorts)))}

    assert len(taken) == 10 * len(fields(NodePorts))


def test_the_option_says_how_many_ports_are_meant():
    """``stsfix lab up --help`` is made without the lab, which knows."""
    (option,) = (o for o in up.params if o.name == "first_port")

    assert f"First of {BLOCK} ports." in (option.help or "")


@pytest.mark.lab
def test_a_taken_block_is_refused(block):
    """Two labs never share ports."""
    first = block.take() - 1

    with pytest.raises(NoPortsError):
        PortBlock(first)
