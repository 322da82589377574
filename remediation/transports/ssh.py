"""Commands on a node over SSH, as root with bash or with the appliance's own shell as login shell.

The login shell is never changed: that is a person's decision (``chsh``).
"""

from __future__ import annotations

import base64
import contextlib
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import (
    NodeFileError,
    NodeLoginError,
    NoShellError,
    TransportUnavailableError,
)
from stsfix.remediation.nodes.pam_words import refusal_in
from stsfix.remediation.ports import READ_LIMIT
from stsfix.remediation.transports.deadline import Deadline
from stsfix.remediation.transports.guest import checked_path
from stsfix.remediation.transports.ssh_appliancesh import (
    FORBID,
    ApplianceTerminal,
    NoBashError,
    Sum,
)
from stsfix.remediation.transports.ssh_channel import ChannelEndedError, Duplex
from stsfix.remediation.transports.ssh_pool import Way, requested, words
from stsfix.remediation.transports.ssh_script import (
    BASH,
    NO_FILE,
    ScriptReader,
    encoded_size,
    get_script,
    payload,
    put_script,
)
from stsfix.remediation.transports.ssh_session import BROKEN, NAME
from stsfix.snapshot.cleanup import cleaning_up
from stsfix.snapshot.errors import AnswerLostError, OperationError, TaskOverdueError
from stsfix.snapshot.model import TaskKey
from stsfix.snapshot.ports import OUTPUT_BYTES, GuestResult
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from datetime import timedelta

    import paramiko

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.transports.ssh_pool import Connection, SshPool
    from stsfix.snapshot.ports import Clock

logger = logging.getLogger(__name__)

_COLUMNS: Final = 250
"""Width of the terminal: a shell that edits lines must not wrap ours."""


class SshShell:
    """`ports.NodeShell` over SSH."""

    def __init__(self, pool: SshPool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._allowed: set[str] = set()

    def describe(self, node: NodePlan) -> str:
        """See `ports.NodeShell`."""
        del node
        return NAME

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """See `ports.NodeShell`.

        Raises:
            NoShellError: The node's shell gives no bash; `run_plug_in` may do.
        """
        deadline = Deadline(self._clock, limit.total_seconds())
        nonce = secrets.token_hex(16)
        reader = ScriptReader(nonce, output_limit=output_limit)
        text = script.reveal() if isinstance(script, Secret) else script
        connection, channel = self._bash(node.fqdn, deadline)
        talk = _Talk(connection, channel, deadline)
        try:
            self._give(talk, payload(text, nonce))
            talk.read(reader)
        except TimeoutError as error:
            task = TaskKey(f"script on {node.fqdn} over {NAME}")
            raise TaskOverdueError(task, limit.total_seconds()) from error
        finally:
            talk.duplex.close()
        if reader.exit_code is None:
            raise AnswerLostError(node.fqdn, f"a script over {NAME}")
        return GuestResult(exit_code=reader.exit_code, output=reader.output)

    def put(
        self, node: NodePlan, path: str, content: bytes | Secret[bytes], *, mode: int = 0o600
    ) -> None:
        """See `ports.NodeShell`; through the shell, since appliancesh knows no sftp or scp."""
        raw = content.reveal() if isinstance(content, Secret) else content
        script = put_script(checked_path(path), raw, mode, secrets.token_hex(8))
        result = self.run(node, Secret(script))
        if result.exit_code:
            raise NodeFileError(node.fqdn, path, words(result.output) or "it cannot be written")

    def get(self, node: NodePlan, path: str, *, limit_bytes: int = OUTPUT_BYTES) -> bytes:
        """See `ports.NodeShell`."""
        script = get_script(checked_path(path), limit_bytes + 1)
        result = self.run(node, script, output_limit=encoded_size(limit_bytes + 1))
        if result.exit_code:
            why = "there is no such file" if result.exit_code == NO_FILE else words(result.output)
            raise NodeFileError(node.fqdn, path, why)
        try:
            content = base64.b64decode("".join(result.output.split()), validate=True)
        except ValueError as error:  # what head said stands among it
            raise NodeFileError(node.fqdn, path, words(result.output)) from error
        if len(content) > limit_bytes:
            raise NodeFileError(node.fqdn, path, f"it is larger than {limit_bytes} bytes")
        return content

    def run_plug_in(self, node: NodePlan, command: str, *, limit: timedelta = READ_LIMIT) -> str:
        """Return what a command of appliancesh itself says, such as ``service-control``.

        Its exit status is worth nothing. Raises what `run` does.
        """
        deadline = Deadline(self._clock, limit.total_seconds())
        _, channel = self._pool.open(node.fqdn, deadline)
        try:
            requested(node.fqdn, lambda: channel.exec_command(command))
            return Duplex(channel).read_all(deadline)
        except ChannelEndedError as error:
            raise AnswerLostError(node.fqdn, f"{command} over {NAME}") from error
        except TimeoutError as error:
            task = TaskKey(f"{command} on {node.fqdn}")
            raise TaskOverdueError(task, limit.total_seconds()) from error
        finally:
            channel.close()

    def close(self) -> None:
        """Leave every node as it was found and end the connections; never raises."""
        for node in sorted(self._allowed):
            self._forbid(node)
        self._pool.close()

    def _bash(self, node: str, deadline: Deadline) -> tuple[Connection, paramiko.Channel]:
        """Return a fresh channel of a connection that knows its way to bash."""
        while True:
            connection, channel = self._pool.open(node, deadline)
            with connection.finding:
                if connection.way is None:
                    self._find_way(connection, channel, deadline)
                    continue
            if connection.way is Way.NONE:
                channel.close()
                raise NoShellError(node, "ssh", f"give a bash; it said: {connection.said}")
            return connection, channel

    def _find_way(
        self, connection: Connection, channel: paramiko.Channel, deadline: Deadline
    ) -> None:
        node, answer = connection.node, Sum()
        try:
            requested(node, lambda: channel.exec_command(f"echo {answer.question}"))
            said = Duplex(channel).read_all(deadline)
        except (ChannelEndedError, TimeoutError) as error:
            raise TransportUnavailableError(node, NAME, "it gave no answer to echo") from error
        finally:
            channel.close()
        refusal = refusal_in(said)
        if answer.find(said):
            connection.way = Way.PROGRAM
        elif refusal is not None:
            # sshd lets an expired password in, and then runs passwd instead of anything else.
            raise NodeLoginError(node, self._pool.user(node), NAME, refusal)
        else:
            logger.debug("%s: no bash at login, it said: %s", node, words(said))
            connection.way = Way.TERMINAL

    def _give(self, talk: _Talk, text: str) -> None:
        """Send the payload to a bash. What is lost on the way shows when its output is read."""
        if talk.connection.way is Way.PROGRAM:
            requested(talk.node, lambda: talk.channel.exec_command(BASH))
            with contextlib.suppress(ChannelEndedError):
                talk.duplex.send(text.encode(), talk.deadline)
                talk.duplex.end_input()
            return
        terminal = self._terminal(talk)
        try:
            terminal.open_bash(lambda: self._allowed.add(talk.node))
        except NoBashError as error:
            talk.connection.way, talk.connection.said = Way.NONE, error.said
            raise NoShellError(talk.node, "ssh", f"give a bash; it said: {error.said}") from error
        except ChannelEndedError as error:
            reason = "the connection ended before a bash answered"
            raise TransportUnavailableError(talk.node, NAME, reason) from error
        with contextlib.suppress(ChannelEndedError):
            terminal.give(text, talk.deadline)

    def _terminal(self, talk: _Talk) -> ApplianceTerminal:
        def ask() -> None:
            talk.channel.get_pty(term="dumb", width=_COLUMNS)
            talk.channel.invoke_shell()

        requested(talk.node, ask)
        return ApplianceTerminal(talk.duplex, self._clock)

    def _forbid(self, node: str) -> None:
        """Take back that bash was allowed."""
        deadline = Deadline(self._clock, READ_LIMIT.total_seconds())
        try:
            with cleaning_up():
                terminal = self._terminal(_Talk(*self._pool.open(node, deadline), deadline))
                terminal.await_prompt()
                terminal.command(FORBID)
        except (*BROKEN, ChannelEndedError, TimeoutError, OperationError) as error:
            logger.warning(
                "bash stays allowed on %s for up to an hour (%s); to end it, type: %s",
                node,
                error,
                FORBID,
            )


@dataclass
class _Talk:
    """One channel at work."""

    connection: Connection
    channel: paramiko.Channel
    deadline: Deadline

    def __post_init__(self) -> None:
        self.duplex = Duplex(self.channel)

    @property
    def node(self) -> str:
        return self.connection.node

    def read(self, reader: ScriptReader) -> None:
        """Read to the end mark, or to the channel's end.

        Raises:
            TransportUnavailableError: The channel ended in order, and nothing had run.
        """
        reader.feed(self.duplex.unread.encode())
        try:
            while reader.exit_code is None:
                reader.feed(self.duplex.receive(self.deadline))
        except ChannelEndedError as ended:
            if not ended.is_broken and not reader.has_begun:
                reason = f"bash did not run, it said: {reader.noise or 'nothing'}"
                raise TransportUnavailableError(self.node, NAME, reason) from ended
