"""vmafdd of one node, as far as certificates go: VECS follows the directory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from stsfix.lab import trusted_roots

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.clock import LabClock
    from stsfix.lab.vecs import Vecs
    from stsfix.lab.vmdir.store import DirectoryStore

INTERVAL_S = 60.0
"""Field seconds between two copies (CertificateSyncInterval in vmafd/config/vmafd.reg.in)."""

_SHORTEST_S = 0.1
_JOIN_S = 5.0


class Vmafd:
    """Copies trusted roots and CRLs from the directory into VECS while it runs.

    Args:
        vecs: The node's stores.
        directory: Returns the directory of the node's controller, None while that is down.
        clock: The lab's clock.
        stale: It copies nothing by itself until it is started a second time.
    """

    def __init__(
        self,
        vecs: Vecs,
        directory: Callable[[], DirectoryStore | None],
        clock: LabClock,
        *,
        stale: bool = False,
    ) -> None:
        self._vecs = vecs
        self._directory = directory
        self._pause_s = max(clock.real(INTERVAL_S), _SHORTEST_S)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._stale = stale

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._thread is not None

    def start(self) -> None:
        """See services.Program."""
        if self._thread is None:
            self._stopping = threading.Event()
            self._thread = threading.Thread(target=self._run, daemon=True, name="lab-vmafd")
            self._thread.start()

    def stop(self) -> None:
        """See services.Program."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        self._stale = self._stale and thread is None
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_S)

    def refresh(self) -> None:
        """Copy now; nothing happens while the directory cannot be reached, or if it is stale."""
        store = None if self._stale else self._directory()
        if store is not None:
            trusted_roots.copy_to(self._vecs, store)

    def _run(self) -> None:
        stopping = self._stopping
        while True:
            self.refresh()
            if stopping.wait(self._pause_s):
                return
