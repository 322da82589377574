"""Watches, at every change, that no node is ever without a credential that can sign."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from stsfix.lab.sso import tenant
from stsfix.lab.vmdir.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.lab import Lab
    from stsfix.lab.seams import DirectoryEntry
    from stsfix.lab.vmdir.store import DirectoryStore, Entry

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
    """Judges the directory of every node of a lab, running or not, at every change and between.

    Each change of an entry below the tenant is judged while the directory is still locked, so
    that none is missed (*changes* counts them); a thread samples all directories besides, and
    takes up those that a revert put in their place (*samples* counts its rounds). *violations*
    has one line for every bad state.
    """

    def __init__(self, lab: Lab) -> None:
        self.violations: list[str] = []
        self.samples = 0
        self.changes = 0
        self._lab = lab
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched: dict[str, DirectoryStore] = {}
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to watch; every directory was judged once on return."""
        self._sample()
        self._thread = threading.Thread(target=self._run, daemon=True, name="lab-probe")
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)
        for store in self._watched.values():
            store.watchers = ()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            self._sample()

    def _sample(self) -> None:
        self.samples += 1
        for fqdn, node in self._lab.nodes.items():
            store, domain = node.disk.directory, node.disk.domain
            if store is None or self._watched.get(fqdn) is store:
                continue
            with store.lock:
                self._watched[fqdn] = store
                store.watchers = (self._watcher(fqdn, domain),)
                self._judge(fqdn, store, domain)

    def _watcher(self, fqdn: str, domain: str) -> Callable[[DirectoryStore, Entry], None]:
        below = "," + tenant.tenant_dn(domain, domain).lower()

        def changed(store: DirectoryStore, entry: Entry) -> None:
            if (entry.last_dn or entry.dn).lower().endswith(below):
                self.changes += 1
                self._judge(fqdn, store, domain)

        return changed

    def _judge(self, fqdn: str, store: DirectoryStore, domain: str) -> None:
        found = flaw(store, domain)
        if found is not None:
            elapsed = time.monotonic() - self._started
            with self._lock:
                self.violations.append(f"{elapsed:.3f} s: {fqdn}: {found}")
