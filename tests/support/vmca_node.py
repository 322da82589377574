"""A node with VECS and a running VMCA, and nothing else: for its command line tools."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lab_keys import shared_keys
from lab_node import BareNode, bare_disk
from stsfix.lab import pki
from stsfix.lab.disk import NodeFile
from stsfix.lab.services import State
from stsfix.lab.vecs import Vecs, stores_of
from stsfix.lab.vmca import Vmca, vmca_files
from stsfix.lab.vmware_tools import Reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

FQDN = "vc1.lab.example"


class VmcaNode(BareNode, Reach):
    """*published* are the roots that VMCA gave to the directory."""

    def __init__(self, *, root_days: float = 3650, version: str = "7.0", days: float = 730) -> None:
        disk = bare_disk(version=version)
        disk.certool_days = days
        disk.vecs = Vecs(stores_of(disk.role, disk.release))
        self.published: list[x509.Certificate] = []
        key = shared_keys()[0]
        self.root = pki.vmca_root(
            key,
            domain=disk.domain,
            host=disk.fqdn,
            not_before=pki.days_from_now(-733),
            not_after=pki.days_from_now(root_days),
        )
        for path, content in zip(
            vmca_files(disk), (pki.pem(self.root), pki.key_pem(key)), strict=True
        ):
            disk.files[path] = NodeFile(content=content, mode=0o600)
        self.authority = Vmca(disk, now=lambda: datetime.now(UTC), publish=self._publish)
        self.authority.start()
        super().__init__(disk, reach=self, now=lambda: datetime.now(UTC))
        for service in ("lwsmd", "vmafdd"):
            found = self.board.find(service)
            assert found is not None
            assert self.board.start(found)
        assert self.board.state("vmafdd") is State.RUNNING

    def _publish(self, roots: Sequence[x509.Certificate]) -> None:
        self.published += roots

    def vmca(self, fqdn: str) -> Vmca | None:
        """See Reach."""
        return self.authority if fqdn == FQDN else None

    def file(self, path: str) -> bytes:
        """Return the content of a file of the node."""
        return self.disk.files[path].content


def soon(moment: datetime, days: float) -> bool:
    """Tell whether *moment* is *days* from now, give or take an hour."""
    return abs(moment - datetime.now(UTC) - timedelta(days=days)) < timedelta(hours=1)
