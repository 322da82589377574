"""A node whose shell is real bash, with a certool and a vecs-cli made of bash and openssl.

They print what Lightwave's sources print (vmca/certool, vmafd/tools/vecs-cli); openssl signs.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sts_material import NODE
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.pki.certool import Programs
from stsfix.remediation.pki.vecs_writing import Tools
from stsfix.remediation.ports import READ_LIMIT
from stsfix.snapshot.model import HostRef, VmId
from stsfix.snapshot.ports import OUTPUT_BYTES, GuestResult
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

BASH, OPENSSL = shutil.which("bash"), shutil.which("openssl")
HERE = Path(__file__).parent
READY = BASH is not None and OPENSSL is not None
PLAN = NodePlan(
    fqdn=NODE,
    role=Role.EMBEDDED,
    vm=VmId(host=HostRef("esx1.lab.example"), moref="12", instance_uuid="u-1", name="vc1"),
)


@dataclass
class BashNode:
    """Satisfies `ports.NodeShell`: every script runs in real bash, below *folder*."""

    folder: Path
    scripts: list[str] = field(default_factory=list)
    secrets: int = 0

    def __post_init__(self) -> None:
        for name in ("certool", "vecs-cli"):
            text = (HERE / f"{name}.sh").read_text()
            path = self.folder / name
            path.write_text(text.replace("@HERE@", str(self.folder)))
            path.chmod(0o755)
        (self.folder / "days").write_text("3650")
        (self.folder / "calls").touch()

    @property
    def programs(self) -> Programs:
        """Where certool and VMCA's files are."""
        return Programs(
            certool=str(self.folder / "certool"),
            root=str(self.folder / "root.cer"),
            root_key=str(self.folder / "ca.key"),
            folder=str(self.folder / "work"),
        )

    @property
    def tools(self) -> Tools:
        """Where vecs-cli is, and the folder of scripts that write."""
        return Tools(
            vecs_cli=str(self.folder / "vecs-cli"),
            certool=str(self.folder / "certool"),
            folder=str(self.folder / "work"),
            scripts=str(self.folder / "stsfix-*.sh"),
        )

    def store(self, store: str, alias: str, certificate: bytes, key: bytes) -> None:
        """Put an entry (PEM) into a store."""
        folder = self.folder / "stores.d" / store
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{alias}.crt").write_bytes(certificate)
        (folder / f"{alias}.key").write_bytes(key)

    def stored(self, store: str, alias: str) -> tuple[bytes, bytes] | None:
        """Return certificate and key (PEM) of an entry, None if there is none."""
        at = self.folder / "stores.d" / store / alias
        crt, key = Path(f"{at}.crt"), Path(f"{at}.key")
        return (crt.read_bytes(), key.read_bytes()) if crt.exists() else None

    @property
    def calls(self) -> list[str]:
        """How certool was called, and the modes it saw."""
        return (self.folder / "calls").read_text().splitlines()

    @property
    def left_behind(self) -> list[str]:
        """Files of scripts that are still there."""
        found = (*self.folder.glob("work/*"), *self.folder.glob("work.*"))
        return sorted(path.name for path in found)

    def provision(
        self,
        certificate: x509.Certificate,
        key: rsa.RSAPrivateKey,
        *,
        served: x509.Certificate | None = None,
    ) -> None:
        """Give VMCA its root."""
        pem = certificate.public_bytes(Encoding.PEM)
        (self.folder / "root.cer").write_bytes(pem)
        (self.folder / "ca.cer").write_bytes(pem)
        (self.folder / "served.cer").write_bytes((served or certificate).public_bytes(Encoding.PEM))
        (self.folder / "ca.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        )

    def flag(self, name: str) -> None:
        """Switch a behaviour on."""
        (self.folder / name).touch()

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        self.secrets += isinstance(script, Secret)
        text = script.reveal() if isinstance(script, Secret) else script
        self.scripts.append(text)
        assert BASH is not None
        path = self.folder / f"script{len(self.scripts)}"
        path.write_text(text)
        done = subprocess.run(
            [BASH, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        output = done.stdout[:output_limit].decode("utf-8", "replace")
        return GuestResult(exit_code=done.returncode % 256, output=output)

    def get(self, node: NodePlan, path: str, *, limit_bytes: int = OUTPUT_BYTES) -> bytes:
        return Path(path).read_bytes()[:limit_bytes]

    def put(
        self, node: NodePlan, path: str, content: bytes | Secret[bytes], *, mode: int = 0o600
    ) -> None:
        self.secrets += isinstance(content, Secret)
        file = Path(path)
        file.touch(mode)
        file.chmod(mode)
        file.write_bytes(content.reveal() if isinstance(content, Secret) else content)
