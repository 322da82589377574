"""Pages, expired sessions and absent properties, on pyVmomi's own types without a socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from stsfix.snapshot.answers import OversizedError
from stsfix.snapshot.errors import (
    GuestLoginError,
    GuestUnavailableError,
    HostRestrictedError,
    HypervisorFaultError,
    VmBusyError,
    VmKeyMissingError,
    VmNotFoundError,
)
from stsfix.snapshot.esxi_facts import as_utc, host_facts, vm_facts
from stsfix.snapshot.esxi_faults import fault_name, fault_text, translate, translate_guest
from stsfix.snapshot.esxi_properties import read_objects
from stsfix.snapshot.model import HostRef, LockdownMode, PowerState, VmId

HOST = HostRef("esx1.lab.example")
VM = VmId(host=HOST, moref="7", instance_uuid="uuid-7", name="vc1")
Collector = vmodl.query.PropertyCollector


class PagingCollector:
    """Gives one object a page; *asked* keeps the tokens it was asked for."""

    def __init__(self, *objects):
        self.objects = list(objects)
        self.asked = []

    def RetrievePropertiesEx(self, specs, options):  # noqa: N802 - pyVmomi's name
        return self._page()

    def ContinueRetrievePropertiesEx(self, token):  # noqa: N802 - pyVmomi's name
        self.asked.append(token)
        return self._page()

    @property
    def _stub(self):
        return self

    def _GetMethodInfo(self, name):  # noqa: N802 - pyVmomi's name
        return name

    def ask(self, thing, method, args):
        """Call *method*; its answers take 10 MiB each."""
        return getattr(thing, method)(*args), 10 * 1024 * 1024

    def _page(self):
        if not self.objects:
            return None
        found = self.objects.pop(0)
        token = f"page-{len(self.objects)}" if self.objects else None
        return Collector.RetrieveResult(objects=[found], token=token)


def found(moref, *, missing=()):
    """Return what a host says of the VM *moref*."""
    return Collector.ObjectContent(
        obj=vim.VirtualMachine(moref),
        propSet=[vmodl.DynamicProperty(name="name", val=f"vm{moref}")],
        missingSet=list(missing),
    )


def read(*objects):
    """Read two VMs' names from a host that says *objects*."""
    collector = PagingCollector(*objects)
    content: Any = SimpleNamespace(propertyCollector=collector)
    things = [vim.VirtualMachine(moref) for moref in ("1", "2")]
    return read_objects(content, things, ["name"]), collector.asked


def test_every_page_is_read():
    """Pages are followed by their tokens until there is none."""
    properties, asked = read(found("1"), found("2"), found("3"))

    assert {moref: p["name"] for moref, p in properties.items()} == {
        "1": "vm1",
        "2": "vm2",
        "3": "vm3",
    }
    assert asked == ["page-2", "page-1"]


def test_pages_without_end_are_too_many():
    """All pages of an answer together may be as large as one answer."""
    with pytest.raises(OversizedError, match="more than 32 MiB in one answer"):
        read(*(found(str(moref)) for moref in range(4)))


def test_nothing_found_is_nothing():
    """A host that has nothing to say sends no page at all."""
    assert read() == ({}, [])


def test_an_expired_session_among_missing_properties_is_seen():
    """Some hosts hide an expired session in the missing properties."""
    missing = Collector.MissingProperty(path="name", fault=vim.fault.NotAuthenticated())

    with pytest.raises(vim.fault.NotAuthenticated):
        read(found("1", missing=[missing]))


def test_a_property_that_may_not_be_read_is_absent():
    """A missing permission for one property does not fail the others."""
    missing = Collector.MissingProperty(path="config.uuid", fault=vim.fault.NoPermission())

    properties, _ = read(found("1", missing=[missing]))

    assert properties["1"] == {"name": "vm1"}


def test_a_vm_that_tells_nothing_has_honest_defaults():
    """Nothing is invented, and above all such a VM does not pass as off or as connected."""
    facts = vm_facts(HOST, "7", {})

    assert facts.vm == VmId(host=HOST, moref="7", instance_uuid="", name="7")
    assert facts.summary.power is PowerState.ON
    assert facts.summary.connection == "unknown"
    assert not facts.tools_running
    assert not facts.guest_operations_ready
    assert not any([facts.disks, facts.nics, facts.snapshots, facts.datastores])
    assert facts.question is None
    assert facts.managed_by is None


def tree(*children):
    """Return a snapshot with *children* on top of it."""
    return vim.vm.SnapshotTree(
        snapshot=vim.vm.Snapshot("snapshot-1"),
        name="s",
        createTime=datetime(2026, 1, 1, tzinfo=UTC),
        state="poweredOff",
        childSnapshotList=list(children),
    )


@pytest.mark.parametrize(
    ("roots", "depth"),
    [([tree()], 1), ([tree(), tree()], 1), ([tree(tree(), tree(tree())), tree()], 3)],
    ids=["one", "side by side", "branches"],
)
def test_depth_counts_snapshots_on_top_of_each_other(roots, depth):
    """Branches do not add up."""
    info = vim.vm.SnapshotInfo(rootSnapshotList=roots)

    assert vm_facts(HOST, "7", {"snapshot": info}).chain_depth == depth
    assert vm_facts(HOST, "7", {}).chain_depth == 0


def test_a_host_that_tells_nothing_has_honest_defaults():
    """Unknown is unknown: no licence, no lockdown mode, no time, no datastore."""
    facts = host_facts(HOST, None, [], None)

    assert (facts.version, facts.build, facts.licence_edition) == ("", "", "")
    assert facts.lockdown is LockdownMode.UNKNOWN
    assert facts.clock_skew is None
    assert facts.managed_by is None
    assert not any([facts.vms, facts.datastores])


@pytest.mark.parametrize(
    ("properties", "edition"),
    [
        ({"licensedEdition": "esxBasic"}, "esxBasic"),
        ({"licenses": ["eval", "esx.standard"]}, "esx.standard"),
        ({"licenses": ["eval"]}, "eval"),
        ({"licenses": []}, ""),
    ],
    ids=["in use", "not the evaluation", "evaluation only", "none"],
)
def test_the_edition_in_use_is_found(properties, edition):
    """The host's own word counts, then a licence that is not the evaluation."""
    if "licenses" in properties:
        keys = properties["licenses"]
        properties = {"licenses": [SimpleNamespace(editionKey=key) for key in keys]}
    manager = vim.LicenseManager("ha-license-manager")

    assert host_facts(HOST, None, [(manager, properties)], None).licence_edition == edition


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 1, 12, tzinfo=UTC),
        datetime(2026, 3, 1, 12),  # noqa: DTZ001 - a host may send no zone
        datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2))),
    ],
    ids=["UTC", "no zone", "another zone"],
)
def test_times_are_utc(moment):
    """Whatever zone a host sends, the moment is kept in UTC."""
    assert as_utc(moment) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert as_utc(moment).tzinfo is UTC


def test_a_host_that_only_its_vcenter_may_change_names_that_vcenter():
    """The fault has a field for it, and often no text."""
    fault = vim.fault.HostAccessRestrictedToManagementServer(managementServer="vc9.example.com")

    translated = translate(fault, host=HOST, where=str(VM), vm=VM)

    assert isinstance(translated, HostRestrictedError)
    assert str(translated).endswith("only vCenter vc9.example.com may change it")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (vim.fault.TaskInProgress(task=vim.Task("haTask-9")), VmBusyError),
        (vmodl.fault.ManagedObjectNotFound(), VmNotFoundError),
        (vim.fault.EncryptionKeyRequired(), VmKeyMissingError),
        (vim.fault.SnapshotLocked(), HypervisorFaultError),
    ],
    ids=["busy", "gone", "no-key", "other"],
)
def test_faults_of_a_vm(fault, error):
    """What concerns the VM becomes an error that names it."""
    translated = translate(fault, host=HOST, where=str(VM), vm=VM)

    assert type(translated) is error
    assert "vc1" in str(translated)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (vim.fault.InvalidGuestLogin(), GuestLoginError),
        (vim.fault.GuestOperationsUnavailable(), GuestUnavailableError),
        (vim.fault.OperationDisabledByGuest(), GuestUnavailableError),
        (vim.fault.InvalidPowerState(), GuestUnavailableError),
        (vim.fault.GuestPermissionDenied(), HypervisorFaultError),
        (vim.fault.FileNotFound(file="/bin/bash"), HypervisorFaultError),
        (vim.fault.TaskInProgress(task=vim.Task("haTask-9")), VmBusyError),
    ],
    ids=fault_name,
)
def test_faults_of_a_guest(fault, error):
    """Only what may pass counts as unavailable; a refused login is its own error."""
    assert type(translate_guest(fault, vm=VM, user="root")) is error


def test_everything_a_fault_says_is_kept():
    """The message alone is often empty: messages and fields are joined, each once."""
    fault = vim.fault.FileLocked(
        msg="locked",
        file="[datastore1] vc1.vmdk",
        faultMessage=[
            vmodl.LocalizableMessage(key="a", message="locked"),
            vmodl.LocalizableMessage(key="b", message="by esx2"),
        ],
    )

    assert fault_text(fault) == "locked; by esx2; [datastore1] vc1.vmdk"
    assert fault_name(fault) == "FileLocked"
