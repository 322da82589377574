"""Multi-master pull replication between stores (vmdird measured, 8; vmdir 6.5).

A consumer pulls from each partner of its agreements. It asks for entries whose USN on the partner
is above its high-water mark (lastLocalUsnProcessed), and the partner leaves out what the consumer
wrote itself and what its up-to-date vector says it has. Nothing here repairs what the real server
does not repair: a node reverted alone, and two ADDs of one DN, leave the nodes different for good.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.lab.faults import Dropped, Refused
from stsfix.lab.vmdir import dn
from stsfix.lab.vmdir.store import DELETED, NOT_SENT, Entry, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from stsfix.lab.clock import LabClock
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.vmdir.ages import Behaviour
    from stsfix.lab.vmdir.store import DirectoryStore

logger = logging.getLogger(__name__)

AHEAD = "Partner is ahead of my changes."
_SHORTEST_S = 0.02


class PartnerAheadError(Exception):
    """The supplier's USN is below the consumer's mark: 53, and nothing is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a supplier sends of one entry. *last_dn* is set if the entry was deleted."""

    usn: int
    guid: str
    dn: str
    last_dn: str
    values: dict[str, list[bytes]]
    metadata: dict[str, Metadata]


def changes_after(
    supplier: DirectoryStore, mark: int, vector: Mapping[str, int], consumer_id: str
) -> list[Sent]:
    """Return what *supplier* has to send, in the order of its USNs.

    Raises:
        PartnerAheadError: *mark* is above the supplier's highest USN.
    """
    with supplier.lock:
        if mark > supplier.usn:
            raise PartnerAheadError(AHEAD)
        waiting = [e for e in supplier.entries.values() if e.changed > mark]
        waiting.sort(key=lambda entry: entry.changed)
        chosen = [_chosen(entry, vector, consumer_id) for entry in waiting]
    return [sent for sent in chosen if sent is not None]


def _chosen(entry: Entry, vector: Mapping[str, int], consumer_id: str) -> Sent | None:
    if any(entry.has_class(name) for name in NOT_SENT):
        return None
    metadata = {
        name: meta
        for name, meta in entry.metadata.items()
        if meta.invocation_id != consumer_id and meta.origin_usn > vector.get(meta.invocation_id, 0)
    }
    # Once deleted, the deletion is all that counts.
    if entry.last_dn:
        metadata = {name: meta for name, meta in metadata.items() if name == DELETED}
    if not metadata:
        return None
    return Sent(
        usn=entry.changed,
        guid=entry.guid,
        dn=entry.dn,
        last_dn=entry.last_dn,
        values={name: list(entry.attributes.get(name, ())) for name in metadata},
        metadata=metadata,
    )


def apply(consumer: DirectoryStore, sent: Sent, age: Behaviour) -> None:
    """Merge one sent entry, attribute by attribute: the higher version wins, then the id."""
    entry = consumer.by_guid(sent.guid)
    if sent.last_dn:
        _apply_deletion(consumer, entry, sent, age)
    elif entry is None:
        _apply_new(consumer, sent)
    elif not entry.last_dn:
        _merge(consumer, entry, sent)


def _apply_deletion(
    consumer: DirectoryStore, entry: Entry | None, sent: Sent, age: Behaviour
) -> None:
    if entry is None:
        # After a conflict the other node's entry has another objectGUID: a delete on one node
        # removed it on both (measured, 8), so the DN decides.
        entry = consumer.find(sent.last_dn)
    if entry is None or entry.last_dn:
        return
    usn = consumer.next_usn(originating=False)
    consumer.bury(entry, usn, keep_class=age.tombstone_keeps_class)
    entry.metadata[DELETED] = _here(sent.metadata[DELETED], usn)


def _apply_new(consumer: DirectoryStore, sent: Sent) -> None:
    key = dn.key(sent.dn)
    if key in consumer.entries:
        logger.warning("NOT resolving this possible replication CONFLICT: %s", sent.dn)
        return
    if "objectClass" not in sent.values or dn.parent(key) not in consumer.entries:
        logger.warning("cannot apply a change of %s: entry or parent missing", sent.dn)
        return
    usn = consumer.next_usn(originating=False)
    local = [str(usn).encode()]
    values = {name: list(found) for name, found in sent.values.items() if found}
    values |= {"uSNCreated": local, "uSNChanged": list(local)}
    values.setdefault("objectGUID", [sent.guid.encode()])
    metadata = {name: _here(meta, usn) for name, meta in sent.metadata.items()}
    consumer.place(Entry(dn=sent.dn, attributes=values, metadata=metadata, changed=usn))


def _merge(consumer: DirectoryStore, entry: Entry, sent: Sent) -> None:
    newer = {
        name: meta
        for name, meta in sent.metadata.items()
        if name not in entry.metadata or _rank(meta) > _rank(entry.metadata[name])
    }
    if not newer:
        return
    usn = consumer.next_usn(originating=False)
    for name, meta in newer.items():
        if sent.values[name]:
            entry.attributes[name] = list(sent.values[name])
        else:
            entry.attributes.pop(name, None)
        entry.metadata[name] = _here(meta, usn)
    entry.attributes["uSNChanged"] = [str(usn).encode()]
    entry.changed = usn
    consumer.place(entry)


def _rank(meta: Metadata) -> tuple[int, str]:
    return meta.version, meta.invocation_id


def _here(meta: Metadata, usn: int) -> Metadata:
    return Metadata(
        usn=usn,
        version=meta.version,
        invocation_id=meta.invocation_id,
        time=meta.time,
        origin_usn=meta.origin_usn,
    )


def pull(
    consumer: DirectoryStore,
    supplier: DirectoryStore,
    age: Behaviour,
    now: datetime,
    *,
    limit: int = 0,
) -> int:
    """Bring *consumer* up to date with *supplier*, or nearer by *limit* entries unless that is 0,
    and return how many came.

    Raises:
        PartnerAheadError: The supplier refuses; the mark stays.
    """
    host, theirs = supplier.identity.host, supplier.identity.invocation_id
    with consumer.lock:
        mark, vector = consumer.marks.get(host, 0), dict(consumer.vector)
    sent = changes_after(supplier, mark, vector, consumer.identity.invocation_id)
    sent = sent[: limit or None]
    with consumer.lock:
        consumer.cycles += 1
        for change in sent:
            apply(consumer, change, age)
            for meta in change.metadata.values():
                known = consumer.vector.get(meta.invocation_id, 0)
                consumer.vector[meta.invocation_id] = max(known, meta.origin_usn)
        if sent or theirs not in consumer.vector:
            # The mark moves only over what was sent: at rest the vectors stay some USNs behind
            # the partner, whose own agreement updates are not sent (measured, 8).
            consumer.vector.setdefault(theirs, 0)
            consumer.marks[host] = sent[-1].usn if sent else mark
            _record_progress(consumer, host, now)
    return len(sent)


def _record_progress(consumer: DirectoryStore, host: str, now: datetime) -> None:
    """Write mark and vector to the node's own entries: originating changes that are not sent."""
    me = consumer.identity
    agreement = consumer.find(f"labeledURI=ldap://{host},{me.agreements_dn}")
    if agreement is not None:
        mark = str(consumer.marks[host]).encode()
        consumer.modify(agreement, {"lastLocalUsnProcessed": [mark]}, me.server_dn, now)
    server = consumer.find(me.server_dn)
    if server is not None:
        text = "".join(f"{who}:{usn}," for who, usn in consumer.vector.items())
        consumer.modify(server, {"upToDateVector": [text.encode()]}, me.server_dn, now)


def partners(store: DirectoryStore) -> list[str]:
    """Return the hosts of the node's own agreements, sorted."""
    with store.lock:
        found = store.children(store.identity.agreements_dn)
        uris = [e.attributes["labeledURI"][0].decode() for e in found]
    return sorted(uri.removeprefix("ldap://") for uri in uris)


class Replicator:
    """The consuming side of one node. *last_errors* has the reason of a partner's last failure,
    *limit* is how many entries a pull brings (0: all).
    """

    def __init__(
        self,
        *,
        node: str,
        get_store: Callable[[], DirectoryStore],
        partner: Callable[[str], DirectoryStore | None],
        behaviour: Behaviour,
        clock: LabClock,
        faults: FaultBook,
        interval_s: float,
    ) -> None:
        self._node = node
        self._get_store = get_store
        self._partner = partner
        self._age = behaviour
        self._clock = clock
        self._faults = faults
        self._interval_s = interval_s
        self._pulling = threading.Lock()
        self.limit = 0
        self.last_errors: dict[str, str] = {}

    def run(self, stopping: threading.Event) -> None:
        """Pull from all partners every interval until *stopping* is set."""
        pause = max(self._clock.real(self._interval_s), _SHORTEST_S)
        while not stopping.wait(pause):
            self.pull_all()

    def pull_all(self) -> None:
        """Pull once from every partner. A partner that cannot be reached changes nothing."""
        with self._pulling:
            store = self._get_store()
            for host in partners(store):
                self._try(store, host)

    def _try(self, store: DirectoryStore, host: str) -> None:
        try:
            with self._faults.around("replication", "PULL", self._node):
                self._pull(store, host)
        except (ConnectionError, Refused, Dropped) as error:
            self._note(host, f"partner cannot be reached: {error}")
        except PartnerAheadError as error:
            self._note(host, f"53 {error}")
        else:
            self.last_errors.pop(host, None)

    def _pull(self, store: DirectoryStore, host: str) -> None:
        supplier = self._partner(host)
        if supplier is None:
            raise ConnectionError(host)
        pull(store, supplier, self._age, self._clock.now(), limit=self.limit)

    def _note(self, host: str, text: str) -> None:
        if self.last_errors.get(host) != text:
            logger.warning("vmdir %s pulls from %s: %s", self._node, host, text)
        self.last_errors[host] = text
