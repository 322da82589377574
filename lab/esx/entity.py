"""Managed entities that are only places in the inventory: folders, pools, networks."""

from __future__ import annotations

from typing import Any

from stsfix.lab.servant import Servant, leaf
from stsfix.lab.vmomi import vim


class Entity(Servant):
    """A managed entity with a name, a parent and children."""

    def __init__(
        self, ref: Any, name: str, parent: Entity | None, *, target: str | None = None
    ) -> None:
        super().__init__(ref, target=target)
        self.name = name
        self.parent = parent
        self.children: list[Entity] = []
        if parent is not None:
            parent.children.append(self)

    def below(self, *, recursive: bool) -> list[Any]:
        """Return references of what is inside, at any depth if *recursive*."""
        found = []
        for child in self.children:
            found.append(child.ref)
            if recursive:
                found += child.below(recursive=True)
        return found

    def child(self, name: str) -> Entity | None:
        """Return the child with that name."""
        return next((c for c in self.children if c.name == name), None)

    def refs(self, wire_type: Any) -> list[Any]:
        """Return the children of one type."""
        return [c.ref for c in self.children if isinstance(c.ref, wire_type)]

    @leaf("name")
    def _name(self) -> object:
        return self.name

    @leaf("parent")
    def _parent(self) -> object:
        return None if self.parent is None else self.parent.ref

    @leaf("overallStatus", "configStatus")
    def _status(self) -> object:
        return "green"

    @leaf("effectiveRole")
    def _effective_role(self) -> object:
        return [-1]

    @leaf("alarmActionsEnabled")
    def _alarm_actions(self) -> object:
        return True


class Folder(Entity):
    """A folder."""

    @leaf("childEntity")
    def _child_entity(self) -> object:
        return [c.ref for c in self.children]

    @leaf("childType")
    def _child_type(self) -> object:
        return [vim.Folder, vim.VirtualMachine, vim.Datacenter]


class Datacenter(Entity):
    """ha-datacenter; its folders are its children, in the order they were made."""

    def _folder(self, name: str) -> Any:
        found = self.child(name)
        return None if found is None else found.ref

    @leaf("vmFolder")
    def _vm_folder(self) -> object:
        return self._folder("vm")

    @leaf("hostFolder")
    def _host_folder(self) -> object:
        return self._folder("host")

    @leaf("datastoreFolder")
    def _datastore_folder(self) -> object:
        return self._folder("datastore")

    @leaf("networkFolder")
    def _network_folder(self) -> object:
        return self._folder("network")

    @leaf("datastore")
    def _datastore(self) -> object:
        found = self.child("datastore")
        return [] if found is None else found.refs(vim.Datastore)

    @leaf("network")
    def _network(self) -> object:
        found = self.child("network")
        return [] if found is None else found.refs(vim.Network)


class ComputeResource(Entity):
    """The host's compute resource."""

    @leaf("host")
    def _host(self) -> object:
        return self.refs(vim.HostSystem)

    @leaf("resourcePool")
    def _resource_pool(self) -> object:
        return next(iter(self.refs(vim.ResourcePool)), None)


class Network(Entity):
    """A standard port group."""

    @leaf("summary.name")
    def _summary_name(self) -> object:
        return self.name

    @leaf("summary.network")
    def _summary_network(self) -> object:
        return self.ref

    @leaf("summary.accessible")
    def _accessible(self) -> object:
        return True
