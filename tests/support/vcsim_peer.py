"""vcsim, govmomi's vSphere simulator, as one ESXi host on loopback with a certificate of our CA."""

from __future__ import annotations

import functools
import os
import re
import select
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ready_keys import another_key
from stsfix.lab import pki
from stsfix.snapshot.tls import Endpoint, Trust

if TYPE_CHECKING:
    from collections.abc import Generator

VCSIM = Path(os.environ.get("STSFIX_VCSIM") or Path(__file__).parents[2] / ".peers" / "vcsim")
ABSENT = f"no {VCSIM.name}: run tests/peers/build-vcsim.sh .peers, or set STSFIX_VCSIM"
NAME = "esx1.lab.example"
PASSWORD = "vcsim-secret-1"


@contextmanager
def running_vcsim(folder: Path, *, vms: int = 2) -> Generator[Endpoint]:
    """Run vcsim with *vms* VMs that are on until the block ends; yields how to reach it."""
    _write_certificates(folder)
    process = subprocess.Popen(
        [
            *(str(VCSIM), "-esx", "-l", "127.0.0.1:0", "-vm", str(vms)),
            *("-username", "root", "-password", PASSWORD),
            *("-tlscert", f"{folder}/host.pem", "-tlskey", f"{folder}/host.key"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Endpoint(
            name=NAME,
            address="127.0.0.1",
            port=_read_port(process),
            trust=Trust(ca_file=folder / "ca.pem"),
        )
    finally:
        process.terminate()
        process.wait(timeout=20)
        if process.stdout is not None:
            process.stdout.close()


def _read_port(process: subprocess.Popen[bytes]) -> int:
    """Read the URL that vcsim prints when it is ready."""
    if process.stdout is None or not select.select([process.stdout], [], [], 20)[0]:
        raise TimeoutError("vcsim did not start")
    line = process.stdout.readline().decode()
    found = re.search(r"@127\.0\.0\.1:(\d+)/sdk", line)
    if found is None:
        raise ValueError(f"no URL in {line!r}")
    return int(found.group(1))


def _write_certificates(folder: Path) -> None:
    for name, content in _certificates().items():
        (folder / name).write_bytes(content)


@functools.cache  # two RSA keys cost more than most tests
def _certificates() -> dict[str, bytes]:
    start, end = pki.days_from_now(-1), pki.days_from_now(30)
    ca_key, key = another_key(), another_key()
    root = pki.vmca_root(
        ca_key, domain="vsphere.local", host="vc1.lab.example", not_before=start, not_after=end
    )
    leaf = pki.vmca_leaf(
        key,
        issuer=root,
        issuer_key=ca_key,
        common_name=NAME,
        not_before=start,
        not_after=end,
        names=[NAME],
    )
    pair = pki.key_pair(key, [leaf])
    return {
        "ca.pem": pki.pem(root),
        "host.pem": pair.certificates_pem,
        "host.key": pair.key_pem,
    }
