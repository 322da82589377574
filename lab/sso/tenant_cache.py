"""The copy of its tenant that an STS works on: when it is read, and kept although it is old."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from stsfix.lab.sso import tenant as tenants

if TYPE_CHECKING:
    from stsfix.lab.clock import LabClock
    from stsfix.lab.seams import DirectoryReader
    from stsfix.lab.service_logs import ServiceLogs

logger = logging.getLogger(__name__)

REFRESH_S = 15.0
"""Field seconds between two reads of the directory (IdentityManager.java L250)."""

_SHORTEST_S = 0.05


class TenantCache:
    """A tenant as a node's directory held it: read at `start`, again every 15 field seconds, and
    kept when a later read fails (vmdir.md 3.5).

    Args:
        node: FQDN of the node.
        directory: The node's own vmdir.
        name: Of the tenant and of the SSO domain.
        clock: The lab's time.
        logs: Where it tells that it could not read the tenant.
        stale: Until it is stopped it does not see the credential with the highest index, as an
            STS whose reloads fail (vmdir.md 3.5).
        keeps: It reads the tenant at `start` only.
    """

    def __init__(
        self,
        node: str,
        directory: DirectoryReader,
        name: str,
        *,
        clock: LabClock,
        logs: ServiceLogs | None,
        stale: bool,
        keeps: bool,
    ) -> None:
        self.name = name
        self.tenant: tenants.Tenant | None = None
        self.trouble = ""
        self._node = node
        self._directory = directory
        self._clock = clock
        self._logs = logs
        self._stale = stale
        self._keeps = keeps
        self._read: object = None
        self._refreshing = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._thread is not None

    def start(self) -> None:
        """Read the tenant, then again and again; nothing happens when it runs already."""
        if self._thread is not None:
            return
        self._stopped = threading.Event()
        self._forget()
        self.refresh()
        self._thread = threading.Thread(
            target=self._keep_fresh, args=(self._stopped,), name=f"sts {self._node}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Read no more and forget the tenant; nothing happens when it does not run."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopped.set()
        thread.join(5)
        self._stale = False
        self._forget()

    def refresh(self) -> bool:
        """Read the tenant now. On failure the cached one stays; False then."""
        with self._refreshing:
            try:
                self._load()
            except (tenants.TenantBrokenError, ConnectionError) as error:
                self._complain(str(error))
                return False
            return True

    def _forget(self) -> None:
        with self._refreshing:
            self.tenant, self._read, self.trouble = None, None, ""

    def _complain(self, trouble: str) -> None:
        """Log what keeps the tenant from being read; once, though it is tried again and again."""
        if trouble != self.trouble and self._logs is not None:
            self._logs.tenant_unread(self.name, trouble)
        self.trouble = trouble
        logger.debug("%s: tenant %s: %s", self._node, self.name, trouble)

    def _load(self) -> None:
        credentials, chains = read = tenants.read_entries(self._directory, self.name, self.name)
        if self._stale:
            newest = tenants.highest_index([entry.dn for entry in credentials])
            credentials = [e for e in credentials if tenants.highest_index([e.dn]) != newest]
        if read != self._read:  # parsing keys again each round costs what it cannot change
            base = tenants.tenant_dn(self.name, self.name)
            self.tenant = tenants.load(self.name, base, credentials, chains)
            self._read = read
        self.trouble = ""

    def _keep_fresh(self, stopped: threading.Event) -> None:
        pause = max(self._clock.real(REFRESH_S), _SHORTEST_S)
        while not stopped.wait(pause) and not self._keeps:
            self.refresh()
