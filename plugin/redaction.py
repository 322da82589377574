"""Takes known secrets out of every text that leaves the process."""

from __future__ import annotations

import base64
import html
import json
import logging
import threading
import traceback
import urllib.parse
import xml.sax.saxutils
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stsfix.snapshot.secret import Secret

STARS = "***"
MIN_LENGTH = 4
"""Shorter secrets are not replaced: stars in every second word would tell where they are."""


class Redactor:
    """Replaces registered secrets by `STARS`; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()

    def register(self, secret: Secret[str]) -> None:
        """Replace *secret* from now on, as it is and as JSON, XML, URLs and Python write it."""
        value = secret.reveal()
        if len(value) < MIN_LENGTH:
            return
        with self._lock:
            known = {*self._forms, *_forms(value)}
            # The longest first: one secret may be part of another.
            self._forms = tuple(sorted(known, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Return *text* without any registered secret."""
        for form in self._forms:
            text = text.replace(form, STARS)
        return text


class RedactionFilter(logging.Filter):
    """Takes secrets out of message, arguments, exception and stack of every record.

    Belongs on a handler: a logger's filter does not see the records of its children. What is
    left of a record is plain text, so that no later handler can format a secret back in.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Mend *record* and let it pass."""
        record.msg = self._redactor.redact(_message(record))
        record.args = ()
        if record.exc_info and record.exc_info[1] is not None:
            text = "".join(traceback.format_exception(record.exc_info[1]))
            record.exc_text = text.rstrip("\n")
        record.exc_info = None
        if record.exc_text:
            record.exc_text = self._redactor.redact(record.exc_text)
        if record.stack_info:
            record.stack_info = self._redactor.redact(record.stack_info)
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError, AttributeError):
        # logging itself would print the arguments, unredacted, on stderr.
        return f"{record.msg} (its arguments do not fit)"


def _forms(value: str) -> set[str]:
    forms = {
        value,
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        xml.sax.saxutils.escape(value),
        html.escape(value),
        xml.sax.saxutils.escape(value, {'"': "&quot;", "'": "&apos;"}),
        urllib.parse.quote(value),
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        base64.b64encode(value.encode()).decode("ascii"),
    }
    return {form for form in forms if len(form) >= MIN_LENGTH}
