"""Why a connection failed is told in words of people, without numbers of the system."""

from __future__ import annotations

import socket
import ssl

import pytest

from stsfix.snapshot.broken import in_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (
            socket.gaierror(-2, "Name or service not known"),
            "its name has no address here (Name or service not known)",
        ),
        (TimeoutError("timed out"), "timed out"),
        (TimeoutError(), "TimeoutError"),
        (ssl.SSLError(1, "[SSL] wrong version number"), "[SSL] wrong version number"),
        (RuntimeError("while opening: [Errno 111] refused"), "while opening: refused"),
        (ssl.SSLCertVerificationError(1, "it shows sha256:ab"), "it shows sha256:ab"),
    ],
    ids=["refused", "no-address", "late", "silent", "tls", "quoted", "pin"],
)
def test_words_of_an_error(error, words):
    """The system's own words, or the error's name where it says nothing."""
    assert in_words(error) == words
