"""What a node says of its replication in cn=replicationstatus (vmdird measured, 3 and 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.lab.vmdir.store import DirectoryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationStatus:
    """*vector*: highest originating USN seen, by invocation id. *processed*: by partner host.

    Both are None (shown as Unknown) on a single node; *vector* also before the first pull.
    """

    host: str
    usn: int
    cycles: int
    invocation_id: str
    vector: Mapping[str, int] | None
    processed: Mapping[str, int] | None
    max_originating: int

    def lines(self) -> list[bytes]:
        """Return the values of vmwServerRunTimeStatus."""
        vector = "Unknown"
        if self.vector is not None:
            vector = "".join(f"{who}:{usn}," for who, usn in self.vector.items())
        processed = "Unknown"
        if self.processed is not None:
            processed = "".join(f"{host}|{usn}," for host, usn in self.processed.items())
        return [
            f"Server Name: {self.host}".encode(),
            f"USN: {self.usn}".encode(),
            f"Replication Cycle Count: {self.cycles}".encode(),
            f"InvocationID: {self.invocation_id}".encode(),
            f"UtdVector: {vector}".encode(),
            f"RAProcessedUSN Vector: {processed}".encode(),
            f"MaxOriginatingUSN: {self.max_originating}".encode(),
        ]


def replication_status(store: DirectoryStore) -> ReplicationStatus:
    """Return the status as of now."""
    with store.lock:
        return ReplicationStatus(
            host=store.identity.host,
            usn=store.usn,
            cycles=store.cycles,
            invocation_id=store.identity.invocation_id,
            vector=dict(store.vector) if store.vector else None,
            processed=dict(store.marks) if store.marks else None,
            max_originating=store.max_originating,
        )
