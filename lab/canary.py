"""What should not be left behind: files on nodes, and secrets in any text."""

from __future__ import annotations

import base64
import json
import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from stsfix.lab.lab import Lab

WATCHED = ("/tmp/", "/var/tmp/", "/root/", "/run/", "/dev/shm/")  # noqa: S108 - the nodes'
WATCHED_ON_WINDOWS = ("\\temp\\", "\\tmp\\")
OURS = "stsfix-"
"""What the product's files on a node are called like."""

_SHORTEST = 8
"""Characters below which a form of a secret says nothing: it would be found by chance."""


def leftovers(lab: Lab) -> list[str]:
    """Return every file and folder of a node that its installation had not, as "<fqdn>: <path>":
    all in temporary places, and elsewhere those that have our name.

    By whatever way it came there, and whatever was booted or reverted since.
    """
    return [
        f"{fqdn}: {path}"
        for fqdn, node in lab.nodes.items()
        for path in sorted(node.disk.paths() - node.installed)
        if f"{path}/".startswith(WATCHED)
        or any(place in path.lower() for place in (*WATCHED_ON_WINDOWS, OURS))
    ]


def forms(secret: str) -> frozenset[bytes]:
    """Return how *secret* may look in a text: as it is, and quoted, escaped or encoded.

    Base64 is recognised at any place inside of what was encoded.
    """
    found = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        shlex.quote(secret).strip("'"),
        escape(secret),
        escape(secret, {'"': "&quot;", "'": "&#x27;"}),
        quote(secret),
        quote(secret, safe=""),
        secret.encode().hex(),
    }
    texts = {text.encode() for text in found} | set(_base64(secret.encode()))
    return frozenset(text for text in texts if len(text) >= _SHORTEST)


def _base64(content: bytes) -> Iterator[bytes]:
    """Yield base64 of *content* at each of the three places it can begin; ends are left out."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + content).rstrip(b"=")
        first = -(-before * 8 // 6)
        last = len(encoded) - (1 if (before + len(content)) % 3 else 0)
        yield encoded[first:last]


def find(secrets: Iterable[str], texts: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return the names of the *texts* in which one of *secrets* is, in any of its forms."""
    hidden = [form for secret in secrets for form in forms(secret)]
    return [name for name, text in texts if any(form in text for form in hidden)]


def texts_of_nodes(lab: Lab) -> Iterator[tuple[str, bytes]]:
    """Yield every command line and every file of every node, each with its name."""
    for fqdn, node in lab.nodes.items():
        for number, line in enumerate(node.argv_log.lines):
            yield f"{fqdn}: command line {number}", line.encode()
        for path, file in list(node.disk.files.items()):
            yield f"{fqdn}: {path}", file.content


def texts_below(folder: Path, *, leave_out: Sequence[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Yield every file below *folder*, but for those with a name in *leave_out*."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in leave_out:
            yield str(path), path.read_bytes()
