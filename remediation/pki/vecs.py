"""A node's certificate stores (VECS): the scripts that list them, and their output. Pure.

Source: VecsCliListStoreA and VecsCliListEntriesA in vmafd/tools/vecs-cli/cli.c and
VecsMapEntryType in vmafd/common/certutil.c, Lightwave a04d9171: a line with the number of
entries, then of each entry alias, type, and the certificate or list as PEM. Keys are never
asked for. Not tried on a real appliance.
"""

from __future__ import annotations

import enum
import itertools
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stsfix.remediation.inventory_certificates import VALUE_LIMIT, UnreadPart
from stsfix.remediation.nodes.sections import Sections, end_of, mark
from stsfix.remediation.pki.certool import pem_certificates

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

TOOL: Final = "/usr/lib/vmware-vmafd/bin/vecs-cli"
MACHINE_SSL: Final = "MACHINE_SSL_CERT"
MACHINE_ALIAS: Final = "__MACHINE_CERT"
TRUSTED_ROOTS: Final = "TRUSTED_ROOTS"
CRLS: Final = "TRUSTED_ROOT_CRLS"
BACKUP: Final = "BACKUP_STORE"
"""Where certificate-manager keeps what it replaced, as ``bkp_<alias>`` (log of an 8.0.3)."""
LATE: Final = CRLS
"""Listed last: a flood of lists takes long and fills the output (KB 59555: 56 minutes)."""

_STORE: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_STORES: Final = 200
_COUNT: Final = re.compile(r"Number of entries in store :\s*([0-9]{1,7})\s*\Z")
_ALIAS: Final = "Alias :\t"
_TYPE: Final = "Entry type :\t"
_CERTIFICATE: Final = "Certificate :\t"
_ALIAS_LENGTH: Final = 256
_SECONDS: Final = 60
# Possessive, see certool.
_LIST: Final = re.compile(r"-----BEGIN X509 CRL-----\s++[A-Za-z0-9+/=\s]++-----END X509 CRL-----")


class EntryKind(enum.StrEnum):
    """What an entry holds, in vecs-cli's words."""

    PRIVATE_KEY = "Private Key"
    ENCRYPTED_KEY = "Encrypted Private Key"
    SECRET_KEY = "Secret Key"  # noqa: S105 - a kind of entry, no secret
    TRUSTED = "Trusted Cert"
    REVOCATION_LIST = "Certification Revocation List"
    UNKNOWN = "Unknown"


_KINDS: Final = {kind.value: kind for kind in EntryKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntry:
    """One entry of a store. *certificates* is DER, the leaf first where it has a key; *lists*
    are revocation lists as PEM. Keys are never read.
    """

    store: str
    alias: str
    kind: EntryKind
    certificates: tuple[bytes, ...] = ()
    lists: tuple[bytes, ...] = ()

    @property
    def holds_key(self) -> bool:
        """True if the entry has a private key beside its certificate."""
        return self.kind in {EntryKind.PRIVATE_KEY, EntryKind.ENCRYPTED_KEY}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStores:
    """The stores of one node: *stores* are the names of those that were read whole, *unread*
    those that were not. None were read if both are empty.
    """

    stores: tuple[str, ...] = ()
    entries: tuple[StoreEntry, ...] = ()
    unread: tuple[UnreadPart, ...] = ()

    def entry(self, store: str, alias: str) -> StoreEntry | None:
        """Return the entry of this name, None if there is none."""
        return next((e for e in self.entries if e.store == store and e.alias == alias), None)


def script(nonce: str, tool: str = TOOL, *, only: Collection[str] = ()) -> str:
    """Return the script that lists every entry of every store, each store within a minute; of
    those in *only* if any are named. `LATE` stores come last.

    Store names that the node tells are data to this script, whatever stands in them.

    Raises:
        ValueError: A name in *only* is no name of a store.
    """
    if not all(map(_STORE.fullmatch, only)):
        raise ValueError(f"no names of stores: {only}")
    vecs = shlex.quote(tool)
    late = shlex.quote(LATE)
    listed = f'timeout {_SECONDS} {vecs} entry list --store "$store" < /dev/null'
    each = [f'echo "{mark(nonce, "store-")}$store"', listed, *_code(nonce, "code-$store")]
    others = " && ".join(f'[ "$store" != {name} ]' for name in sorted(only))
    wanted = [f"if {others}; then continue; fi"] if only else []
    last = [f"store={late}", *each] if not only or LATE in only else []
    return "\n".join(
        [
            "export LC_ALL=C",
            f"echo '{mark(nonce, 'stores')}'",
            f"{vecs} store list < /dev/null",
            *_code(nonce, "code"),
            f"{vecs} store list 2>/dev/null < /dev/null | while read -r store; do",
            f'if [ "$store" = {late} ]; then continue; fi',
            *wanted,
            *each,
            "done",
            *last,
            f"echo '{end_of(nonce)}'",
            "",
        ]
    )


def _code(nonce: str, name: str) -> list[str]:
    # The exit code first: everything after the command would change it.
    return ["code=$?", "echo", f'echo "{mark(nonce, name)}"', 'echo "$code"']


def parse(output: str, nonce: str, *, only: Collection[str] = ()) -> NodeStores:
    """Return what the *output* of `script` says; a store that was not listed whole is unread.
    Of others than *only*, if any are named, nothing is said.

    Whole is: vecs-cli succeeded, said how many entries there are, and listed so many. An alias
    that looks like an entry of its own makes the numbers differ.
    """
    found = Sections.of(output, nonce)
    stores = _stores(found)
    if stores is None:
        what = "its certificate stores"
        return NodeStores(unread=(UnreadPart(what=what, reason=found.why("stores")),))
    read: list[str] = []
    entries: list[StoreEntry] = []
    unread: list[UnreadPart] = []
    for store in stores:
        if only and store not in only:
            continue
        succeeded = (found.text(f"code-{store}") or "").strip() == "0"
        listed = _entries(store, found.text(f"store-{store}") or "") if succeeded else None
        if listed is None:
            reason = "its list is not whole" if succeeded else found.why(f"store-{store}")
            unread.append(UnreadPart(what=f"store {store}", reason=reason))
            continue
        read.append(store)
        entries += listed
    return NodeStores(stores=tuple(read), entries=tuple(entries), unread=tuple(unread))


def _stores(found: Sections) -> tuple[str, ...] | None:
    """Return the names of the stores, None if they are not known for sure."""
    text = found.text("stores")
    if text is None or (found.text("code") or "").strip() != "0":
        return None
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names or len(names) > _STORES or not all(map(_STORE.fullmatch, names)):
        return None
    return tuple(dict.fromkeys(names))


def _entries(store: str, text: str) -> list[StoreEntry] | None:
    """Return the entries in the list of one store, None if it is not whole."""
    lines = text.split("\n")
    counts = [(at, match) for at, line in enumerate(lines) if (match := _COUNT.match(line))]
    if len(counts) != 1:
        return None
    start, count = counts[0][0] + 1, int(counts[0][1].group(1))
    begins = [at for at in range(start, len(lines)) if lines[at].startswith(_ALIAS)]
    if len(begins) != count:
        return None
    found = []
    for at, end in itertools.pairwise([*begins, len(lines)]):
        entry = _entry(store, lines[at:end])
        if entry is None:
            return None
        found.append(entry)
    return found


def _entry(store: str, lines: Sequence[str]) -> StoreEntry | None:
    """Return the entry in *lines*, None if they are not alias, type, certificate, in this order
    and each once: an alias may hold line ends.
    """
    heads = [at for at, line in enumerate(lines) if line.startswith((_TYPE, _CERTIFICATE))]
    if heads != [1, 2] or not lines[1].startswith(_TYPE):
        return None
    alias = lines[0].removeprefix(_ALIAS).strip()
    body = "\n".join([lines[2].removeprefix(_CERTIFICATE), *lines[3:]]).strip()
    lists = tuple(block.encode() for block in _LIST.findall(body))
    found = pem_certificates(body)
    if body and not found and not lists:
        found = (body.encode()[:VALUE_LIMIT],)  # no certificate, and not to be hidden
    return StoreEntry(
        store=store,
        alias="".join(c if c.isprintable() else "?" for c in alias)[:_ALIAS_LENGTH],
        kind=_KINDS.get(lines[1].removeprefix(_TYPE).strip(), EntryKind.UNKNOWN),
        certificates=tuple(der[:VALUE_LIMIT] for der in found),
        lists=lists,
    )
