"""One service of a node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service. *profile* tells vMon's services (profile ALL) from the ones before it.

    *start_s* and *stop_s* are field seconds (vsphere.md 4: stop all 2-5 min, start 5-15 min).
    *part* is the name of the server behind it where that is not its own.
    """

    name: str
    start_s: float
    stop_s: float
    profile: bool = True
    needs: tuple[str, ...] = ()
    automatic: bool = True
    part: str = ""

    @property
    def key(self) -> str:
        """The name vMon uses for it."""
        return self.name.removeprefix("vmware-")

    @property
    def server(self) -> str:
        """The name of the server behind it."""
        return self.part or self.name
