"""VMware's command line tools of an appliance, put together for one boot of one node."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from stsfix.lab import pki, trusted_roots
from stsfix.lab.certool import Certool, CertoolSettings
from stsfix.lab.dir_cli import DirCli
from stsfix.lab.extensions import Psql, verb
from stsfix.lab.faults import Dropped, Refused
from stsfix.lab.openssl_cli import OpensslCli
from stsfix.lab.vecs import TRUSTED_ROOTS, EntryKind, VecsEntry, certificate_alias
from stsfix.lab.vecs_cli import VecsCli

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cryptography import x509

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.shell_streams import Files, Streams
    from stsfix.lab.vmca import Vmca
    from stsfix.lab.vmdir.server import VmdirServer

    Program = Callable[[Sequence[str], Streams], int]

_LOCAL = frozenset({"localhost", "127.0.0.1"})
_REQUESTS_SINCE = (7,)
KILLED = 137
"""Exit code of a program that was killed."""


class Reach:
    """What tools of a node find of other nodes; a node that stands alone finds nothing."""

    def vmdird(self, fqdn: str) -> VmdirServer | None:
        """Return the vmdird of *fqdn*, running or not."""
        del fqdn
        return None

    def vmca(self, fqdn: str) -> Vmca | None:
        """Return the VMCA of *fqdn*, running or not."""
        del fqdn
        return None


class VmwareTools:
    """Programs by path in `table`.

    Args:
        disk: The node's disk.
        files: Its files.
        reach: What is found over the network.
        faults: Rules of protocol ``guest`` with calls like ``vecs-cli entry create``, ``certool
            --gencert``, ``dir-cli service update`` and ``psql update``; a number as *detail* is the
            exit code.
        runs: Tells whether a service of the node runs.
        now: The node's clock, aware UTC.
    """

    def __init__(
        self,
        disk: NodeDisk,
        files: Files,
        reach: Reach,
        *,
        faults: FaultBook,
        runs: Callable[[str], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._disk = disk
        self._reach = reach
        settings = CertoolSettings(
            fqdn=disk.fqdn,
            domain=disk.domain,
            days=disk.certool_days,
            takes_requests=disk.release >= _REQUESTS_SINCE,
        )
        vecs_cli = VecsCli(disk.vecs, files, running=lambda: runs("vmafdd"), refresh=self._refresh)
        certool = Certool(files, settings, server=self._vmca, trust=self._trust, now=now)
        dir_cli = DirCli(
            files,
            psc=disk.psc,
            domain=disk.domain,
            server=lambda host: reach.vmdird(disk.fqdn if host in _LOCAL else host.lower()),
            afd_runs=lambda: runs("vmafdd"),
        )
        self._faults = faults
        self.table: dict[str, Program] = {
            path: functools.partial(self._guarded, path, program)
            for path, program in {
                "/usr/lib/vmware-vmafd/bin/vecs-cli": vecs_cli.run,
                "/usr/lib/vmware-vmafd/bin/dir-cli": dir_cli.run,
                "/usr/lib/vmware-vmca/bin/certool": certool.run,
            }.items()
        }
        openssl = OpensslCli(files, release=disk.release, now=now)
        self.table |= {f"{folder}/openssl": openssl.run for folder in ("/bin", "/usr/bin")}
        if disk.role.has_vcenter:
            psql = Psql(
                disk.extensions,
                running=lambda: runs("vmware-vpostgres"),
                tasks=lambda: disk.scheduled_tasks,
            )
            path = "/opt/vmware/vpostgres/current/bin/psql"
            self.table[path] = functools.partial(self._guarded, path, psql.run)

    def _guarded(self, path: str, program: Program, words: Sequence[str], streams: Streams) -> int:
        name = path.rpartition("/")[2]
        call = " ".join([name, *_asked(name, words)])
        try:
            with self._faults.around("guest", call, self._disk.fqdn):
                return program(words, streams)
        except Refused as refused:
            streams.complain(f"{name}: refused by a fault rule of the lab")
            detail = refused.rule.detail
            return int(detail) if detail.isdigit() else 1
        except Dropped:
            return KILLED

    def _vmca(self, server: str) -> Vmca | None:
        return self._reach.vmca(self._disk.fqdn if server in _LOCAL else server.lower())

    def _refresh(self) -> None:
        server = self._reach.vmdird(self._disk.psc)
        if server is not None and server.running:
            trusted_roots.copy_to(self._disk.vecs, server.get_store())

    def _trust(self, roots: Sequence[x509.Certificate]) -> None:
        for root in roots:
            entry = VecsEntry(
                alias=certificate_alias(root),
                kind=EntryKind.TRUSTED,
                certificates=pki.pem(root),
                copied=True,
            )
            self._disk.vecs.put(TRUSTED_ROOTS, entry)


def _asked(name: str, words: Sequence[str]) -> list[str]:
    """Return by which of its *words* a program's calls are told apart."""
    if name == "psql":
        return [verb(words)]
    return [word.partition("=")[0] for word in (words[:1] if name == "certool" else words[:2])]
