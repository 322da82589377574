"""Managed objects of the lab: their methods, and their properties computed leaf by leaf.

A servant class names its wire methods with `operation` and its properties with `leaf`::

    class Clock(Servant):
        @operation("QueryDateTime")
        def query(self, call: Call) -> object:
            return datetime.now(UTC)

        @leaf("dateTimeInfo.timeZone.name")
        def zone(self) -> object:
            return "UTC"

Only leaves are written; whole data objects are put together from them on request (the type
system knows their fields), and required fields nobody wrote get a default. Reading one leaf
never computes another: an inventory of 1,000 VMs reads six leaves a VM.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from stsfix.lab.vmomi import VmomiSupport, vmodl

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.soap import Session

_Function = TypeVar("_Function", bound="Callable[..., object]")
_EPOCH = datetime(2015, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method a servant answers. *anonymous*: before login; *write*: changes something."""

    attribute: str
    anonymous: bool
    write: bool


def operation(
    wire_name: str, *, anonymous: bool = False, write: bool = False
) -> Callable[[_Function], _Function]:
    """Make the method answer *wire_name* (its WSDL name, such as ``PowerOnVM_Task``)."""

    def mark(function: _Function) -> _Function:
        found = Operation(attribute=function.__name__, anonymous=anonymous, write=write)
        function.__dict__.setdefault("_operations", {})[wire_name] = found
        return function

    return mark


def leaf(*paths: str) -> Callable[[_Function], _Function]:
    """Make the method compute the properties *paths*; None means unset."""

    def mark(function: _Function) -> _Function:
        function.__dict__.setdefault("_leaves", []).extend(paths)
        return function

    return mark


class Servant:
    """Base of every managed object. `aliases` maps a property path to the path it repeats
    (``summary.runtime`` to ``runtime``).

    Args:
        ref: The object's own reference, a pyVmomi object without stub.
        target: The name fault rules know the object by; None: the service's name.
    """

    operations: ClassVar[dict[str, Operation]] = {}
    leaves: ClassVar[dict[str, str]] = {}
    aliases: ClassVar[dict[str, str]] = {}
    anonymous_properties: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, ref: Any, *, target: str | None = None) -> None:
        self.ref = ref
        self.target = target

    def __init_subclass__(cls) -> None:
        cls.operations = dict(cls.operations)
        cls.leaves = dict(cls.leaves)
        for name, member in vars(cls).items():
            cls.operations.update(getattr(member, "_operations", {}))
            cls.leaves.update(dict.fromkeys(getattr(member, "_leaves", ()), name))

    @property
    def key(self) -> str:
        """The managed object id."""
        return str(self.ref._moId)  # noqa: SLF001 - documented as public by pyVmomi

    def read(self, path: str, session: Session) -> Any:  # noqa: ARG002 - overridden where needed
        """Return the property *path* with the exact wire type, None if it is unset.

        Raises:
            vmodl.query.InvalidProperty: The type has no such property.
        """
        cls: Any = type(self)
        managed: Any = type(self.ref)
        return self._compute(_plan(cls, managed, path))

    def _compute(self, plan: _Plan) -> Any:
        value: Any = None
        if plan.leaf is not None:
            value = getattr(self, plan.leaf)()
            for attribute in plan.rest:
                value = None if value is None else getattr(value, attribute)
        elif plan.parts:
            value = plan.wire_type()
            for attribute, part in plan.parts:
                with suppress(vmodl.query.InvalidProperty):  # one that this host does not know yet
                    setattr(value, attribute, self._compute(part))
            return value
        if value is None and plan.required and not plan.rest:
            return fill(plan.wire_type)
        return typed(value, plan.wire_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How to compute one property: a leaf and a walk, or parts, or a default."""

    wire_type: Any
    required: bool
    leaf: str | None = None
    rest: tuple[str, ...] = ()
    parts: tuple[tuple[str, _Plan], ...] = ()


@lru_cache(maxsize=4096)
def _plan(servant: Any, managed: Any, path: str) -> _Plan:
    wire_type, required, parents_set = _field(managed, path)
    path = _canonical(servant, path)
    known = [*servant.leaves, *servant.aliases]
    parent = path.rpartition(".")[0] + "."
    # A required field of an object nobody wrote anything of is unset with its object.
    required = required and (parents_set or any(name.startswith(parent) for name in known))
    segments = path.split(".")
    for length in range(len(segments), 0, -1):
        name = servant.leaves.get(".".join(segments[:length]))
        if name is not None:
            rest = tuple(segments[length:])
            return _Plan(wire_type=wire_type, required=required, leaf=name, rest=rest)
    parts = _parts(servant, managed, path, wire_type)
    return _Plan(wire_type=wire_type, required=required, parts=parts)


def _canonical(servant: type[Servant], path: str) -> str:
    for alias, real in servant.aliases.items():
        if path == alias or path.startswith(alias + "."):
            return real + path[len(alias) :]
    return path


def _parts(servant: Any, managed: Any, path: str, wire_type: Any) -> tuple[tuple[str, _Plan], ...]:
    """Return plans of the fields of *path* that are written or required; () if none is."""
    below = path + "."
    known = [*servant.leaves, *servant.aliases]
    if not any(name.startswith(below) for name in known):
        return ()
    parts = []
    for info in wire_type._GetPropertyList():  # noqa: SLF001 - documented as public by pyVmomi
        sub = below + info.name
        written = any(name == sub or name.startswith(sub + ".") for name in known)
        if written or not info.flags & VmomiSupport.F_OPTIONAL:
            parts.append((info.name, _plan(servant, managed, sub)))
    return tuple(parts)


@lru_cache(maxsize=4096)
def _field(managed: Any, path: str) -> tuple[Any, bool, bool]:
    """Return the type of a property path, whether it must be set, and its parents too."""
    current: Any = managed
    required = parents_set = True
    for index, segment in enumerate(path.split(".")):
        if index and not issubclass(current, VmomiSupport.DataObject):
            raise vmodl.query.InvalidProperty(name=path)  # paths do not cross arrays or objects
        try:
            info = current._GetPropertyInfo(segment)  # noqa: SLF001 - public by pyVmomi's docs
        except AttributeError:
            raise vmodl.query.InvalidProperty(name=path) from None
        current = info.type
        parents_set = parents_set and required
        required = not info.flags & VmomiSupport.F_OPTIONAL
    return current, required, parents_set


def typed(value: Any, wire_type: Any) -> Any:
    """Return *value* with its exact wire type: inside an Any the serializer writes the type
    of the value it sees (int or long, which array), and clients rely on it.
    """
    if value is None or isinstance(value, wire_type):
        return value
    if issubclass(wire_type, list):
        return wire_type([typed(item, wire_type.Item) for item in value])
    if issubclass(wire_type, str) and isinstance(value, type):
        # A pyVmomi client in the same process rewrites type[] properties to string[].
        return VmomiSupport.GetWsdlName(value)
    if issubclass(wire_type, (str, int, float)):
        return wire_type(value)
    return value


def _simple_default(wire_type: Any) -> Any:
    """Return a value of a type without fields; None for a reference: none can be made up."""
    if issubclass(wire_type, VmomiSupport.ManagedObject):
        return None
    if issubclass(wire_type, VmomiSupport.Enum):
        return wire_type(wire_type.values[0])
    if issubclass(wire_type, datetime):
        return _EPOCH
    return "" if wire_type is object else wire_type()


def _default(wire_type: Any) -> Any:
    """Return a value for a required field: an array must have a member on the wire."""
    if issubclass(wire_type, list):
        member = fill(wire_type.Item)
        return wire_type([] if member is None else [member])
    return fill(wire_type)


def fill(wire_type: Any, **given: Any) -> Any:
    """Return a *wire_type* whose required fields all have some value: those *given*, else
    the first member of an enumeration, an old date, an empty object.
    """
    if not issubclass(wire_type, VmomiSupport.DataObject):
        return _simple_default(wire_type)
    made = wire_type()
    for info in made._GetPropertyList():  # noqa: SLF001 - documented as public by pyVmomi
        if info.name in given:
            setattr(made, info.name, typed(given[info.name], info.type))
        elif not info.flags & VmomiSupport.F_OPTIONAL and not getattr(made, info.name):
            object.__setattr__(made, info.name, _default(info.type))
    return made
