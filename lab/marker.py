"""Proves that replication works: writes into each directory and sees it arrive at all others.

It writes into the nodes' own stores, as a client of that node would, never over the network.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stsfix.lab.vmdir import operations
from stsfix.lab.vmdir.ages import AGES, LdapRefusal
from stsfix.lab.vmdir.messages import AddRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.lab.lab import Lab
    from stsfix.lab.vmdir.store import DirectoryStore

_POLL_S = 0.02


def replication_failures(lab: Lab, *, limit_s: float) -> tuple[str, ...]:
    """Say, in one line each, what did not arrive; empty if every way works.

    On each controller a harmless entry is added, awaited on every other one, deleted, and
    awaited to be gone everywhere. *limit_s* is real seconds for each of the two waits.
    """
    names = [node.fqdn for node in lab.topology.controllers]
    return tuple(line for name in names for line in _of_one(lab, name, names, limit_s))


def ways(lab: Lab) -> tuple[str, ...]:
    """Return every ordered pair of controllers, as ``from -> to``."""
    names = [node.fqdn for node in lab.topology.controllers]
    return tuple(f"{one} -> {other}" for one in names for other in names if one != other)


def _of_one(lab: Lab, writer: str, names: list[str], limit_s: float) -> Iterator[str]:
    store = _store(lab, writer)
    behaviour = AGES[lab.nodes[writer].disk.age]
    cn = f"lab-marker-{writer.partition('.')[0]}"
    entry_dn = f"cn={cn},{store.identity.domain_dn}"
    request = AddRequest(
        dn=entry_dn, attributes=(("cn", (cn.encode(),)), ("objectClass", (b"container",)))
    )
    others = [name for name in names if name != writer]
    try:
        with store.lock:
            by = store.identity.administrator_dn
            operations.add(store, request, behaviour, writer=by, now=lab.clock.now())
        for name in _late(lab, others, limit_s, lambda held: held.find(entry_dn) is not None):
            yield f"what {writer} writes does not arrive at {name}"
        with store.lock:
            operations.delete(store, entry_dn, behaviour, now=lab.clock.now())
    except LdapRefusal as refusal:
        yield f"{writer} refuses a write: {refusal.text or refusal.code}"
        return
    for name in _late(lab, others, limit_s, lambda held: held.find(entry_dn) is None):
        yield f"what {writer} deletes stays on {name}"


def _late(
    lab: Lab, names: list[str], limit_s: float, arrived: Callable[[DirectoryStore], bool]
) -> list[str]:
    """Wait for *names* and return those that have not got it in time."""
    deadline = time.monotonic() + limit_s
    waiting = list(names)
    while True:
        waiting = [name for name in waiting if not _look(_store(lab, name), arrived)]
        if not waiting or time.monotonic() >= deadline:
            return waiting
        time.sleep(_POLL_S)


def _look(store: DirectoryStore, arrived: Callable[[DirectoryStore], bool]) -> bool:
    with store.lock:
        return arrived(store)


def _store(lab: Lab, node: str) -> DirectoryStore:
    store: DirectoryStore = lab.nodes[node].disk.directory
    return store
