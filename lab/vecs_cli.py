"""vecs-cli of a node: arguments, output and exit codes of vmafd/tools/vecs-cli (Lightwave)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from stsfix.lab import pki, tool_io
from stsfix.lab.tool_io import ToolError
from stsfix.lab.vecs import SYSTEM_STORES, EntryKind, VecsEntry, certificate_alias
from stsfix.lab.x509_text import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.lab.shell_streams import Files, Streams
    from stsfix.lab.vecs import Vecs

_USAGE = """Usage: vecs-cli { arguments }

Arguments:

\tstore create --name <name> 
\tstore list
\tstore delete --name <name> [-y]
\tstore permission --name <name> --user <username> --grant|--revoke  read|write
\tstore get-permissions --name <name>
\tentry create --store <store-name> --alias <alias> --cert <file-path> [--key  <file-path>]
\tentry list   --store <store-name> [--text]
\tentry getcert --store <store-name> --alias <alias> [--output <output-file-path>] [--text]
\tentry getkey --store <store-name> --alias <alias> [--output <output-file-path>] [--text]
\tentry delete --store <store-name> --alias <alias> [-y]
\tforce-refresh
\thelp
"""  # noqa: W291 - as the program prints it


class VecsCli:
    """The program on one node.

    Args:
        vecs: The node's stores.
        files: The node's files.
        running: Tells whether vmafdd runs: nothing works without it.
        refresh: Brings trusted roots and CRLs here from the directory (``force-refresh``).
    """

    def __init__(
        self,
        vecs: Vecs,
        files: Files,
        *,
        running: Callable[[], bool],
        refresh: Callable[[], None],
    ) -> None:
        self._vecs = vecs
        self._files = files
        self._running = running
        self._refresh = refresh

    def run(self, words: Sequence[str], streams: Streams) -> int:
        """Run the program."""
        return tool_io.run_tool(
            lambda: self._run(words, streams),
            streams,
            usage=_USAGE,
            misused=(tool_io.INVALID_PARAMETER,),
            failure=lambda code: f"vecs-cli failed. Error {code}: {tool_io.error_text(code)} ",
        )

    def _run(self, words: Sequence[str], streams: Streams) -> None:
        command, rest = " ".join(words[:2]), words[2:]
        if list(words[:1]) == ["help"]:
            streams.out.write(_USAGE.encode())
            return
        if list(words[:1]) == ["force-refresh"]:
            command, rest = "force-refresh", words[1:]
        work = {
            "store create": self._store_create,
            "store list": self._store_list,
            "store delete": self._store_delete,
            "store permission": self._permission,
            "store get-permissions": self._permissions,
            "entry create": self._create,
            "entry list": self._list,
            "entry getcert": self._getcert,
            "entry getkey": self._getkey,
            "entry delete": self._delete,
            "force-refresh": self._force_refresh,
        }.get(command)
        if work is None:
            raise ToolError(tool_io.INVALID_PARAMETER)
        work(rest, streams)

    def _connect(self) -> None:
        if not self._running():
            raise ToolError(tool_io.CANNOT_CONNECT_VMAFD)

    def _open(self, store: str | None, *said: str) -> str:
        self._connect()
        if not store:
            raise ToolError(
                tool_io.INVALID_PARAMETER, "Error : An invalid store name [] was specified "
            )
        if store not in self._vecs.names():
            raise ToolError(tool_io.OBJECT_NOT_FOUND, *said)
        return store

    def _entry(self, options: dict[str, str]) -> tuple[str, VecsEntry]:
        store, alias = tool_io.required(options, "store", "alias")
        self._open(store, "Error: Failed to open the store.")
        entry = self._vecs.find(store, alias)
        if entry is None:
            raise ToolError(tool_io.OBJECT_NOT_FOUND)
        return store, entry

    def _store_create(self, words: Sequence[str], streams: Streams) -> None:
        (name,) = tool_io.required(tool_io.take_options(words, valued=["name"]), "name")
        self._connect()
        if not self._vecs.create(name):
            raise ToolError(tool_io.ALREADY_EXISTS)
        streams.say(f"Successfully created store [{name}]")

    def _store_list(self, words: Sequence[str], streams: Streams) -> None:
        tool_io.take_options(words, valued=[])
        self._connect()
        for name in self._vecs.names():
            streams.say(name)

    def _store_delete(self, words: Sequence[str], streams: Streams) -> None:
        options = tool_io.take_options(words, valued=["name"], flags=["y"])
        (name,) = tool_io.required(options, "name")
        if "y" not in options and not _agreed(
            f"Warning: This operation will delete store [{name}]\n", streams
        ):
            return
        self._open(name, f"Error : Store [{name}] does not exist")
        if name in SYSTEM_STORES:
            raise ToolError(tool_io.ACCESS_DENIED)
        self._vecs.drop(name)
        streams.say(f"Successfully deleted store [{name}]")

    def _permission(self, words: Sequence[str], streams: Streams) -> None:
        options = tool_io.take_options(words, valued=["name", "user", "grant", "revoke"])
        name, user = tool_io.required(options, "name", "user")
        asked = {options.get("grant") or options.get("revoke", "")}
        if ("grant" in options) is ("revoke" in options) or not asked <= {"read", "write"}:
            raise ToolError(tool_io.INVALID_PARAMETER)
        self._open(name, "Error: Failed to open the store")
        rights = self._vecs.granted(name).get(user, frozenset())
        self._vecs.grant(name, user, rights | asked if "grant" in options else rights - asked)
        streams.out.write(f"Permissions for store [{name}] set  successfully\n ".encode())

    def _permissions(self, words: Sequence[str], streams: Streams) -> None:
        (name,) = tool_io.required(tool_io.take_options(words, valued=["name"]), "name")
        self._open(name, "Error: Failed to open the store")
        streams.say(f"PERMISSIONS FOR STORE: [{name}]")
        streams.say("OWNER : root")
        streams.say("USER\t\tACCESS")
        for user, rights in sorted(self._vecs.granted(name).items()):
            streams.say(f"{user}\t{','.join(sorted(rights))}")

    def _create(self, words: Sequence[str], streams: Streams) -> None:
        valued = ["store", "alias", "cert", "key", "password"]
        options = tool_io.take_options(words, valued=valued)
        (store,) = tool_io.required(options, "store")
        certificates = self._read(options.get("cert"), streams)
        key = self._read(options.get("key"), streams)
        entry = _new_entry(options.get("alias", ""), certificates, key)
        self._open(store, "Error: Failed to open the store.")
        if self._vecs.find(store, entry.alias) is not None:
            raise ToolError(tool_io.ALREADY_EXISTS)
        self._vecs.put(store, entry)
        streams.say(
            f"Entry with alias [{entry.alias}] in store [{store}] was created successfully "
        )

    def _read(self, path: str | None, streams: Streams) -> bytes:
        if not path:
            return b""
        try:
            return tool_io.read_input(path, self._files, streams)
        except FileNotFoundError:
            said = f"Error: Failed to open file [{path}] "
            raise ToolError(tool_io.FILE_NOT_FOUND, said) from None

    def _list(self, words: Sequence[str], streams: Streams) -> None:
        options = tool_io.take_options(words, valued=["store"], flags=["text", "aliases"])
        store = self._open(options.get("store"))
        entries = self._vecs.entries(store)
        streams.say(f"Number of entries in store :\t{len(entries)}")
        for entry in entries:
            if "aliases" in options:
                streams.say(entry.alias)
                continue
            streams.say(f"Alias :\t{entry.alias}")
            streams.say(f"Entry type :\t{entry.kind}")
            if entry.certificates and "text" in options:
                streams.out.write(_text(entry).encode())
            else:
                streams.out.write(b"Certificate :\t" + entry.certificates + b"\n\n")

    def _getcert(self, words: Sequence[str], streams: Streams) -> None:
        valued = ["store", "alias", "output"]
        options = tool_io.take_options(words, valued=valued, flags=["text"])
        _, entry = self._entry(options)
        if entry.kind is EntryKind.SECRET_KEY:
            said = f"Error: No certificates were found for entry [{entry.alias}] of type "
            raise ToolError(tool_io.INVALID_PARAMETER, f"{said}[{entry.kind}].")
        text = _text(entry) if "text" in options else ""
        self._give(entry.certificates + b"\n", text, options, streams)

    def _getkey(self, words: Sequence[str], streams: Streams) -> None:
        valued = ["store", "alias", "output", "password"]
        options = tool_io.take_options(words, valued=valued, flags=["text"])
        _, entry = self._entry(options)
        if not entry.key:
            said = f"Error: No key was found for entry [{entry.alias}] of type [{entry.kind}]"
            raise ToolError(tool_io.INVALID_PARAMETER, said)
        self._give(entry.key + b"\n", "", options, streams)

    def _give(self, content: bytes, text: str, options: dict[str, str], streams: Streams) -> None:
        """Write to the file of ``--output`` (0600, VmAfdRestrictFilePermissionToSelf)."""
        streams.out.write(text.encode())
        if "output" in options:
            tool_io.write_output(options["output"], content, self._files, streams, mode=0o600)
        elif "text" not in options:
            streams.out.write(content)

    def _delete(self, words: Sequence[str], streams: Streams) -> None:
        options = tool_io.take_options(words, valued=["store", "alias"], flags=["y"])
        store, alias = tool_io.required(options, "store", "alias")
        warning = f"Warning: This operation will delete entry [{alias}] from store [{store}]\n"
        if "y" not in options and not _agreed(warning, streams):
            return
        self._open(store, "Error: Failed to open the store")
        if not self._vecs.remove(store, alias):
            raise ToolError(tool_io.OBJECT_NOT_FOUND)
        text = f"Deleted entry with alias [{alias}] in store [{store}] successfully\n "
        streams.out.write(text.encode())

    def _force_refresh(self, words: Sequence[str], streams: Streams) -> None:
        del streams
        tool_io.take_options(words, valued=[])
        self._connect()
        self._refresh()


def _agreed(warning: str, streams: Streams) -> bool:
    streams.out.write(warning.encode())
    streams.say("Do you wish to continue? Y/N [N] ")
    return streams.source.read_some(1) in (b"y", b"Y")


def _text(entry: VecsEntry) -> str:
    """Return what --text shows: the first certificate, or a CRL's PEM as it is."""
    try:
        return dump(entry.chain()[0])
    except ValueError:
        return ""


def _new_entry(alias: str, certificates: bytes, key: bytes) -> VecsEntry:
    """Return an entry as vmafdd accepts it (VecsSrvAddCertificate).

    Raises:
        ToolError: What was given is no certificate, no key, or they do not belong together.
    """
    if not certificates and not key:
        said = "Error: A certificate or a key must be specified. "
        raise ToolError(tool_io.INVALID_PARAMETER, said)
    if not certificates:
        if not alias:
            raise ToolError(tool_io.INVALID_PARAMETER, "Error: The alias [] is invalid ")
        return VecsEntry(alias=alias, kind=EntryKind.SECRET_KEY, key=key)
    try:
        chain = x509.load_pem_x509_certificates(certificates)
    except ValueError:
        raise ToolError(tool_io.CERT_IO_FAILURE) from None
    pem = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain)
    alias = alias or certificate_alias(chain[0])
    if not key:
        return VecsEntry(alias=alias, kind=EntryKind.TRUSTED, certificates=pem)
    try:
        private = pki.private_key(key)
    except (ValueError, TypeError):
        raise ToolError(tool_io.BAD_FORMAT) from None
    if private.public_key() != chain[0].public_key():
        raise ToolError(tool_io.KEY_MISMATCH)
    canonical = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return VecsEntry(alias=alias, kind=EntryKind.PRIVATE_KEY, certificates=pem, key=canonical)
