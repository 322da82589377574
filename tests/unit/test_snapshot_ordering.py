"""VMs start by rank, lowest first, and stop the other way round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_hypervisor import MemoryClock, MemoryHost
from stsfix.snapshot.ordering import start_waves, stop_waves

HOST = MemoryHost("esx1.lab.example", MemoryClock())
PSC1, PSC2, VC1, VC2 = (HOST.add_vm(name) for name in ("psc1", "psc2", "vc1", "vc2"))


@pytest.mark.parametrize(
    ("ranks", "waves"),
    [
        ({}, ()),
        ({VC1: 0}, ((VC1,),)),
        ({VC2: 0, VC1: 0}, ((VC1, VC2),)),
        ({VC1: 2, PSC1: 1, VC2: 2, PSC2: 0}, ((PSC2,), (PSC1,), (VC1, VC2))),
    ],
    ids=["none", "one", "one wave, by name", "writer, PSC, vCenters"],
)
def test_the_lowest_rank_starts_first(ranks, waves):
    """VMs of one rank make a wave, sorted by name; waves go up in rank."""
    assert start_waves(ranks) == waves


@given(st.dictionaries(st.sampled_from([PSC1, PSC2, VC1, VC2]), st.integers(-3, 3)))
def test_stopping_is_starting_backwards_and_loses_nobody(ranks):
    """Stop waves are start waves reversed, and every VM is in exactly one."""
    stopping = stop_waves(ranks)

    assert tuple(reversed(stopping)) == start_waves(ranks)
    assert sorted(vm.name for wave in stopping for vm in wave) == sorted(vm.name for vm in ranks)
