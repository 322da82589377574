"""One SSH connection to a node: host key before anything, then one attempt with the password."""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import paramiko

from stsfix.remediation.errors import (
    HostKeyError,
    LoginRefusal,
    NodeLoginError,
    TransportUnavailableError,
)
from stsfix.remediation.known_hosts import HostKey
from stsfix.remediation.nodes.pam_words import refusal_in
from stsfix.remediation.transports.ssh_packets import BoundedPacketizer
from stsfix.snapshot.host_names import is_host
from stsfix.snapshot.words import first_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.host_keys import HostKeys, SshPeer
    from stsfix.snapshot.secret import Secret

logger = logging.getLogger(__name__)

NAME: Final = "SSH"
BROKEN: Final = (OSError, EOFError, paramiko.SSHException)
"""What paramiko raises when there is no (more) connection."""

_KEEPALIVE_S = 30
_WORDS: Final = 64 * 1024


def connect(
    peer: SshPeer, keys: HostKeys, *, user: str, password: Secret[str]
) -> paramiko.Transport:
    """Return an authenticated connection to *peer*.

    Neither agent nor key files are used, and nothing of ``~/.ssh`` is read.

    Raises:
        TransportUnavailableError: No SSH there, or none that takes a password.
        HostKeyError: The host key is not the known one; no password was sent.
        NodeLoginError: The node refused the password; it was sent at most once.
    """
    if not (is_host(peer.node) and is_host(peer.address)):
        raise TransportUnavailableError(peer.node, NAME, "its name cannot be a host name")
    login = _Login(peer, user, password)
    transport = _greet(peer, keys)
    try:
        if not login.answer_questions(transport):
            # Another connection: some servers take one request for a login service only, and
            # paramiko makes one for each way to log in.
            transport.close()
            transport = _greet(peer, keys)
            login.send_password(transport)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(_KEEPALIVE_S)
    return transport


def open_channel(transport: paramiko.Transport, *, wait_s: float) -> paramiko.Channel:
    """Return a new channel, of which no more waits unread than its window allows, and which waits
    no longer than *wait_s* for the answer to a request.
    """
    channel: Any = transport.open_session(timeout=wait_s)
    wait = channel._wait_for_event  # noqa: SLF001 - paramiko's own waits for ever (5.1.0)

    def wait_in_time() -> None:
        if not channel.event.wait(wait_s):
            channel.close()
            raise paramiko.SSHException(f"no answer in {wait_s:.3g} s")
        wait()

    channel._wait_for_event = wait_in_time  # noqa: SLF001 - as above
    if isinstance(transport.packetizer, BoundedPacketizer):
        transport.packetizer.watch(channel)
    return channel  # type: ignore[no-any-return] # stubs lack what is replaced


def _greet(peer: SshPeer, keys: HostKeys) -> paramiko.Transport:
    """Return a connection whose host key is the right one.

    A server has several keys and shows one. Known kinds are asked for first; if the key of a pin
    is of another kind than the one shown, the server is asked for that, as OpenSSH's client does
    by HostKeyAlgorithms.
    """
    wanted = keys.kinds(peer)
    unwanted: tuple[str, ...] = ()
    mismatch: HostKeyError | None = None
    while True:
        try:
            transport = _open(peer, wanted, unwanted)
        except paramiko.SSHException as error:
            if mismatch is not None:  # it has no other key to show
                raise mismatch from error
            raise TransportUnavailableError(peer.node, NAME, _words(error)) from error
        except (OSError, EOFError) as error:
            raise TransportUnavailableError(peer.node, NAME, _words(error)) from error
        shown = transport.get_remote_server_key()
        key = HostKey(kind=shown.get_name(), blob=shown.asbytes())
        try:
            keys.check(peer, key)
        except HostKeyError as error:
            transport.close()
            if peer.sha256 is None:
                raise
            mismatch = mismatch or error
            unwanted += (key.kind,)
        except BaseException:
            transport.close()
            raise
        else:
            return transport


def _open(peer: SshPeer, wanted: Sequence[str], unwanted: Sequence[str]) -> paramiko.Transport:
    plain = socket.create_connection((peer.address, peer.port), peer.connect_timeout_s)
    try:
        transport = paramiko.Transport(plain, packetizer_class=BoundedPacketizer)
    except BaseException:
        plain.close()
        raise
    transport.banner_timeout = peer.connect_timeout_s
    transport.auth_timeout = peer.read_timeout_s
    transport.channel_timeout = peer.read_timeout_s
    try:
        _prefer(transport.get_security_options(), wanted, unwanted)
        transport.start_client(timeout=peer.connect_timeout_s)
    except BaseException:
        transport.close()
        raise
    if not transport.initial_kex_done:
        transport.close()
        raise paramiko.SSHException("the key exchange did not end in time")
    return transport


def _prefer(
    options: paramiko.transport.SecurityOptions, wanted: Sequence[str], unwanted: Sequence[str]
) -> None:
    kinds = [kind for kind in options.key_types if _of_kind(kind) not in unwanted]
    if not kinds:
        raise paramiko.SSHException("no other kind of host key is left to ask for")
    first = [kind for kind in kinds if _of_kind(kind) in wanted]
    options.key_types = tuple(dict.fromkeys([*first, *kinds]))


def _of_kind(algorithm: str) -> str:
    """Return the kind of key that *algorithm* signs with (RFC 8332: RSA has several)."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


@dataclass
class _Login:
    """One login. *words* collects what the node says meanwhile."""

    peer: SshPeer
    user: str
    password: Secret[str]
    words: str = ""
    is_sent: bool = False
    obstacle: str = ""

    def answer_questions(self, transport: paramiko.Transport) -> bool:
        """Log in by keyboard-interactive; False if that is not offered, but password is.

        First, as OpenSSH's client does it: PAM's words are heard only here.
        """
        try:
            self._finish(transport.auth_interactive(self.user, self._answer))
        except paramiko.BadAuthenticationType as error:
            if self.is_sent:
                raise self._refused(transport, error) from error
            if "password" not in error.allowed_types:
                offered = ", ".join(error.allowed_types)
                reason = f"it takes no passwords of {self.user}, only {offered}"
                raise TransportUnavailableError(self.peer.node, NAME, reason) from error
            return False
        except paramiko.AuthenticationException as error:
            if not self.words and not transport.is_active():
                return False  # MaxAuthTries 1: not offered, and that was the only try
            raise self._refused(transport, error) from error
        except BROKEN as error:
            raise self._broken(error) from error
        return True

    def send_password(self, transport: paramiko.Transport) -> None:
        """Log in by password."""
        self.is_sent = True
        try:
            self._finish(transport.auth_password(self.user, self.password.reveal(), fallback=False))
        except paramiko.AuthenticationException as error:
            raise self._refused(transport, error) from error
        except BROKEN as error:
            raise self._broken(error) from error

    def _finish(self, left: Sequence[str]) -> None:
        if left:
            reason = f"it wants more than a password: {', '.join(left)}"
            raise TransportUnavailableError(self.peer.node, NAME, reason)

    def _answer(
        self, title: str, instructions: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str]:
        """Answer PAM's question for the password, once; anything else ends the login."""
        self.words += "\n".join([title, instructions, *(text for text, _ in prompts), ""])
        if len(self.words) > _WORDS:
            self.obstacle = "it asks without end"
            raise paramiko.SSHException(self.obstacle)
        if refusal_in(self.words) is not None:
            raise paramiko.SSHException("the account cannot be used")
        if not prompts:
            return []
        if len(prompts) > 1 or prompts[0][1] or self.is_sent:
            self.obstacle = "it asks for more than a password"
            raise paramiko.SSHException(self.obstacle)
        self.is_sent = True
        return [self.password.reveal()]

    def _refused(
        self, transport: paramiko.Transport, error: paramiko.SSHException
    ) -> NodeLoginError | TransportUnavailableError:
        said = f"{self.words}\n{(transport.get_banner() or b'').decode('utf-8', 'replace')}"
        refusal = refusal_in(said)
        if refusal is None and (not transport.is_active() or "timeout" in str(error)):
            return self._broken(error)
        return self._error(refusal or LoginRefusal.REFUSED)

    def _broken(self, error: BaseException) -> NodeLoginError | TransportUnavailableError:
        """A login that broke off once the password was out counts as a refused one: sent again
        it might be the one that locks the account.
        """
        refusal = refusal_in(self.words)
        if refusal is not None:
            return self._error(refusal)
        if self.is_sent and not self.obstacle:
            return self._error(LoginRefusal.SILENT)
        return TransportUnavailableError(self.peer.node, NAME, self.obstacle or _words(error))

    def _error(self, refusal: LoginRefusal) -> NodeLoginError:
        return NodeLoginError(self.peer.node, self.user, NAME, refusal)


def _words(error: BaseException) -> str:
    text = str(getattr(error, "strerror", None) or error or type(error).__name__)
    return first_words(text, 200)
