"""sshd of a node, by asyncssh: who gets in, and which program a channel gets."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING

import asyncssh

from stsfix.lab.faults import Dropped, Refused
from stsfix.lab.root_login import Login, locked_text, log_in
from stsfix.lab.ssh_session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.lab.event_loop import EventLoop
    from stsfix.lab.ssh import SshNode

CHANGE_NOW = "You are required to change your password immediately (password expired)."
"""Linux-PAM's pam_unix; what vSphere's users see (KB 332308)."""

_ASK = "Password: "
_CHANGE_PROMPTS = ("Current password: ", "New password: ", "Retype new password: ")
Challenge = bool | tuple[str, str, str, list[tuple[str, bool]]]


class Server:
    """A running sshd. Its methods are called from outside of the loop."""

    def __init__(self, node: SshNode, port: int, loop: EventLoop) -> None:
        self._node = node
        self._port = port
        self._loop = loop
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        # At INFO asyncssh logs every command: sshd does not.
        asyncssh.set_log_level(logging.WARNING)
        self._acceptor = self._loop.run(self._listen())

    def stop(self) -> None:
        """Close the port and cut every connection."""
        self._loop.run(self._close())

    async def _listen(self) -> asyncssh.SSHAcceptor:
        disk = self._node.disk
        old = disk.release < (8,)
        return await asyncssh.listen(
            "127.0.0.1",
            self._port,
            server_factory=functools.partial(_Door, self._node, self._connections, self._loop),
            server_host_keys=[asyncssh.import_private_key(key) for key in disk.ssh_host_keys],
            server_version="OpenSSH_7.8" if old else "OpenSSH_9.3",
            encoding=None,
            line_editor=False,
            agent_forwarding=False,
            allow_scp=False,
            config=None,
        )

    async def _close(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        for connection in list(self._connections):
            connection.abort()


class _Door(asyncssh.SSHServer):
    """One connection up to its sessions.

    Password and keyboard-interactive as transcripts show them: 6.x asks by password, 7.0 by
    keyboard-interactive, 8.0 offers both [K: it depends on the build].
    """

    def __init__(
        self, node: SshNode, connections: set[asyncssh.SSHServerConnection], loop: EventLoop
    ) -> None:
        self._node = node
        self._connections = connections
        self._loop = loop
        self._connection: asyncssh.SSHServerConnection | None = None
        self._answers: list[str] = []
        self._must_change = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """See asyncssh."""
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncssh."""
        del exc
        if self._connection is not None:
            self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        """Show /etc/issue; a password is needed."""
        del username
        self._allow_another_request()
        issue = self._node.disk.files.get("/etc/issue")
        if issue is not None and self._connection is not None:
            self._connection.send_auth_banner(issue.content.decode())
        return True

    def public_key_auth_supported(self) -> bool:
        """See asyncssh."""
        return False

    def password_auth_supported(self) -> bool:
        """See asyncssh."""
        release = self._node.disk.release
        return release < (7,) or release >= (8,)

    def kbdint_auth_supported(self) -> bool:
        """See asyncssh."""
        return self._node.disk.release >= (7,)

    async def validate_password(self, username: str, password: str) -> bool:
        """With an expired password one gets in, but no further (see Session)."""
        self._allow_another_request()
        answer = await self._judge(username, password)
        self._must_change = answer is Login.EXPIRED
        return answer in (Login.WELCOME, Login.EXPIRED)

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Challenge:
        """Ask for the password, after what pam says of a locked account."""
        del username, lang, submethods
        self._allow_another_request()
        self._answers = []
        return ("", locked_text(self._node.disk), "", [(_ASK, False)])

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Challenge:
        """Judge the password; with an expired one go on to change it, as pam does."""
        if self._must_change:
            return self._change(responses)
        answer = await self._judge(username, responses[0] if len(responses) == 1 else "")
        self._must_change = answer is Login.EXPIRED
        if self._must_change:
            return ("", CHANGE_NOW, "", [(_CHANGE_PROMPTS[0], False)])
        return answer is Login.WELCOME

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        """See asyncssh."""
        return Session(self._node, cut=self._cut, loop=self._loop, must_change=self._must_change)

    def _change(self, responses: Sequence[str]) -> Challenge:
        self._answers += responses[:1]
        if self._answers[0] != self._node.disk.root_password:
            return False
        if len(self._answers) < len(_CHANGE_PROMPTS):
            return ("", "", "", [(_CHANGE_PROMPTS[len(self._answers)], False)])
        _, new, again = self._answers
        return change_password(self._node, new, again)

    async def _judge(self, user: str, password: str) -> Login:
        # In a thread: a fault rule may delay it.
        answer = await asyncio.to_thread(self._asked, user, password)
        if answer is None:
            self._cut()
            return Login.WRONG
        return answer

    def _asked(self, user: str, password: str) -> Login | None:
        """Return what pam says, None if the connection is to be dropped."""
        node = self._node
        try:
            with node.faults.around("ssh", "auth", node.disk.fqdn):
                return log_in(node.disk, user, password)
        except Refused:
            return Login.WRONG
        except Dropped:
            return None

    def _allow_another_request(self) -> None:
        """Let the client ask for the service of authentication again, as OpenSSH's sshd does.

        paramiko asks before each method; asyncssh takes only the first.
        """
        if self._connection is not None:
            self._connection._next_service = b"ssh-userauth"  # noqa: SLF001 - no public way

    def _cut(self) -> None:
        if self._connection is not None:
            self._connection.abort()


def change_password(node: SshNode, new: str, again: str) -> bool:
    """Change root's password, if both are the same and it is another one."""
    disk = node.disk
    if not new or new != again or new == disk.root_password:
        return False
    disk.root_password, disk.root_password_expired, disk.password_days = new, False, 90.0
    return True
