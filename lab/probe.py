"""Watches, every few milliseconds, that no node is ever without a credential that can sign."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from stsfix.lab.sso import tenant
from stsfix.lab.vmdir.reader import StoreReader

if TYPE_CHECKING:
    from stsfix.lab.lab import Lab
    from stsfix.lab.seams import DirectoryEntry
    from stsfix.lab.vmdir.store import DirectoryStore

INTERVAL_S = 0.002
"""Real seconds between two samples; fixsts.sh's gap is 14 ms at least (measured)."""

_SHORTEST_CHAIN = 2
"""Leaf and root; IDM refuses less through its API (vmdir.md 3.3)."""


def flaw(store: DirectoryStore, domain: str) -> str | None:
    """Return why the STS could not sign with what *store* holds; None if it could.

    Dates do not count: an expired credential is one, the STS says so itself.
    """
    base = tenant.tenant_dn(domain, domain)
    with store.lock:
        reader = StoreReader(lambda: store, lambda: True)
        credentials, chains = tenant.read_entries(reader, domain, domain)
    if not credentials:
        return "there is no TenantCredential"
    return _load_flaw(base, credentials, chains)


def _load_flaw(
    base: str, credentials: list[DirectoryEntry], chains: list[DirectoryEntry]
) -> str | None:
    try:
        loaded = tenant.load("", base, credentials, chains)
    except tenant.TenantBrokenError as error:
        return str(error)
    signer = loaded.signer
    if signer is None:
        return "the credential of the highest index cannot be read"
    if len(signer.chain) < _SHORTEST_CHAIN:
        return "the chain of the signing credential is not complete"
    if signer.key.public_key() != signer.chain[0].public_key():
        return "the signing key does not belong to the first certificate of its chain"
    if signer.chain[0] not in loaded.anchors:
        return "no trusted chain begins with the signing certificate"
    return None


class CredentialProbe:
    """Samples the directory of every node of a lab, running or not, in a thread.

    *violations* has one line for every change to a bad state; *samples* counts rounds. Of the
    *changes* that directories went through, *unseen* came and went between two samples; it
    does not tell what they were.
    """

    def __init__(self, lab: Lab) -> None:
        self.violations: list[str] = []
        self.samples = 0
        self.changes = 0
        self.unseen = 0
        self._lab = lab
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[str, tuple[DirectoryStore, int]] = {}
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to sample; the first round is over on return."""
        self._sample()
        self._thread = threading.Thread(target=self._run, daemon=True, name="lab-probe")
        self._thread.start()

    def stop(self) -> None:
        """Sample no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            self._sample()

    def _sample(self) -> None:
        self.samples += 1
        for fqdn, node in self._lab.nodes.items():
            store = node.disk.directory
            if store is None:
                continue
            # A directory that neither was replaced nor took a USN is the one seen before. The
            # USN is read before the entries: what comes in between is looked at again.
            usn = store.usn
            seen = self._seen.get(fqdn)
            if seen is not None and seen[0] is store and seen[1] == usn:
                continue
            if seen is not None and seen[0] is store:
                self.changes += usn - seen[1]
                self.unseen += usn - seen[1] - 1
            self._seen[fqdn] = (store, usn)
            found = flaw(store, node.disk.domain)
            if found is not None:
                elapsed = time.monotonic() - self._started
                self.violations.append(f"{elapsed:.3f} s: {fqdn}: {found}")
