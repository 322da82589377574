"""PropertyCollector: selections over the inventory, one-time reads and waiting for changes.

Source: the vSphere Web Services API reference (PropertyCollector), and what pyVmomi 9.1 and
govc send. Rules kept from it: several PropertySpecs that match one object add up; a property
that is unset is left out; one that cannot be read is in the missingSet, not a fault; before
login everything is missing with NotAuthenticated.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stsfix.lab.servant import Servant, fill, operation
from stsfix.lab.soap_wire import value_text
from stsfix.lab.vmomi import vim, vmodl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stsfix.lab.soap import Call, Session, SoapService

_Query = vmodl.query.PropertyCollector
_POLL_S = 0.1
_FOREVER_S = 3600.0
_KEPT_VERSIONS = 2


class ChangeBell:
    """Rings when anything in the inventory changed, so that waiting clients look again."""

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def ring(self) -> None:
        """Wake everybody who waits."""
        with self._condition:
            self._condition.notify_all()

    def wait(self, seconds: float) -> None:
        """Return on the next ring, or after *seconds*."""
        with self._condition:
            self._condition.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One object's properties: values by path, and faults by path."""

    ref: Any
    values: dict[str, Any]
    missing: dict[str, Any]


class Selection:
    """Evaluates one FilterSpec: which objects, which properties."""

    def __init__(self, spec: Any, service: SoapService, session: Session) -> None:
        self._spec = spec
        self._service = service
        self._session = session
        self._named: dict[str, Any] = {}
        for start in spec.objectSet:
            self._name(start.selectSet)
        self._paths: dict[Any, tuple[str, ...]] = {}

    def _name(self, selections: Any) -> None:
        for selection in selections:
            if isinstance(selection, _Query.TraversalSpec):
                if selection.name:
                    self._named[selection.name] = selection
                self._name(selection.selectSet)

    def reads(self) -> Iterator[_Read]:
        """Read every selected object's properties.

        Raises:
            vmodl.fault.ManagedObjectNotFound: A starting object does not exist.
        """
        for servant in self._objects():
            paths = self._paths_of(type(servant.ref))
            if paths:
                yield self._read(servant, paths)

    def _objects(self) -> Iterator[Servant]:
        seen: set[str] = set()
        for start in self._spec.objectSet:
            servant = self._service.find(start.obj, self._session)
            if not start.skip and servant.key not in seen:
                seen.add(servant.key)
                yield servant
            yield from self._walk(servant, start.selectSet, seen, set())

    def _walk(
        self, servant: Servant, selections: Any, seen: set[str], walked: set[tuple[str, int]]
    ) -> Iterator[Servant]:
        for selection in selections:
            spec = selection
            if not isinstance(spec, _Query.TraversalSpec):
                spec = self._named.get(selection.name)
            if spec is None or not isinstance(servant.ref, spec.type):
                continue
            if (servant.key, id(spec)) in walked:
                continue
            walked.add((servant.key, id(spec)))
            for found in self._follow(servant, str(spec.path)):
                if not spec.skip and found.key not in seen:
                    seen.add(found.key)
                    yield found
                yield from self._walk(found, spec.selectSet, seen, walked)

    def _follow(self, servant: Servant, path: str) -> Iterator[Servant]:
        if self._session.user is None:
            return
        value = servant.read(path, self._session)
        for ref in value if isinstance(value, list) else [value]:
            if ref is None:
                continue
            try:
                yield self._service.find(ref, self._session)
            except vmodl.fault.ManagedObjectNotFound:
                continue  # it went away between the two reads

    def _paths_of(self, managed: Any) -> tuple[str, ...]:
        known = self._paths.get(managed)
        if known is None:
            paths: dict[str, None] = {}
            for spec in self._spec.propSet:
                if issubclass(managed, spec.type):
                    names = [str(path) for path in spec.pathSet]
                    if spec.all:
                        names = [p.name for p in managed._GetPropertyList()]  # noqa: SLF001 - public by pyVmomi's docs
                    paths.update(dict.fromkeys(names or [""]))
            known = self._paths[managed] = tuple(paths)
        return known

    def _read(self, servant: Servant, paths: tuple[str, ...]) -> _Read:
        values: dict[str, Any] = {}
        missing: dict[str, Any] = {}
        for path in filter(None, paths):
            if self._session.user is None and path not in servant.anonymous_properties:
                missing[path] = vim.fault.NotAuthenticated(
                    object=servant.ref, privilegeId="System.View"
                )
                continue
            try:
                value = servant.read(path, self._session)
            except vmodl.query.InvalidProperty as fault:
                missing[path] = fault
                continue
            if value is not None:
                values[path] = value
        return _Read(ref=servant.ref, values=values, missing=missing)


def _content(read: _Read) -> Any:
    return _Query.ObjectContent(
        obj=read.ref,
        propSet=[vmodl.DynamicProperty(name=p, val=v) for p, v in read.values.items()],
        missingSet=_missing(read),
    )


def _missing(read: _Read) -> list[Any]:
    return [_Query.MissingProperty(path=p, fault=f) for p, f in read.missing.items()]


# What a filter last told: object key -> (reference, path -> text of the value).
_Told = dict[str, tuple[Any, dict[str, str]]]


class Filter(Servant):
    """A PropertyFilter: remembers what it told its client at the last versions."""

    def __init__(self, ref: Any, collector: Collector, selection: Selection) -> None:
        super().__init__(ref)
        self._collector = collector
        self._selection = selection
        self._told: dict[str, _Told] = {}

    def update(self, since: str, version: str) -> Any:
        """Return the FilterUpdate from version *since* to now, or None; remember it as
        *version*. An unknown *since* gives everything.
        """
        before = self._told.get(since, {})
        now: _Told = {}
        changes = []
        for read in self._selection.reads():
            texts = {path: value_text(value) for path, value in read.values.items()}
            key = str(read.ref._moId)  # noqa: SLF001 - public by pyVmomi's docs
            now[key] = (read.ref, texts)
            change = _object_update(read, texts, before.get(key))
            if change is not None:
                changes.append(change)
        changes += [
            _Query.ObjectUpdate(kind="leave", obj=ref)
            for key, (ref, _) in before.items()
            if key not in now
        ]
        self._told[version] = now
        if not changes:
            del self._told[version]
            return None
        while len(self._told) > _KEPT_VERSIONS:  # the last answer may be lost: keep one more
            del self._told[next(iter(self._told))]
        return _Query.FilterUpdate(filter=self.ref, objectSet=changes)

    def carry(self, since: str, version: str) -> None:
        """Take what was told at *since* as told at *version* (another filter had news)."""
        if version not in self._told and since in self._told:
            self._told[version] = self._told[since]

    @operation("DestroyPropertyFilter")
    def destroy(self, call: Call) -> None:
        """Forget the filter."""
        self._collector.drop(self, call.session)


def _object_update(
    read: _Read, texts: dict[str, str], before: tuple[Any, dict[str, str]] | None
) -> Any:
    old = before[1] if before is not None else {}
    changes = [
        _Query.Change(name=path, op="assign", val=read.values[path])
        for path, text in texts.items()
        if old.get(path) != text
    ]
    changes += [_Query.Change(name=path, op="remove") for path in old if path not in texts]
    if before is not None and not changes:
        return None
    kind = "modify" if before is not None else "enter"
    return _Query.ObjectUpdate(
        kind=kind, obj=read.ref, changeSet=changes, missingSet=_missing(read)
    )


@dataclass(kw_only=True, eq=False)
class _State:
    """What one session did with one collector."""

    filters: list[Filter] = field(default_factory=list)
    pages: dict[str, list[_Read]] = field(default_factory=dict)
    version: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)


class Collector(Servant):
    """A PropertyCollector. The service's own one is shared; its filters are per session."""

    def __init__(self, ref: Any, bell: ChangeBell) -> None:
        super().__init__(ref)
        self._bell = bell

    def _state(self, session: Session) -> _State:
        state = session.state.setdefault(self.key, _State())
        assert isinstance(state, _State)
        return state

    @operation("CreatePropertyCollector")
    def create(self, call: Call) -> Any:
        """Make another collector for this session."""
        ref = vmodl.query.PropertyCollector(call.service.new_key("pc"))
        return call.session.add(Collector(ref, self._bell))

    @operation("DestroyPropertyCollector")
    def destroy(self, call: Call) -> None:
        """Forget this collector and its filters."""
        self._state(call.session).cancelled.set()
        for made in list(self._state(call.session).filters):
            self.drop(made, call.session)
        call.session.forget(self)

    @operation("RetrieveProperties", anonymous=True)
    def retrieve(self, call: Call) -> Any:
        """Read everything at once."""
        return [_content(read) for read in self._reads(call)]

    @operation("RetrievePropertiesEx", anonymous=True)
    def retrieve_page(self, call: Call) -> Any:
        """Read the first page."""
        options = call.args["options"]
        size = (options.maxObjects if options is not None else None) or 0
        return self._page(call, list(self._reads(call)), size)

    @operation("ContinueRetrievePropertiesEx")
    def retrieve_next_page(self, call: Call) -> Any:
        """Return the page *token* stands for."""
        token = call.args["token"]
        pages = self._state(call.session).pages
        if token not in pages:
            raise vmodl.fault.InvalidArgument(invalidProperty="token")
        return self._page(call, pages.pop(token), int(token.rpartition("-")[2]))

    @operation("CancelRetrievePropertiesEx")
    def cancel_retrieve(self, call: Call) -> None:
        """Forget the pages of *token*."""
        self._state(call.session).pages.pop(call.args["token"], None)

    def _reads(self, call: Call) -> Iterator[_Read]:
        for spec in call.args["specSet"]:
            yield from Selection(spec, call.service, call.session).reads()

    def _page(self, call: Call, reads: list[_Read], size: int) -> Any:
        if not reads:
            return None
        result = _Query.RetrieveResult(objects=[_content(r) for r in reads[: size or None]])
        if size and len(reads) > size:
            result.token = f"{call.service.new_key('page')}-{size}"
            self._state(call.session).pages[result.token] = reads[size:]
        return result

    @operation("CreateFilter")
    def create_filter(self, call: Call) -> Any:
        """Watch what the spec selects."""
        ref = _Query.Filter(call.service.new_key("filter"))
        selection = Selection(call.args["spec"], call.service, call.session)
        for _ in selection.reads():
            break  # a spec whose start does not exist is refused now
        made = Filter(ref, self, selection)
        self._state(call.session).filters.append(made)
        return call.session.add(made)

    def drop(self, made: Filter, session: Session) -> None:
        """Stop watching *made*."""
        filters = self._state(session).filters
        if made in filters:
            filters.remove(made)
        session.forget(made)

    @operation("WaitForUpdatesEx")
    def wait(self, call: Call) -> Any:
        """Return what changed since the version, or None when the time is up."""
        options = call.args["options"]
        seconds = options.maxWaitSeconds if options is not None else None
        return self._await(call, _FOREVER_S if seconds is None else float(seconds))

    @operation("WaitForUpdates")
    def wait_long(self, call: Call) -> Any:
        """Return what changed since the version, however long it takes."""
        return self._await(call, _FOREVER_S)

    @operation("CheckForUpdates")
    def check(self, call: Call) -> Any:
        """Return what changed since the version, or None."""
        return self._await(call, 0.0)

    @operation("CancelWaitForUpdates")
    def cancel(self, call: Call) -> None:
        """Make a waiting call of this session end with RequestCanceled."""
        self._state(call.session).cancelled.set()
        self._bell.ring()

    def _await(self, call: Call, seconds: float) -> Any:
        state = self._state(call.session)
        state.cancelled.clear()
        deadline = time.monotonic() + seconds
        while True:
            found = self._updates(state, call.args["version"] or "")
            left = deadline - time.monotonic()
            if found is not None or left <= 0:
                return found
            # Not only the bell: what a guest reports changes without anybody's call.
            self._bell.wait(min(left, _POLL_S))
            if state.cancelled.is_set() or call.service.closing.is_set():
                raise vmodl.fault.RequestCanceled
            if call.session.user is None:
                raise vim.fault.NotAuthenticated(object=self.ref, privilegeId="System.View")

    @staticmethod
    def _updates(state: _State, since: str) -> Any:
        version = str(state.version + 1)
        updates = [made.update(since, version) for made in list(state.filters)]
        news = [update for update in updates if update is not None]
        if not news:
            return None
        state.version += 1
        for made in state.filters:
            made.carry(since, version)
        return fill(_Query.UpdateSet, version=version, filterSet=news)
