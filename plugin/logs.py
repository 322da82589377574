"""Diagnostics on stderr: standard logging, redacted and safe for a terminal."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from stsfix.plugin.redaction import RedactionFilter
from stsfix.plugin.text import printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Generator

    from stsfix.plugin.redaction import Redactor

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
_OWN_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


class PlainFormatter(logging.Formatter):
    """Formats in UTC and spells out whatever a terminal would obey."""

    def __init__(self) -> None:
        super().__init__(_FORMAT, "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, an exception's traceback as further ones."""
        record.msg, record.args = printable(record.getMessage()), ()
        return printable_lines(super().format(record))


@contextmanager
def logging_to(stream: TextIO, redactor: Redactor, *, verbosity: int) -> Generator[None]:
    """Log to *stream* while the block runs, then put everything back.

    Args:
        stream: Usually stderr.
        redactor: Knows the secrets; more may be registered while the block runs.
        verbosity: 0 warnings, 1 (``-v``) what stsfix does, 2 and more (``-vv``) every remote
            call. Libraries are never asked for more than their notes: at DEBUG some write
            request bodies, and passwords are in them.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainFormatter())
    handler.addFilter(RedactionFilter(redactor))
    root, own = logging.getLogger(), logging.getLogger("stsfix")
    ssh = logging.getLogger("paramiko")
    before = root.level, own.level, ssh.level
    root.addHandler(handler)
    root.setLevel(logging.WARNING if verbosity < len(_OWN_LEVELS) - 1 else logging.INFO)
    own.setLevel(_OWN_LEVELS[min(verbosity, len(_OWN_LEVELS) - 1)])
    # paramiko calls every connection that ends an error, with a traceback; ours say it in words.
    ssh.setLevel(logging.CRITICAL if verbosity < len(_OWN_LEVELS) - 1 else logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        own.setLevel(before[1])
        ssh.setLevel(before[2])
