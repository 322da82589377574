"""Before a run is turned back every VM and every snapshot is seen, or it stays what it is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

import sts_material
from machines_bench import PSC, VC
from memory_hypervisor import MemoryHost
from repaired import PLAN, STOPPED, THEIRS, WRITTEN, Repaired
from stsfix.plugin.run_guards import RunGuards
from stsfix.remediation.claims import left_to
from stsfix.remediation.departed import departed
from stsfix.remediation.errors_run import (
    NodesJoinedError,
    NoWayBackError,
    RunStateError,
    UndoFailedError,
    WrongVmError,
)
from stsfix.remediation.journal import Journal
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.plan import require_undoable
from stsfix.remediation.records import (
    Mark,
    MarkRecord,
    NoteRecord,
    Phase,
)
from stsfix.remediation.renewal.notes import RENEW_CERTIFICATES, encoded, shown_key
from stsfix.remediation.steps.export import ExportSts
from stsfix.snapshot.errors import (
    HostUnreachableError,
    SnapshotSetIncompleteError,
    VmNotFoundError,
)
from stsfix.snapshot.model import PowerState


@pytest.fixture
def folder(tmp_path):
    """A state folder."""
    tmp_path.chmod(0o700)
    return tmp_path


def test_a_run_whose_snapshots_are_there_is_taken_back(folder):
    """Every node is at its snapshot and on."""
    world = Repaired(folder)

    assert world.runs().roll_back(world.spec.run) is Phase.ROLLED_BACK

    assert world.disk["certificate"] == "old"
    assert set(world.bench.power().values()) == {PowerState.ON}


def test_a_snapshot_that_is_gone_leaves_a_repaired_run_repaired(folder):
    """Its domain works; it can be released still."""
    world = Repaired(folder)
    world.bench.hosts[1].vm(world.bench.vc).snapshots.clear()
    runs = world.runs()

    with pytest.raises(SnapshotSetIncompleteError, match="vc1"):
        runs.roll_back(world.spec.run)

    assert world.is_untouched()
    runs.require_releasable(world.spec.run)


def test_a_run_that_wrote_nothing_needs_no_snapshot(folder):
    """Its nodes are only powered on."""
    world = Repaired(folder, STOPPED)
    world.bench.hosts[1].vm(world.bench.vc).snapshots.clear()

    assert world.runs().roll_back(world.spec.run) is Phase.ROLLED_BACK

    assert world.disk["certificate"] == "new"


def test_a_run_without_its_snapshots_does_not_begin_to_write(folder):
    """Somebody tidied up while it was stopped; it is closed without touching anybody."""
    world = Repaired(folder, STOPPED)
    world.bench.hosts[1].vm(world.bench.vc).snapshots.clear()

    with pytest.raises(NoWayBackError, match="vc1"):
        world.runs().carry_on(world.spec.run)

    assert world.is_untouched()
    assert world.runs().roll_back(world.spec.run) is Phase.ROLLED_BACK
    assert world.asked_to_stop() == 0


def test_a_run_that_wrote_goes_on_without_its_snapshots(folder):
    """Forwards is the only way that is left."""
    world = Repaired(folder)
    world.bench.hosts[1].vm(world.bench.vc).snapshots.clear()

    assert world.runs().carry_on(world.spec.run) is Phase.REPAIRED


def test_a_run_that_goes_back_already_needs_no_snapshot_to_be_resumed(folder):
    """The rollback died; nothing will be written any more that a snapshot would take back."""
    world = Repaired(folder, STOPPED)
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        journal.append(MarkRecord(mark=Mark.ROLLBACK))
    world.bench.hosts[1].vm(world.bench.vc).snapshots.clear()

    require_undoable(world.bench.context, world.file.read(world.spec.run).records)
    assert world.runs().carry_on(world.spec.run) is Phase.ROLLED_BACK

    assert world.asked_to_stop() == 0


def test_nodes_that_were_reverted_have_to_show_it(folder):
    """Entries that are not those of the export did not go back, whatever the hosts say."""
    world = Repaired(folder)
    world.bench.do(ExportSts(world.bench.context))
    world.bench.domain.seed(2, sts_material.credential("new"))

    with pytest.raises(UndoFailedError):
        world.runs().roll_back(world.spec.run)

    assert world.file.read(world.spec.run).phase is Phase.ROLLING_BACK


def test_a_rollback_stops_nobody_who_belongs_to_another_run(folder):
    """Its own snapshots were deleted, and another workstation took the domain since."""
    world = Repaired(folder, STOPPED)
    for host, vm in zip(world.bench.hosts, (world.bench.psc, world.bench.vc), strict=True):
        host.vm(vm).snapshots = [replace(s, name=THEIRS) for s in host.vm(vm).snapshots]

    assert world.runs().roll_back(world.spec.run) is Phase.ROLLED_BACK

    assert world.asked_to_stop() == 0
    assert left_to(world.file.read(world.spec.run).records).startswith(THEIRS)


def test_pins_of_the_runs_own_certificates_are_taken_out_before_it_is_taken_back(folder):
    """After the revert the node would show the certificate of before, and be refused."""
    world = Repaired(folder)
    made = b"the machine certificate that the run made"
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        shown = NoteRecord(step=RENEW_CERTIFICATES, key=shown_key(1, VC), value=encoded(made))
        journal.append(shown)
    world.records = world.file.read(world.spec.run).records
    world.pins = {PSC: "0" * 64, VC: fingerprint(made)}

    with pytest.raises(RunStateError, match=f"domain.toml pins {VC}: it cannot be rolled back"):
        world.runs().roll_back(world.spec.run)

    assert world.is_untouched()
    world.pins[VC] = "1" * 64
    world.runs().require_earlier_pins(world.spec.run)


def test_a_domain_that_has_grown_is_not_reverted(folder):
    """The node that joined would have seen the others' future."""
    world = Repaired(folder)
    world.bench.domain.computers = ("vc9.lab.example",)

    with pytest.raises(NodesJoinedError, match="vc9"):
        world.runs().roll_back(world.spec.run)

    assert world.is_untouched()


@pytest.mark.parametrize(
    "since",
    [
        [MarkRecord(mark=Mark.ROLLBACK)],
        [MarkRecord(mark=mark) for mark in (Mark.ROLLBACK, Mark.RESTORING, Mark.RESTORED)],
    ],
    ids=["died", "restored"],
)
def test_a_domain_that_has_grown_since_a_rollback_was_begun_is_not_reverted(folder, since):
    """Nobody was reverted then, so the node joined what is there now."""
    world = Repaired(folder)
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        for record in since:
            journal.append(record)
    world.records = world.file.read(world.spec.run).records
    world.bench.domain.computers = ("vc9.lab.example",)

    with pytest.raises(NodesJoinedError, match="vc9"):
        world.runs().roll_back(world.spec.run)

    assert world.is_untouched()


@pytest.mark.parametrize("fqdn", [PSC, VC])
def test_an_old_vm_that_was_kept_after_an_upgrade_is_not_gone_back_to(folder, fqdn):
    """The node is another machine by now; the run stays what it is, and can be released."""
    world = Repaired(folder)
    number, vm = (0, world.bench.psc) if fqdn == PSC else (1, world.bench.vc)
    world.bench.hosts[number].vm(vm).power = PowerState.OFF
    world.bench.elsewhere.add(fqdn)
    before = world.bench.power()

    with pytest.raises(WrongVmError, match=fqdn):
        world.runs().roll_back(world.spec.run)

    assert world.file.read(world.spec.run).records == world.records
    assert world.bench.power() == before
    assert world.disk["certificate"] == "new"


@pytest.mark.parametrize("done", [WRITTEN, STOPPED], ids=["written", "stopped"])
def test_a_silent_host_leaves_a_run_as_it_is(folder, done):
    """Whether its VM is there is not known."""
    world = Repaired(folder, done)

    def before(call, vm):
        raise HostUnreachableError("esx2.lab.example", "timed out")

    world.bench.hosts[1].before = before

    with pytest.raises(HostUnreachableError):
        world.runs().roll_back(world.spec.run)

    world.bench.hosts[1].before = None
    assert world.is_untouched()


@pytest.mark.parametrize("done", [WRITTEN, STOPPED, ()], ids=["written", "stopped", "begun"])
def test_another_sites_hosts_take_no_run_back(folder, done):
    """Two sites may have domains of one name; the run of the one is nothing to the other."""
    world = Repaired(folder, done)
    other = MemoryHost("esx-b.lab.example", world.bench.clock)

    with pytest.raises(VmNotFoundError):
        world.runs([other]).roll_back(world.spec.run)

    assert world.is_untouched()


def test_a_host_that_left_the_configuration_before_the_first_step_is_named(folder):
    """Not a bug of ours: what has to be in domain.toml is said."""
    world = Repaired(folder, ())

    with pytest.raises(VmNotFoundError) as caught:
        world.runs(world.bench.hosts[:1]).carry_on(world.spec.run)

    assert "domain.toml does not have esx2.lab.example any more" in caught.value.__notes__
    assert world.is_untouched()


def snapshots(world):
    """Return how many snapshots the PSC has."""
    return len(world.bench.hosts[0].vm(world.bench.psc).snapshots)


@pytest.mark.parametrize("configured", [2, 1], ids=["unregistered", "its host is gone, too"])
def test_a_node_that_is_gone_keeps_no_other_from_its_release(folder, configured):
    """The others' snapshots go, it is named, and the operator's word closes the run."""
    world = Repaired(folder)
    del world.bench.hosts[1].vms[world.bench.vc.moref]
    runs = world.runs(world.bench.hosts[:configured])

    with pytest.raises(VmNotFoundError, match="vc1"):
        runs.release(world.spec.run)
    left, phase = snapshots(world), world.file.read(world.spec.run).phase
    runs.release(world.spec.run, without=[VC])

    assert (left, phase) == (0, Phase.RELEASING)
    assert world.file.read(world.spec.run).phase is Phase.RELEASED
    assert departed(world.file.read(world.spec.run).records) == {VC}


def test_another_sites_hosts_release_no_run(folder):
    """Not one of its VMs is there: its way back is not given up."""
    world = Repaired(folder)
    other = MemoryHost("esx-b.lab.example", world.bench.clock)

    with pytest.raises(VmNotFoundError):
        world.runs([other]).release(world.spec.run)

    assert world.is_untouched()


def test_a_node_that_is_there_is_not_left_out(folder):
    """Its snapshot would grow for ever."""
    world = Repaired(folder)

    with pytest.raises(RunStateError, match=f"{VC} is there"):
        world.runs().release(world.spec.run, without=[VC])

    assert world.is_untouched()


def test_whose_host_is_silent_is_gone_by_the_operators_word(folder):
    """Nobody else can tell."""
    world = Repaired(folder)

    def before(call, vm):
        raise HostUnreachableError("esx2.lab.example", "timed out")

    world.bench.hosts[1].before = before

    world.runs().release(world.spec.run, without=[VC])

    assert snapshots(world) == 0
    assert world.file.read(world.spec.run).phase is Phase.RELEASED


def silence(world, *numbers):
    """Let these hosts answer nothing."""

    def before(call, vm):
        raise HostUnreachableError("esx", "timed out")

    for number in numbers:
        world.bench.hosts[number].before = before


def test_a_release_that_is_refused_leaves_no_word(folder):
    """Else the next one would leave a node's snapshot where it is, and say nothing."""
    world = Repaired(folder)
    silence(world, 1)

    with pytest.raises(RunStateError, match=f"{PSC} is there"):
        world.runs().release(world.spec.run, without=[VC, PSC])

    world.bench.hosts[1].before = None
    assert world.is_untouched()


@pytest.mark.parametrize("configured", [2, 0], ids=["silent", "not configured"])
def test_a_run_is_not_closed_where_nobody_can_be_asked(folder, configured):
    """A workstation in another network would leave every snapshot, and no way back to any."""
    world = Repaired(folder)
    silence(world, 0, 1)

    with pytest.raises((HostUnreachableError, VmNotFoundError)):
        world.runs(world.bench.hosts[:configured]).release(world.spec.run, without=[PSC, VC])

    for host in world.bench.hosts:
        host.before = None
    assert world.is_untouched()


def test_a_domain_that_is_gone_is_closed_by_the_operators_word(folder):
    """Every host says that it has none of its VMs."""
    world = Repaired(folder)
    for host, vm in zip(world.bench.hosts, (world.bench.psc, world.bench.vc), strict=True):
        del host.vms[vm.moref]

    world.runs().release(world.spec.run, without=[PSC, VC])

    assert world.file.read(world.spec.run).phase is Phase.RELEASED


def test_a_node_that_is_back_is_released_after_all(folder):
    """What was said of it was a mistake; its snapshot would grow for ever."""
    world = Repaired(folder)
    silence(world, 1)
    world.runs().release(world.spec.run, without=[VC])
    world.bench.hosts[1].before = None

    world.runs().release(world.spec.run)

    assert not world.bench.hosts[1].vm(world.bench.vc).snapshots


def test_a_run_that_wrote_nothing_ends_without_a_vm_that_is_gone(folder):
    """It can neither go on nor be taken back without it, and there is nothing to take back."""
    world = Repaired(folder, STOPPED)
    del world.bench.hosts[1].vms[world.bench.vc.moref]
    runs = world.runs()

    for refused in (runs.carry_on, runs.roll_back):
        with pytest.raises(VmNotFoundError):
            refused(world.spec.run)
    runs.release(world.spec.run, without=[VC])

    assert snapshots(world) == 0
    assert world.file.read(world.spec.run).phase is Phase.RELEASED


def test_it_ends_without_any_vm_as_well(folder):
    """The only node of many a domain."""
    world = Repaired(folder, STOPPED)
    for host, vm in zip(world.bench.hosts, (world.bench.psc, world.bench.vc), strict=True):
        del host.vms[vm.moref]

    world.runs().release(world.spec.run, without=[PSC, VC])

    assert world.file.read(world.spec.run).phase is Phase.RELEASED


def test_it_does_not_end_while_another_node_is_off(folder):
    """Nobody would say any more that it is, and why."""
    world = Repaired(folder, STOPPED)
    del world.bench.hosts[1].vms[world.bench.vc.moref]
    world.bench.hosts[0].vm(world.bench.psc).power = PowerState.OFF

    with pytest.raises(RunStateError, match=f"in the middle .{PSC} off.") as caught:
        world.runs().release(world.spec.run, without=[VC])

    assert "power them on" in caught.value.__notes__[0]
    assert world.file.read(world.spec.run).records == world.records
    assert snapshots(world) == 1


@pytest.mark.parametrize(
    ("done", "without"),
    [(STOPPED, ()), (PLAN[: PLAN.index("verify-logins")], (VC,))],
    ids=["nobody is gone", "it may have written"],
)
def test_another_run_in_the_middle_is_not_released(folder, done, without):
    """There is a way on, or a way back."""
    world = Repaired(folder, done)
    del world.bench.hosts[1].vms[world.bench.vc.moref]

    with pytest.raises(RunStateError):
        world.runs().release(world.spec.run, without=without)

    assert snapshots(world) == 1


def ours(world, *, domain="vsphere.local", nodes=(), hosts=()):
    """Ask whether its run is of the configured site."""
    RunGuards(world.file).require_ours(world.spec.run, domain=domain, nodes=nodes, hosts=hosts)


@pytest.mark.parametrize(
    "configured",
    [
        {},
        {"nodes": ("psc9.lab.example", f"{VC.upper()}.")},
        {"nodes": ("10.0.0.1",), "hosts": ("esx1.lab.example",)},
    ],
    ids=["named by the operator", "one of its nodes", "one of its hosts"],
)
def test_a_run_of_the_configured_site_is_taken(folder, configured):
    """One node or one host is enough: names and places change."""
    ours(Repaired(folder), **configured)


def test_a_run_of_another_domain_is_refused(folder):
    """The lock that is held is that of the configured domain."""
    with pytest.raises(RunStateError, match=r"of SSO domain vsphere\.local: .* of b\.local"):
        ours(Repaired(folder), domain="b.local")


def test_the_newest_run_is_not_guessed_to_be_another_sites(folder):
    """It is named, with its nodes and hosts."""
    with pytest.raises(RunStateError, match=rf"{PSC} on esx1\.lab\.example") as caught:
        ours(Repaired(folder), nodes=("psc.b.example",), hosts=("esx-b.lab.example",))

    assert any("--state-dir" in note for note in caught.value.__notes__)
