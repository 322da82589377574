"""Commands on a node through the guest operations of its ESXi host: no network, no SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.errors import NodeFileError
from stsfix.remediation.ports import READ_LIMIT
from stsfix.snapshot.errors import HypervisorFaultError
from stsfix.snapshot.ports import OUTPUT_BYTES
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ports import GuestOperations, GuestResult


class GuestShell:
    """`ports.NodeShell` by guest operations.

    *guests* gives the guest operations of the host a VM is on; *login* gives user and password
    by FQDN and is asked only when something is done.
    """

    def __init__(
        self,
        guests: Callable[[VmId], GuestOperations],
        login: Callable[[str], tuple[str, Secret[str]]],
    ) -> None:
        self._guests = guests
        self._login = login

    def describe(self, node: NodePlan) -> str:
        """See `ports.NodeShell`."""
        return f"guest operations through {node.vm.host}"

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """See `ports.NodeShell`; raises what `GuestOperations.run_script` does."""
        user, password = self._login(node.fqdn)
        return self._guests(node.vm).run_script(
            node.vm,
            script,
            user=user,
            password=password,
            limit=limit,
            output_limit=output_limit,
        )

    def put(
        self, node: NodePlan, path: str, content: bytes | Secret[bytes], *, mode: int = 0o600
    ) -> None:
        """See `ports.NodeShell`; a lost answer is a HostUnreachableError here."""
        user, password = self._login(node.fqdn)
        raw = content.reveal() if isinstance(content, Secret) else content
        try:
            self._guests(node.vm).put_file(
                node.vm,
                checked_path(path),
                raw,
                mode=mode,
                user=user,
                password=password,
                limit=READ_LIMIT,
            )
        except HypervisorFaultError as error:
            raise NodeFileError(node.fqdn, path, error.fault) from error

    def get(self, node: NodePlan, path: str, *, limit_bytes: int = OUTPUT_BYTES) -> bytes:
        """See `ports.NodeShell`."""
        user, password = self._login(node.fqdn)
        try:
            content = self._guests(node.vm).get_file(
                node.vm,
                checked_path(path),
                user=user,
                password=password,
                limit=READ_LIMIT,
                output_limit=limit_bytes + 1,
            )
        except HypervisorFaultError as error:
            raise NodeFileError(node.fqdn, path, error.fault) from error
        if len(content) > limit_bytes:
            raise NodeFileError(node.fqdn, path, f"it is larger than {limit_bytes} bytes")
        return content


def checked_path(path: str) -> str:
    """Return *path* if it is one line and absolute.

    Raises:
        ValueError: It is not.
    """
    if not path.startswith("/") or not path.isprintable():
        raise ValueError(f"not an absolute path: {path!r}")
    return path
