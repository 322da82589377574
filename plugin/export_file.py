"""Exports of STS entries as files of the state folder: sealed, 0600, whole or not at all."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from stsfix.plugin.errors import EXPORTS, ReportFileError
from stsfix.plugin.private_file import read_plain, write_private
from stsfix.remediation.directory.sts_export import MAX_BYTES, NONCE_BYTES, SALT_BYTES, seal, unseal
from stsfix.remediation.errors_run import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stsfix.remediation.directory.sts_export import StsExport
    from stsfix.snapshot.secret import Secret

_FOLDER_MODE = 0o700


class ExportFiles:
    """`ports.ExportStore` in *folder*/exports. *passphrase* is asked for only when needed."""

    def __init__(self, folder: Path, passphrase: Callable[[], Secret[str]]) -> None:
        self._folder = folder / EXPORTS
        self._passphrase = passphrase

    def path(self, run: str) -> Path:
        """Return where the export of *run* is, or would be."""
        return self._folder / f"{run}.json"

    def save(self, export: StsExport) -> str:
        """See `ports.ExportStore`."""
        text = seal(
            export,
            self._passphrase(),
            salt=secrets.token_bytes(SALT_BYTES),
            nonce=secrets.token_bytes(NONCE_BYTES),
        )
        try:
            self._folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise ReportFileError(str(self._folder), error.strerror or "no folder") from error
        write_private(self.path(export.run), text)
        return hashlib.sha256(text.encode()).hexdigest()

    def holds(self, run: str, sha256: str) -> bool:
        """See `ports.ExportStore`."""
        try:
            return hashlib.sha256(self._read(run)).hexdigest() == sha256
        except ExportError:
            return False

    def load(self, run: str) -> StsExport:
        """See `ports.ExportStore`."""
        content = self._read(run)
        where = str(self.path(run))
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise ExportError(where, "is damaged: it is no text") from error
        export = unseal(text, self._passphrase(), where=where)
        if export.run != run:
            raise ExportError(where, f"is of another run, {export.run}")
        return export

    def _read(self, run: str) -> bytes:
        path = self.path(run)
        try:
            content = read_plain(path, MAX_BYTES + 1)
        except OSError as error:
            reason = "is not there" if isinstance(error, FileNotFoundError) else "cannot be read"
            raise ExportError(str(path), reason) from error
        if len(content) > MAX_BYTES:
            raise ExportError(str(path), "is larger than any export")
        return content
