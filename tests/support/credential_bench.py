"""Two directories with an expired credential, and the step context of a run about them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

import sts_material
from memory_directory import MemoryDomain
from memory_exports import MemoryExports
from memory_logins import MemoryLogins
from renewal_bench import NowClock
from stsfix.remediation.steps.context import Limits, StepContext
from stsfix.remediation.steps.credential import ReplaceSts, written_leaves
from worlds import spec

if TYPE_CHECKING:
    from datetime import datetime

    from stsfix.remediation.ports import IssuedCredential, Observed, ServiceControl
    from stsfix.remediation.steps.tools import RenewalTools
    from stsfix.snapshot.coordinator import Coordinator

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
OLD = sts_material.credential("old", start=-700, end=-1)
SECOND = timedelta(seconds=1)


class Issuers:
    """An issuer that gives another credential each time."""

    def __init__(self) -> None:
        self.issued: list[IssuedCredential] = []

    def issue(self, *, node: str, now: datetime, validity: timedelta) -> IssuedCredential:
        del node, now, validity
        made = sts_material.credential(f"new-{len(self.issued)}")
        self.issued.append(made)
        return made


class Bench:
    """Two directories, one step context, and the notes of a run."""

    def __init__(
        self, lag: int = 0, *, publish_root: bool = True, old: IssuedCredential = OLD
    ) -> None:
        self.domain = MemoryDomain(VC1, VC2, lag=lag)
        self.domain.seed(1, old)
        self.issuers = Issuers()
        self.noted: dict[str, str] = {}
        limit = timedelta(seconds=30)
        self.context = StepContext(
            spec=spec(),
            coordinator=cast("Coordinator", None),
            directory=self.domain.directory,
            logins=MemoryLogins(self.leaves),
            services=cast("ServiceControl", None),
            issuer=lambda: self.issuers,
            exports=MemoryExports(),
            renewal=cast("RenewalTools", None),
            node_clock=lambda _: None,
            publish_root=publish_root,
            clock=NowClock(),
            limits=Limits(
                boot=limit,
                replication=limit,
                publish=limit,
                services=limit,
                logins=limit,
                poll=SECOND,
            ),
            hook=lambda event: None,
        )

    def leaves(self) -> dict[str, bytes | None]:
        """What each STS would sign with: its own directory's highest credential."""
        read = {n: self.domain.directory(n).read_sts_entries() for n in (VC1, VC2)}
        signing = {n: entries.signing() for n, entries in read.items()}
        return {n: entry.chain[0] if entry else None for n, entry in signing.items()}

    def note(self, key: str, value: str) -> None:
        self.noted[key] = value

    def written(self) -> frozenset[str]:
        return written_leaves(self.noted)

    def names(self, node: str = VC1) -> list[str]:
        """Return the entries of a node, shortly."""
        entries = self.domain.directory(node).read_sts_entries()
        return sorted(f"{e.kind} {e.index}" for e in (*entries.credentials, *entries.chains))

    def roots(self) -> list[bytes]:
        return self.domain.nodes[VC1].roots

    def signing_root(self) -> bytes:
        """Return the root of the credential that signs on the writer."""
        signing = self.domain.directory(VC1).read_sts_entries().signing()
        assert signing is not None
        return signing.chain[-1]

    def replace(self) -> None:
        ReplaceSts(self.context).do(dict(self.noted), self.note)

    def probe(self) -> Observed:
        return ReplaceSts(self.context).probe(dict(self.noted))


BOTH = ["chain 1", "chain 2", "credential 1", "credential 2"]
