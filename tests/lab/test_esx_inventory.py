"""Reading the lab's ESXi host: views, leaf paths, paging, waiting for changes, searching."""

from __future__ import annotations

import threading
import time

import pytest
from pyVmomi import vim, vmodl

from esx_lab import ScriptedGuest, finished, running_host, vm_of
from stsfix.lab.esx.machine import VirtualMachine

pytestmark = pytest.mark.lab

PC = vmodl.query.PropertyCollector
LEAVES = [
    "name",
    "config.instanceUuid",
    "runtime.powerState",
    "runtime.connectionState",
    "guest.hostName",
    "guest.ipAddress",
]


def view_spec(instance, paths):
    """Return (view, FilterSpec) of *paths* of all VMs below the root folder."""
    content = instance.content
    view = content.viewManager.CreateContainerView(
        content.rootFolder, [vim.VirtualMachine], recursive=True
    )
    traversal = PC.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
    spec = PC.FilterSpec(
        objectSet=[PC.ObjectSpec(obj=view, skip=True, selectSet=[traversal])],
        propSet=[PC.PropertySpec(type=vim.VirtualMachine, pathSet=paths)],
    )
    return view, spec


def values(content):
    """Return {path: value} of one ObjectContent."""
    return {p.name: p.val for p in content.propSet}


def test_thousand_vms_in_one_view():
    """Six leaves of 1,000 VMs come in one answer; host and client together use < 1 s of CPU, the
    best of three times (a busy machine makes the others slower).
    """
    with running_host() as lab, lab.client() as instance:
        for number in range(999):
            lab.host.add_vm(VirtualMachine(name=f"other-{number}", guest=ScriptedGuest()))
        view, spec = view_spec(instance, LEAVES)

        collector, took = instance.content.propertyCollector, []
        for _ in range(3):
            started = time.process_time()
            collector.RetrievePropertiesEx([spec], PC.RetrieveOptions())
            took.append(time.process_time() - started)
        result = collector.RetrievePropertiesEx([spec], PC.RetrieveOptions())
        view.Destroy()

        assert len(result.objects) == 1000
        assert result.token is None
        assert {values(c)["name"] for c in result.objects} >= {"vc1", "other-0", "other-998"}
        assert min(took) < 1.0


def test_pages():
    """MaxObjects splits the answer; every object comes once; the last page has no token."""
    with running_host() as lab, lab.client() as instance:
        for number in range(6):
            lab.host.add_vm(VirtualMachine(name=f"other-{number}", guest=ScriptedGuest()))
        _, spec = view_spec(instance, ["name"])
        collector = instance.content.propertyCollector

        page = collector.RetrievePropertiesEx([spec], PC.RetrieveOptions(maxObjects=3))
        sizes, names = [len(page.objects)], [values(c)["name"] for c in page.objects]
        while page.token:
            page = collector.ContinueRetrievePropertiesEx(page.token)
            sizes.append(len(page.objects))
            names += [values(c)["name"] for c in page.objects]

        assert sizes == [3, 3, 1]
        assert len(set(names)) == 7


def test_unset_is_left_out_and_unknown_is_missing():
    """An unset leaf is absent, an unknown path is in the missingSet as InvalidProperty."""
    with running_host() as lab, lab.client() as instance:
        _, spec = view_spec(instance, ["guest.hostName", "snapshot", "config.nonsense", "nonsense"])

        (content,) = instance.content.propertyCollector.RetrieveContents([spec])

        assert content.propSet == []
        assert {m.path for m in content.missingSet} == {"config.nonsense", "nonsense"}
        assert all(isinstance(m.fault, vmodl.query.InvalidProperty) for m in content.missingSet)


def test_leaves_below_objects():
    """Paths end in objects, lists or leaves below either."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        taken = finished(vm.CreateSnapshot("s", "", memory=False, quiesce=False)).result
        paths = ["config.hardware.device", "snapshot.rootSnapshotList", "snapshot.currentSnapshot"]
        _, spec = view_spec(instance, [*paths, "summary.config.name", "config.hardware"])

        (content,) = instance.content.propertyCollector.RetrieveContents([spec])

        found = values(content)
        assert found["snapshot.currentSnapshot"] == taken
        assert [t.name for t in found["snapshot.rootSnapshotList"]] == ["s"]
        assert found["summary.config.name"] == "vc1"
        keys = [device.key for device in found["config.hardware.device"]]
        assert keys == [device.key for device in found["config.hardware"].device]


def test_traversal_recurses_and_specs_add_up():
    """A self-referring TraversalSpec walks the folders; two PropertySpecs of one object add up."""
    with running_host() as lab, lab.client() as instance:
        child = PC.TraversalSpec(
            name="folder",
            type=vim.Folder,
            path="childEntity",
            selectSet=[PC.SelectionSpec(name="folder"), PC.SelectionSpec(name="center")],
        )
        center = PC.TraversalSpec(
            name="center",
            type=vim.Datacenter,
            path="vmFolder",
            selectSet=[PC.SelectionSpec(name="folder")],
        )
        spec = PC.FilterSpec(
            objectSet=[PC.ObjectSpec(obj=instance.content.rootFolder, selectSet=[child, center])],
            propSet=[
                PC.PropertySpec(type=vim.ManagedEntity, pathSet=["name"]),
                PC.PropertySpec(type=vim.VirtualMachine, pathSet=["runtime.powerState"]),
            ],
        )

        contents = instance.content.propertyCollector.RetrieveContents([spec])

        found = {values(c)["name"]: values(c) for c in contents}
        assert set(found) == {"ha-folder-root", "ha-datacenter", "vm", "vc1"}
        assert found["vc1"]["runtime.powerState"] == "poweredOff"


def test_before_login_everything_is_missing():
    """Without a session the collector answers with NotAuthenticated per property."""
    with running_host() as lab, lab.client() as instance:
        content = instance.content
        spec = PC.FilterSpec(
            objectSet=[PC.ObjectSpec(obj=content.rootFolder)],
            propSet=[PC.PropertySpec(type=vim.Folder, pathSet=["name"])],
        )
        content.sessionManager.Logout()

        (answer,) = content.propertyCollector.RetrieveContents([spec])

        assert answer.propSet == []
        assert isinstance(answer.missingSet[0].fault, vim.fault.NotAuthenticated)


def test_waiting_for_a_task():
    """WaitForUpdatesEx gives the state first, then each change, then None when time is up."""
    with running_host(speed=20.0) as lab, lab.client() as instance:
        collector = instance.content.propertyCollector.CreatePropertyCollector()
        task = vm_of(instance).PowerOn()
        spec = PC.FilterSpec(
            objectSet=[PC.ObjectSpec(obj=task)],
            propSet=[PC.PropertySpec(type=vim.Task, pathSet=["info.state", "info.progress"])],
        )
        collector.CreateFilter(spec, partialUpdates=True)
        version, states = "", []
        while "success" not in states:
            update = collector.WaitForUpdatesEx(version, PC.WaitOptions(maxWaitSeconds=5))
            version = update.version
            changes = update.filterSet[0].objectSet[0].changeSet
            states += [c.val for c in changes if c.name == "info.state"]

        idle = collector.WaitForUpdatesEx(version, PC.WaitOptions(maxWaitSeconds=0))
        again = collector.WaitForUpdatesEx("", PC.WaitOptions(maxWaitSeconds=0))
        collector.Destroy()

        assert states[-1] == "success"
        assert idle is None
        assert again.filterSet[0].objectSet[0].kind == "enter"


def test_lost_update_is_told_again():
    """A client that did not get the answer asks with its old version and gets the change."""
    with running_host() as lab, lab.client() as instance:
        collector = instance.content.propertyCollector
        _, spec = view_spec(instance, ["runtime.powerState"])
        collector.CreateFilter(spec, partialUpdates=True)
        first = collector.WaitForUpdatesEx("", PC.WaitOptions(maxWaitSeconds=5))
        finished(vm_of(instance).PowerOn())

        lost = collector.WaitForUpdatesEx(first.version, PC.WaitOptions(maxWaitSeconds=5))
        told = collector.WaitForUpdatesEx(first.version, PC.WaitOptions(maxWaitSeconds=5))

        for update in (lost, told):
            (change,) = update.filterSet[0].objectSet[0].changeSet
            assert (change.name, change.val) == ("runtime.powerState", "poweredOn")


def test_vms_enter_and_leave_a_filter():
    """Registering and unregistering a VM is told to who waits."""
    with running_host() as lab, lab.client() as instance:
        collector = instance.content.propertyCollector
        _, spec = view_spec(instance, ["name"])
        made = collector.CreateFilter(spec, partialUpdates=True)
        version = collector.WaitForUpdatesEx("", PC.WaitOptions(maxWaitSeconds=5)).version

        kinds = []
        other = lab.host.add_vm(VirtualMachine(name="other", guest=ScriptedGuest()))
        update = collector.WaitForUpdatesEx(version, PC.WaitOptions(maxWaitSeconds=5))
        kinds.append(update.filterSet[0].objectSet[0].kind)
        lab.host.remove_vm(other)
        update = collector.WaitForUpdatesEx(update.version, PC.WaitOptions(maxWaitSeconds=5))
        kinds.append(update.filterSet[0].objectSet[0].kind)
        made.Destroy()

        assert kinds == ["enter", "leave"]
        assert collector.WaitForUpdatesEx("", PC.WaitOptions(maxWaitSeconds=0)) is None


def test_wait_can_be_cancelled():
    """CancelWaitForUpdates ends a waiting call with RequestCanceled."""
    with running_host() as lab, lab.client() as instance:
        collector = instance.content.propertyCollector
        ended = []

        def wait():
            try:
                collector.WaitForUpdatesEx("1", PC.WaitOptions(maxWaitSeconds=20))
            except vmodl.fault.RequestCanceled as fault:
                ended.append(fault)

        waiting = threading.Thread(target=wait)
        waiting.start()
        for _ in range(50):
            collector.CancelWaitForUpdates()
            waiting.join(0.1)
            if not waiting.is_alive():
                break

        assert len(ended) == 1


def test_search_index():
    """VMs are found by path, UUIDs, address and DNS name; misses are None, not faults."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        finished(vm.PowerOn())
        search = instance.content.searchIndex

        assert search.FindByInventoryPath("/ha-datacenter/vm/vc1") == vm
        assert search.FindByUuid(None, lab.vm.instance_uuid, True, True) == vm
        assert search.FindByUuid(None, lab.vm.bios_uuid.upper(), True, False) == vm
        assert search.FindByIp(None, "10.0.0.1", True) == vm
        assert list(search.FindAllByDnsName(None, "VC1.lab.example", True)) == [vm]
        assert search.FindByInventoryPath("ha-datacenter/vm/nobody") is None
        assert search.FindByUuid(None, lab.vm.instance_uuid, True, False) is None


def test_views_belong_to_their_session():
    """Another session does not find a view; a destroyed one is gone."""
    with running_host() as lab, lab.client() as first, lab.client() as second:
        view, _ = view_spec(first, ["name"])
        stolen = vim.view.ContainerView(view._moId, second._stub)

        assert [vm.name for vm in view.view] == ["vc1"]
        with pytest.raises(vmodl.fault.ManagedObjectNotFound):
            _ = stolen.view
        view.Destroy()
        with pytest.raises(vmodl.fault.ManagedObjectNotFound):
            _ = view.view


def test_whole_objects_can_be_read():
    """Every property of a VM and of the host can be asked for without a server error."""
    with running_host() as lab, lab.client() as instance:
        host = instance.content.rootFolder.childEntity[0].hostFolder.childEntity[0].host[0]
        spec = PC.FilterSpec(
            objectSet=[PC.ObjectSpec(obj=vm_of(instance)), PC.ObjectSpec(obj=host)],
            propSet=[PC.PropertySpec(type=vim.ManagedEntity, all=True)],
        )

        contents = instance.content.propertyCollector.RetrieveContents([spec])

        assert [values(c)["name"] for c in contents] == ["vc1", "esx1.lab.example"]
        assert values(contents[0])["config"].hardware.numCPU == 4
        assert values(contents[1])["summary"].config.product.apiType == "HostAgent"
