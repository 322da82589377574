"""One attempt for a node's password, whichever transport makes it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from stsfix.remediation.ports import LOGIN_REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.snapshot.errors import OperationError

T = TypeVar("T")


class Attempts:
    """Remembers which nodes refused their password, for as long as the command runs.

    Guest operations, SSH and VAMI log in with the same one, and an appliance locks root after
    three to five wrong ones (KB 322247). Until a node took its password, calls to it come one
    after the other, so that two at the same time do not send a wrong one twice.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: dict[str, threading.Lock] = {}
        self._proven: set[str] = set()
        self._refused: dict[str, OperationError] = {}

    def guarded(self, node: str, call: Callable[[], T]) -> T:
        """Return what *call*, which logs in to *node*, returns.

        Raises:
            OperationError: *call* raised it, or the node refused its password before: then
                *call* was not made.
        """
        if node in self._proven:
            return self._made(node, call)
        with self._lock:
            first = self._first.setdefault(node, threading.Lock())
        with first:
            return self._made(node, call)

    def _made(self, node: str, call: Callable[[], T]) -> T:
        if node in self._refused:
            raise self._refused[node]
        try:
            answer = call()
        except LOGIN_REFUSED as error:
            self._refused[node] = error
            raise
        self._proven.add(node)
        return answer
