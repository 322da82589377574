"""An export of the STS entries of every node, sealed with a passphrase. Pure: salt, nonce and
time are arguments.

The sealed text is one JSON document. Its head (format, run, domain, time, how the key is derived)
is readable without the passphrase and authenticated with it; everything else is AES-256-GCM under
a key from scrypt (RFC 7914). Private keys are in it, so that it can put a credential back.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from stsfix.remediation.errors_run import ExportError
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = "stsfix-sts-export-1"
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
MAX_BYTES: Final = 64 * 1024 * 1024

_N, _R, _P = 2**15, 8, 3
"""OWASP's password storage cheat sheet: N=2^15, r=8, p=3 equals 2^17 with p=1 at 32 MiB."""

_MAX_COST = 2**20 * 8
"""Largest n*r that is accepted from a file (1 GiB): a forged head must not eat the memory."""
_MAX_PARALLEL = 16

_KEY_BYTES = 32
_WRONG = "cannot be opened: the passphrase is wrong, or the file was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StsMaterial:
    """One STS entry of one directory, whole: enough to add it again.

    *certificates* are DER in the order stored. *key* is a credential's vmwSTSPrivateKey as it is
    stored (PKCS#8 DER), None for a chain or where it is missing.
    """

    kind: Literal["credential", "chain"]
    dn: str
    object_classes: tuple[str, ...]
    cn: str
    certificates: tuple[bytes, ...]
    key: Secret[bytes] | None = None

    def is_same(self, other: StsMaterial) -> bool:
        """Tell whether both say the same under the same DN, whatever the case of the DN."""
        return (self.dn.lower(), self.certificates, self.key) == (
            other.dn.lower(),
            other.certificates,
            other.key,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StsExport:
    """The STS entries of every node of a domain before a run's first write, by FQDN."""

    run: str
    domain: str
    writer: str
    created: datetime
    nodes: Mapping[str, tuple[StsMaterial, ...]]


def seal(
    export: StsExport, passphrase: Secret[str], *, salt: bytes, nonce: bytes, cost: int = _N
) -> str:
    """Return *export* as sealed JSON text.

    Args:
        export: What to seal.
        passphrase: Never empty.
        salt: `SALT_BYTES` random bytes, never used before.
        nonce: `NONCE_BYTES` random bytes, never used before.
        cost: Of deriving the key (scrypt's N); less than usual makes the passphrase guessable.
    """
    head = {
        "format": FORMAT,
        "run": export.run,
        "domain": export.domain,
        "created": export.created.isoformat(),
        "kdf": {"name": "scrypt", "n": cost, "r": _R, "p": _P, "salt": _encode(salt)},
        "cipher": {"name": "AES-256-GCM", "nonce": _encode(nonce)},
    }
    plain = json.dumps(
        {
            "writer": export.writer,
            "nodes": {
                node: [_material_to_json(entry) for entry in entries]
                for node, entries in export.nodes.items()
            },
        }
    ).encode()
    key = _derive(passphrase, salt, cost, _R, _P)
    sealed = AESGCM(key).encrypt(nonce, plain, _associated(head))
    return json.dumps({**head, "sealed": _encode(sealed)}, indent=1) + "\n"


def unseal(text: str, passphrase: Secret[str], *, where: str) -> StsExport:
    """Return the export that `seal` wrote. *where* names it in errors.

    Raises:
        ExportError: Not such a file, damaged, or another passphrase; nothing of it is used.
    """
    document = _parse(text, where)
    sealed = document.pop("sealed", None)
    try:
        kdf, cipher = document["kdf"], document["cipher"]
        if document["format"] != FORMAT or kdf["name"] != "scrypt":
            raise ExportError(where, f"is no {FORMAT}")
        cost = tuple(_positive(kdf[name]) for name in ("n", "r", "p"))
        salt, nonce, body = (_decode(v) for v in (kdf["salt"], cipher["nonce"], sealed))
        run, domain = str(document["run"]), str(document["domain"])
        created = datetime.fromisoformat(document["created"])
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(where, "is damaged: its head cannot be read") from error
    n, r, p = cost
    if n * r > _MAX_COST or p > _MAX_PARALLEL:
        raise ExportError(where, "asks for more memory than any export needs")
    try:
        key = _derive(passphrase, salt, n, r, p)
        plain = AESGCM(key).decrypt(nonce, body, _associated(document))
    except (InvalidTag, ValueError) as error:
        raise ExportError(where, _WRONG) from error
    inner = json.loads(plain)  # authenticated: what `seal` wrote
    return StsExport(
        run=run,
        domain=domain,
        writer=inner["writer"],
        created=created,
        nodes={
            node: tuple(_material_from_json(entry) for entry in entries)
            for node, entries in inner["nodes"].items()
        },
    )


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(where, "is no JSON") from error
    if not isinstance(document, dict):
        raise ExportError(where, f"is no {FORMAT}")
    return document


def _positive(value: object) -> int:
    """Return *value*, which JSON told, if it is a whole number above 0.

    Raises:
        ValueError: It is not.
    """
    if type(value) is not int or value <= 0:  # neither True nor Infinity
        raise ValueError("no whole number above 0")
    return value


def _associated(head: Mapping[str, object]) -> bytes:
    return json.dumps(head, sort_keys=True, separators=(",", ":")).encode()


def _derive(passphrase: Secret[str], salt: bytes, n: int, r: int, p: int) -> bytes:
    scrypt = Scrypt(salt=salt, length=_KEY_BYTES, n=n, r=r, p=p)
    return scrypt.derive(passphrase.reveal().encode())


def _material_to_json(entry: StsMaterial) -> dict[str, object]:
    return {
        "kind": entry.kind,
        "dn": entry.dn,
        "object_classes": list(entry.object_classes),
        "cn": entry.cn,
        "certificates": [_encode(value) for value in entry.certificates],
        "key": None if entry.key is None else _encode(entry.key.reveal()),
    }


def _material_from_json(raw: dict[str, Any]) -> StsMaterial:
    return StsMaterial(
        kind=raw["kind"],
        dn=raw["dn"],
        object_classes=tuple(raw["object_classes"]),
        cn=raw["cn"],
        certificates=tuple(_decode(value) for value in raw["certificates"]),
        key=None if raw["key"] is None else Secret(_decode(raw["key"])),
    )


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _decode(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
