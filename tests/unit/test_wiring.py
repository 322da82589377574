"""Whatever a run made for a node is believed by every way to it."""

from __future__ import annotations

import pytest

from stsfix.plugin.config import load_settings
from stsfix.plugin.secrets import SecretStore
from stsfix.plugin.wiring import Wiring
from stsfix.snapshot.system_clock import SystemClock

NODE = "vc1.lab.example"
DOMAIN = f"""
[sso]
domain = "vsphere.local"
nodes = ["{NODE}"]

[[esxi]]
host = "esx1.lab.example"
"""


@pytest.fixture
def wiring(tmp_path):
    """The adapters of one node; nothing is connected."""
    path = tmp_path / "domain.toml"
    path.write_text(DOMAIN)
    settings = load_settings(path)
    return Wiring(settings, SecretStore(settings, {}), SystemClock(), lambda _: None)


def test_the_management_interface_is_believed_with_what_the_run_made(wiring):
    """A restart over VAMI after the machine certificate was renewed does not end in TLS."""
    made = (b"leaf of the run",)
    management = wiring.transports._management(NODE)

    wiring.believe(lambda node: made if node == NODE else ())

    assert management.port == 5480
    assert tuple(management.made()) == made
