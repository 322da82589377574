"""The scripts that put a certificate into a node's stores (VECS) or its VMCA. Pure.

Source: the order of certificate-manager and fixcerts.py 3.2 (KB 90561): the old entry goes into
BACKUP_STORE as ``bkp_<alias>``, then it is deleted and the new one created; vecs-cli has no way
to replace. Options: vmafd/tools/vecs-cli/main.c; ``certool --rootca``: HandleRootCACertificate in
vmca/certool/Handler.cpp and VMCAAddRootCertificate in vmca/service/entrypoints.c, which keeps the
old files beside the new ones (Lightwave a04d9171). Not tried on a real appliance.

Keys are on the node only inside the folder of a script, 0600, until it ends, however it ends.
A script goes on when the process that began it is dead. So one runs at a time: the next waits for
it by flock(1) of util-linux, whose exit code is 1 if that took too long (docs/adr/0070).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from stsfix.remediation.nodes.sections import Sections, end_of, mark
from stsfix.remediation.pki import certool, rsa_keys, vecs
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.words import last_words

if TYPE_CHECKING:
    from collections.abc import Sequence

BACKUP_PREFIX: Final = "bkp_"
SCRIPTS: Final = "/root/stsfix-*.sh"
"""Scripts with secrets in them, as `snapshot.guest` names them."""

LOCK_WAIT_S: Final = 60
"""How long a script waits for an earlier one, which takes some seconds."""

FOLDER: Final = "/root/.stsfix-vecs"
"""Beginning of the name of the folder that a script's files are in; see `certool.FOLDER`."""

_SAID: Final = 200


_FAILURES: Final = {
    11: "the old key could not be read",
    12: "the old entry could not be kept in BACKUP_STORE",
    13: "the old entry could not be deleted",
    14: "the new entry could not be created; the old one was put back",
    15: "the new entry could not be created nor the old one put back: it is in BACKUP_STORE only",
    16: "the entry could not be created, and no old one could be read: an older one may be in"
    " BACKUP_STORE",
    17: "an entry is there that could not be read at first: it was not replaced",
    21: "vmafd did not refresh the trusted roots",
    22: "certool --rootca did not take the new root",
    96: f"an earlier script of stsfix still runs there: fuser -v {vecs.TOOL} names its processes",
    97: "no folder could be made",
    98: "files of an earlier script could not be removed",
}
"""What the exit codes of the scripts mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """What is put into a store. *chain* is DER, leaf first; a root at its end is left out: it is
    in TRUSTED_ROOTS. *key_pkcs8* is unencrypted PKCS#8 DER.
    """

    store: str
    alias: str
    chain: tuple[bytes, ...]
    key_pkcs8: Secret[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where the programs of a node are, and where scripts put their files."""

    vecs_cli: str = vecs.TOOL
    certool: str = certool.TOOL
    folder: str = FOLDER
    scripts: str = SCRIPTS
    lock_wait_s: float = LOCK_WAIT_S


def replace_script(entry: NewEntry, nonce: str, tools: Tools) -> Secret[str]:
    """Return the script that backs up an entry and replaces it; *nonce* is a random word.

    An entry that is not there is created without a backup: an attempt before died between
    deleting and creating, and made the backup. If the new one cannot be created the old one is
    put back. One that could not be read is not replaced, since there cannot be two of one alias.

    Raises:
        ValueError: The key or a certificate is none.
    """
    vecs_cli, at = shlex.quote(tools.vecs_cli), _place(entry.store, entry.alias)
    backup = _place(vecs.BACKUP, BACKUP_PREFIX + entry.alias)
    old, new = (
        f'--cert "$folder/{name}.crt" --key "$folder/{name}.key"' for name in ("old", "new")
    )
    files = {"new.crt": _pem(entry.chain), "new.key": _key_pem(entry.key_pkcs8)}
    lines = [
        *_begin(files, tools),
        f'{vecs_cli} entry getcert {at} --output "$folder/old.crt"',
        "(",
        '  test -s "$folder/old.crt" || exit 0',
        f'  {vecs_cli} entry getkey {at} --output "$folder/old.key" || exit 11',
        f"  {vecs_cli} store create --name {vecs.BACKUP}",
        f"  {vecs_cli} entry delete -y {backup}",
        f"  {vecs_cli} entry create {backup} {old} || exit 12",
        f"  {vecs_cli} entry delete -y {at} || exit 13",
        ") || exit $?",
        f"{vecs_cli} entry create {at} {new} || (",
        '  test -s "$folder/old.crt" || (',
        f'    {vecs_cli} entry getcert {at} --output "$folder/now.crt"',
        '    test -s "$folder/now.crt" && exit 17',
        "    exit 16",
        "  ) || exit $?",
        f"  {vecs_cli} entry create {at} {old} || exit 15",
        "  exit 14",
        ") || exit $?",
        *_end(nonce),
    ]
    return Secret(_alone(lines, tools))


def sweep_script(nonce: str, tools: Tools) -> str:
    """Return the script that removes what a process that was killed left with a key in it: a
    folder of files, and the script itself as guest operations put it there (`snapshot.guest`).
    """
    left = f"{tools.folder}.* {tools.scripts}"
    return _alone(["export LC_ALL=C", f"rm -rf {left} || exit 98", *_end(nonce)], tools)


def refresh_script(nonce: str, tools: Tools) -> str:
    """Return the script that lets vmafd copy the directory's trusted roots now, instead of at
    its next round (rootfetch.c in vmafd/server/vmafd, Lightwave a04d9171).
    """
    lines = [
        "export LC_ALL=C",
        f"{shlex.quote(tools.vecs_cli)} force-refresh || exit 21",
        *_end(nonce),
        "",
    ]
    return "\n".join(lines)


def root_script(root: bytes, key_pkcs8: Secret[bytes], nonce: str, tools: Tools) -> Secret[str]:
    """Return the script that gives VMCA a new root and its key.

    Raises:
        ValueError: The key or the certificate is none.
    """
    files = {"root.crt": _pem((root,)), "root.key": _key_pem(key_pkcs8)}
    command = (
        f"{shlex.quote(tools.certool)} --rootca --server=localhost"
        ' --cert="$folder/root.crt" --privkey="$folder/root.key"'
    )
    lines = [*_begin(files, tools), f"{command} || exit 22", *_end(nonce)]
    return Secret(_alone(lines, tools))


def refusal_of(output: str, nonce: str, exit_code: int) -> str:
    """Return what went wrong, by the output of one of the scripts; empty if nothing did."""
    if exit_code == 0 and Sections.of(output, nonce).complete:
        return ""
    what = _FAILURES.get(exit_code, f"the script ended with {exit_code}")
    words = last_words(output.split(mark(nonce, ""), 1)[0], _SAID)
    said = "".join(c if c.isprintable() else "?" for c in words)
    return f"{what}; the node said {said!r}" if said else what


def _place(store: str, alias: str) -> str:
    return f"--store {shlex.quote(store)} --alias {shlex.quote(alias)}"


def _alone(lines: Sequence[str], tools: Tools) -> str:
    """Return the script that does *lines* once no other one does; at once on a node without flock,
    where it ends with another code. What is locked is vecs-cli itself, so that no file is left.
    """
    wait = (f"flock -w {tools.lock_wait_s} 9", "test $? -eq 1 && exit 96")
    return "\n".join(["(", *wait, *lines, f") 9<{shlex.quote(tools.vecs_cli)}", ""])


def _begin(files: dict[str, str], tools: Tools) -> list[str]:
    """Begin a script with *files* in a folder of its own, gone when the script ends; what one
    that was killed left behind goes first.
    """
    lines = [
        "export LC_ALL=C",
        "umask 077",
        f"rm -rf {tools.folder}.*",
        f"folder=$(mktemp -d {tools.folder}.XXXXXXXXXX) || exit 97",
        "trap 'rm -rf \"$folder\"' EXIT",
    ]
    for name, content in files.items():
        # bash's own printf: a here-document would be a file in $TMPDIR, too (see put_script)
        lines += [f"printf '%s\\n' {shlex.quote(content.rstrip())} > \"$folder/{name}\""]
    return lines


def _end(nonce: str) -> list[str]:
    return ["echo", f"echo '{end_of(nonce)}'"]


def _pem(chain: Sequence[bytes]) -> str:
    parsed = [x509.load_der_x509_certificate(der) for der in chain]
    kept = [c for c in parsed[1:] if c.subject != c.issuer]
    return "".join(c.public_bytes(Encoding.PEM).decode() for c in (parsed[0], *kept))


def _key_pem(key_pkcs8: Secret[bytes]) -> str:
    key = rsa_keys.own_key(key_pkcs8)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
