"""Ports for servers of tests: no two test processes, and no lab, ever draw the same one."""

from __future__ import annotations

import itertools
import os
import socket

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_SHARE = 1000
FIRST = 10000 + _WORKER % 10 * _SHARE
"""Below the labs' own range (20000 to 32000), a share for each worker."""

_PORTS = itertools.cycle(range(FIRST + 100, FIRST + _SHARE))
BLOCK = FIRST
"""First of a hundred ports that `free_port` never gives."""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    for port in itertools.islice(_PORTS, _SHARE):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")
