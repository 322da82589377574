"""How much a peer may answer: nobody's answer fills the memory of this workstation.

Neither pyVmomi, ldap3, paramiko nor requests limits an answer, and what is decoded takes many
times the memory of what came. So bytes are limited where they come in, by `snapshot.tls` for every
protocol over TLS, and what they are made of before it is decoded. Measured numbers are in
docs/adr/0049-limits-to-answers.md.
"""

from __future__ import annotations

from typing import Final

MIB: Final = 1024 * 1024

ANSWER_BYTES: Final = 32 * MIB
"""Bytes that a TLS peer may send after one request, over all protocols. The largest that a domain
of 15 vCenters makes is a search for the registrations of the lookup service: below 10 MiB."""


class OversizedError(OSError):
    """A peer sends more than anybody has to read; nothing of its answer is used.

    An OSError, because that is what the libraries in between let through as a broken connection;
    adapters make an AnswerTooLargeError of it.
    """


def bytes_over(limit: int) -> OversizedError:
    """Return the error for an answer of more than *limit* bytes."""
    size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit} bytes"
    return OversizedError(f"more than {size} in one answer")
