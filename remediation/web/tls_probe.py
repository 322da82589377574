"""Which certificate a TLS port shows: a handshake, and not a byte of data after it.

Nothing is verified, because what is wrong with the certificate is what is asked for; so nothing
may be sent on such a connection, and what was read proves nothing about who is there.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import NodeUnreachableError
from stsfix.snapshot.broken import in_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.inventory_certificates import TlsPort
    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.tls import Endpoint

_SHORTEST_S: Final = 0.001


class TlsProbe:
    """Reads shown leaves; *endpoint* tells where a port of a node is reached.

    Connecting and the whole handshake share the endpoint's connect timeout.
    """

    def __init__(self, endpoint: Callable[[str, TlsPort], Endpoint], clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._context = _reading_context()

    def read_shown_leaf(self, node: str, port: TlsPort) -> bytes:
        """Return the DER of the leaf that *port* of *node* shows.

        Raises:
            NodeUnreachableError: No connection, no TLS, no certificate, or not in time.
        """
        return self.read_leaf(self._endpoint(node, port))

    def read_leaf(self, endpoint: Endpoint) -> bytes:
        """Return the DER of the leaf that *endpoint* shows; raises as `read_shown_leaf`."""
        name = endpoint.name
        try:
            leaf = self._shake_hands(endpoint)
        except TimeoutError as error:
            raise NodeUnreachableError(name, "no TLS handshake in time") from error
        # A name out of the directory may be no host name at all (ValueError, UnicodeError).
        except (OSError, ValueError) as error:
            raise NodeUnreachableError(name, _reason(error)) from error
        if not leaf:
            raise NodeUnreachableError(name, "the TLS handshake showed no certificate")
        return leaf

    def _shake_hands(self, endpoint: Endpoint) -> bytes | None:
        end_s = self._clock.monotonic() + endpoint.connect_timeout_s
        address = (endpoint.address, endpoint.port)
        with socket.create_connection(address, endpoint.connect_timeout_s) as plain:
            # The handshake's limit is one for all its reads and writes (CPython, _ssl.c,
            # _ssl__SSLSocket_do_handshake_impl): a peer that drips does not prolong it.
            plain.settimeout(max(_SHORTEST_S, end_s - self._clock.monotonic()))
            with self._context.wrap_socket(plain, server_hostname=endpoint.name) as secure:
                return secure.getpeercert(binary_form=True)


def _reading_context() -> ssl.SSLContext:
    """Return a context that shakes hands with anybody, as old or weak as they may be."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no TLS handshake ({error.reason or 'the connection was closed'})"
    if isinstance(error, OSError):
        return in_words(error)
    return "its name cannot be a host name"
