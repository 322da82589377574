"""A value that must not print."""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")


class Secret(Generic[T]):
    """Holds a password or a key; nothing but `reveal` shows it.

    ``repr``, ``str`` and format show stars; pickling and copying to a journal are refused.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value; call it only where it leaves the process on a protected channel."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash(type(self))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")
