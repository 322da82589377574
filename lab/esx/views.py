"""ViewManager and its views; SearchIndex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stsfix.lab.servant import Servant, leaf, operation
from stsfix.lab.vmomi import vim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stsfix.lab.soap import Call


class ContainerView(Servant):
    """Everything of some types below one container, as it is when it is read."""

    def __init__(self, ref: Any, *, container: Any, types: list[Any], inside: Any) -> None:
        super().__init__(ref)
        self._container = container
        self._types = tuple(types)
        self._inside = inside

    @leaf("view")
    def view(self) -> object:
        """Return the references in the view."""
        return [r for r in self._inside() if not self._types or isinstance(r, self._types)]

    @leaf("container")
    def container(self) -> object:
        """Return where the view starts."""
        return self._container

    @leaf("type")
    def types(self) -> object:
        """Return the types it was asked for."""
        return list(self._types)

    @operation("DestroyView")
    def destroy(self, call: Call) -> None:
        """Forget the view."""
        call.session.forget(self)


class ListView(Servant):
    """A list of references its client keeps here."""

    def __init__(self, ref: Any, refs: Iterable[Any]) -> None:
        super().__init__(ref)
        self._refs = list(refs)

    @leaf("view")
    def view(self) -> object:
        """Return the list."""
        return self._refs

    @operation("ModifyListView")
    def modify(self, call: Call) -> object:
        """Add and remove references."""
        removed = set(call.args["remove"])
        self._refs = [r for r in self._refs if r not in removed]
        self._refs += [r for r in call.args["add"] if r not in self._refs]
        return []

    @operation("ResetListView")
    def reset(self, call: Call) -> object:
        """Replace the list."""
        self._refs = list(call.args["obj"])
        return []

    @operation("DestroyView")
    def destroy(self, call: Call) -> None:
        """Forget the view."""
        call.session.forget(self)


class ViewManager(Servant):
    """Makes views. *below*(container reference, recursive) lists references."""

    def __init__(self, ref: Any, below: Callable[[Any, bool], list[Any]]) -> None:
        super().__init__(ref)
        self._below = below

    @operation("CreateContainerView")
    def create_container_view(self, call: Call) -> Any:
        """Make a view only this session sees."""
        container, recursive = call.args["container"], bool(call.args["recursive"])
        call.service.find(container, call.session)
        view = ContainerView(
            vim.view.ContainerView(call.service.new_key("session-view")),
            container=container,
            types=list(call.args["type"]),
            inside=lambda: self._below(container, recursive),
        )
        return call.session.add(view)

    @operation("CreateListView")
    def create_list_view(self, call: Call) -> Any:
        """Make a list view only this session sees."""
        ref = vim.view.ListView(call.service.new_key("session-list"))
        return call.session.add(ListView(ref, call.args["obj"]))


class SearchIndex(Servant):
    """Finds VMs and inventory objects. What it searches is given as functions.

    Args:
        ref: Its reference.
        vms: Returns the servants of all VMs.
        child: Returns the reference of (parent reference, name), or None.
        root: The root folder's reference.
    """

    def __init__(
        self,
        ref: Any,
        *,
        vms: Callable[[], Iterable[Servant]],
        child: Callable[[Any, str], Any],
        root: Any,
    ) -> None:
        super().__init__(ref)
        self._vms = vms
        self._child = child
        self._root = root

    @operation("FindByInventoryPath")
    def by_path(self, call: Call) -> Any:
        """Find ``ha-datacenter/vm/NAME``; a leading slash is allowed."""
        found = self._root
        for part in call.args["inventoryPath"].strip("/").split("/"):
            found = self._child(found, part) if part else found
            if found is None:
                return None
        return found

    @operation("FindChild")
    def by_name(self, call: Call) -> Any:
        """Find a child by its name."""
        return self._child(call.args["entity"], call.args["name"])

    @operation("FindByUuid")
    def by_uuid(self, call: Call) -> Any:
        """Find one VM by BIOS or instance UUID."""
        return next(iter(self.all_by_uuid(call)), None)

    @operation("FindAllByUuid")
    def all_by_uuid(self, call: Call) -> list[Any]:
        """Find every VM with that BIOS or instance UUID."""
        path = "config.instanceUuid" if call.args["instanceUuid"] else "config.uuid"
        return self._matching(call, path, call.args["uuid"])

    @operation("FindByIp")
    def by_ip(self, call: Call) -> Any:
        """Find one VM by the primary address its tools report."""
        return next(iter(self.all_by_ip(call)), None)

    @operation("FindAllByIp")
    def all_by_ip(self, call: Call) -> list[Any]:
        """Find every VM with that primary address."""
        return self._matching(call, "guest.ipAddress", call.args["ip"])

    @operation("FindByDnsName")
    def by_dns_name(self, call: Call) -> Any:
        """Find one VM by the host name its tools report."""
        return next(iter(self.all_by_dns_name(call)), None)

    @operation("FindAllByDnsName")
    def all_by_dns_name(self, call: Call) -> list[Any]:
        """Find every VM with that host name."""
        return self._matching(call, "guest.hostName", call.args["dnsName"])

    def _matching(self, call: Call, path: str, wanted: str) -> list[Any]:
        if not call.args["vmSearch"]:
            return []
        return [
            vm.ref
            for vm in self._vms()
            if str(vm.read(path, call.session) or "").lower() == wanted.lower()
        ]
