"""Whether what pyVmomi decoded is what the API says it should be.

pyVmomi 9.1.1 checks the fields of objects, but neither results, nor items of lists, nor values of
properties: a peer's ``xsi:type`` decides there. And an enumeration's value that it does not know
costs it the whole answer, where a newer host may have one more.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from pyVmomi.SoapAdapter import SoapDeserializer
from pyVmomi.VmomiSupport import F_OPTIONAL, DataObject, Enum, ManagedMethod, ManagedObject

_PLAIN: Final = (bool, int, float, str, bytes, datetime)
"""Kinds of values: within one, for example int and long, hosts are free. bool comes before int,
which it is a kind of."""
_LIMIT: Final = 2**63
_DIGITS: Final = 40
"""Characters of a number: more than any of 64 bits has, a few zeros before it included."""


class SchemaError(TypeError):
    """An answer has something else than the API says."""


class TolerantDeserializer(SoapDeserializer):
    """Takes values of enumerations that this version of the API does not know, as texts, and no
    items that do not belong into their list.
    """

    def EndElementHandler(self, tag: str) -> Any:  # noqa: N802 - overrides pyVmomi's
        """Take the end of an element.

        Raises:
            SchemaError: It is an item of another type than its list has, or a number that no
                type of the API holds.
        """
        stack = getattr(self, "stack", None)
        if not stack:
            return super().EndElementHandler(tag)  # type: ignore[no-untyped-call]  # pyVmomi
        kind = stack[-1]
        if isinstance(kind, type) and issubclass(kind, Enum) and not hasattr(kind, self.data):
            stack[-1] = str
        if isinstance(kind, type) and issubclass(kind, int) and kind is not bool:
            _require_size(self.data)
        parent = stack[-2] if len(stack) > 1 else None
        super().EndElementHandler(tag)  # type: ignore[no-untyped-call]  # pyVmomi
        if isinstance(parent, list) and parent:
            _require(parent[-1], getattr(parent, "Item", object), "an item")
        elif isinstance(parent, DataObject):
            name = self.SplitTag(tag)[1]  # type: ignore[no-untyped-call]  # pyVmomi
            declared = parent._GetPropertyInfo(name)  # noqa: SLF001 - as below
            value = getattr(parent, declared.name)
            if value is kind:
                _require(value, declared.type, name)
            elif isinstance(value, list):
                _require(value[-1], declared.type.Item, name)
        return None


def _require_size(data: str) -> None:
    """Return if *data* is a number that xsd:long can hold: arithmetic with others may overflow."""
    text = data.strip()
    if len(text) > _DIGITS or (text and not -_LIMIT <= int(text) < _LIMIT):
        raise SchemaError("a number has more than 64 bits")


def require_result(found: Any, info: Any) -> None:
    """Return if *found* may be the result of the method that *info* describes.

    Raises:
        SchemaError: It may not.
    """
    if found is None and (info.resultFlags & F_OPTIONAL or info.result is type(None)):
        return
    _require(found, info.result, "the result")


def require_property(kind: type, path: str, found: Any) -> None:
    """Return if *found* may be the property *path* of an object of *kind*; None always may, which
    says that it is not set.

    Raises:
        SchemaError: It may not.
    """
    if found is None:
        return
    _require(found, _declared(kind, path), path)


@lru_cache(maxsize=256)
def _declared(kind: Any, path: str) -> type:
    """Return the type of a property; object for one that is unknown, which may be anything."""
    found = kind
    for name in path.split("."):
        try:
            found = found._GetPropertyInfo(name).type  # noqa: SLF001 - public by pyVmomi's docs
        except (AttributeError, KeyError):
            return object
    return found if isinstance(found, type) else object


def _require(found: Any, wanted: Any, what: str) -> None:
    if wanted is object or wanted is type(None):
        return
    if issubclass(wanted, list):
        item = getattr(wanted, "Item", object)
        is_right = isinstance(found, list) and all(_is(each, item) for each in found)
    else:
        is_right = _is(found, wanted)
    if not is_right:
        raise SchemaError(f"{what} is {_name(type(found))}, not {_name(wanted)}")


def _is(found: Any, wanted: Any) -> bool:
    if issubclass(wanted, ManagedObject):
        return isinstance(found, wanted) and bool(found._moId)  # noqa: SLF001 - as everywhere
    if wanted in {object, type, ManagedMethod} or isinstance(found, wanted):
        return True
    plain = next((each for each in _PLAIN if issubclass(wanted, each)), None)
    return plain is not None and plain is next((k for k in _PLAIN if isinstance(found, k)), None)


def _name(kind: type) -> str:
    return "nothing" if kind is type(None) else kind.__name__.rpartition(".")[2]
