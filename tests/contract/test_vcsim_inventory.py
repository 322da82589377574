"""The inventory of a host with 1,000 VMs, against a simulator nobody here wrote."""

from __future__ import annotations

import time

import pytest

from stsfix.remediation.inventory import locate
from stsfix.snapshot.esxi import EsxiHost
from stsfix.snapshot.model import HostRef, PowerState
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from vcsim_peer import ABSENT, NAME, PASSWORD, VCSIM, running_vcsim

pytestmark = [pytest.mark.peer, pytest.mark.skipif(not VCSIM.exists(), reason=ABSENT)]

VMS = 1000


def test_a_thousand_vms_are_listed_whole_and_soon(tmp_path):
    """Each with its own identity, on, connected; one of them is found among the others."""
    with running_vcsim(tmp_path, vms=VMS) as endpoint:
        host = EsxiHost(HostRef(NAME), endpoint, "root", Secret(PASSWORD), SystemClock())
        try:
            began = time.monotonic()
            facts = host.observe_host()
            took = time.monotonic() - began
            details = host.observe_vms([facts.vms[0].vm, facts.vms[-1].vm])
        finally:
            host.close()

    assert len(facts.vms) == VMS
    assert len({s.vm.instance_uuid for s in facts.vms}) == VMS
    assert len({s.vm.moref for s in facts.vms}) == VMS
    assert {s.power for s in facts.vms} == {PowerState.ON}
    assert {s.connection for s in facts.vms} == {"connected"}
    assert all(s.bios_uuid and s.vm.name for s in facts.vms)
    wanted = facts.vms[VMS // 2]
    assert locate(wanted.vm.name, [facts]).found == wanted
    assert [d.vm for d in details] == [facts.vms[0].vm, facts.vms[-1].vm]
    assert took < 30, f"{took:.1f} s"
