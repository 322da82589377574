"""A node's VMCA through certool, and its certificate stores through vecs-cli, over `NodeShell`."""

from __future__ import annotations

import logging
import secrets
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import VecsError, VmcaError
from stsfix.remediation.pki import certool, vecs, vecs_writing
from stsfix.remediation.pki.authority import SignedCertificate, Unknown, check_signed
from stsfix.snapshot.cleanup import cleaning_up
from stsfix.snapshot.errors import OperationError
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.words import first_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.pki.authority import Authority, CertificateRequest, Way
    from stsfix.remediation.ports import NodeShell
    from stsfix.snapshot.ports import Clock

logger = logging.getLogger(__name__)

SIGN_LIMIT: Final = timedelta(seconds=120)
STORES_LIMIT: Final = timedelta(seconds=600)
STORES_BYTES: Final = 16 * 1024 * 1024
"""Room for thousands of revocation lists; a flood of more costs the list of this store only."""


def new_nonce() -> str:
    """Return a random word for the marks of one script."""
    return secrets.token_hex(12)


class CertoolAuthority:
    """`ports_certificates.CertificateAuthority` by certool on the node.

    One at a time signs on a node, because there is one folder for its files; others wait.
    """

    def __init__(
        self,
        shell: NodeShell,
        clock: Clock,
        *,
        programs: certool.Programs | None = None,
        tools: vecs_writing.Tools | None = None,
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        self._shell = shell
        self._clock = clock
        self._programs = programs or certool.Programs()
        self._tools = tools or vecs_writing.Tools()
        self._nonce = nonce
        self._turns: dict[str, threading.Lock] = {}

    def read_root(self, node: NodePlan) -> Authority:
        """See `ports_certificates.CertificateAuthority`."""
        nonce = self._nonce()
        result = self._shell.run(node, certool.read_script(nonce, self._programs))
        return certool.parse_authority(result.output, node=node.fqdn, nonce=nonce)

    def sign(self, node: NodePlan, request: CertificateRequest) -> SignedCertificate:
        """See `ports_certificates.CertificateAuthority`: from a request if certool takes one, else
        with the key on the node for a moment.
        """
        with self._turns.setdefault(node.fqdn, threading.Lock()):
            return self._sign(node, request)

    def _sign(self, node: NodePlan, request: CertificateRequest) -> SignedCertificate:
        authority = self.read_root(node)
        if not authority.chain:
            raise VmcaError(node.fqdn, authority.unread)
        way: Way = "csr"
        remarks: tuple[str, ...] = ()
        answer = certool.Signed()
        if authority.takes_requests:
            nonce = self._nonce()
            script = certool.request_script(request, nonce, self._programs)
            answer = self._signed(node, script, nonce)
            if not answer.certificates:
                remarks = (f"certool took no request ({answer.refusal}), so it got the key",)
                logger.info("%s: %s", node.fqdn, remarks[0])
        if not answer.certificates:
            way = "key"
            answer = self._signed_with_key(node, request)
        if not answer.certificates:
            raise VmcaError(node.fqdn, answer.refusal)
        chain = self._checked(authority, answer.certificates, request)
        return SignedCertificate(chain=chain, way=way, remarks=remarks)

    def read_root_key(self, node: NodePlan) -> Secret[bytes]:
        """See `ports_certificates.CertificateAuthority`."""
        content = Secret(self._shell.get(node, self._programs.root_key))
        key = certool.parse_root_key(content)
        if isinstance(key, Unknown):
            raise VmcaError(node.fqdn, key.reason)
        return key

    def install_root(self, node: NodePlan, root: bytes, key_pkcs8: Secret[bytes]) -> None:
        """See `ports_certificates.CertificateAuthority`."""
        nonce = self._nonce()
        script = vecs_writing.root_script(root, key_pkcs8, nonce, self._tools)
        result = self._shell.run(node, script, limit=SIGN_LIMIT)
        refusal = vecs_writing.refusal_of(result.output, nonce, result.exit_code)
        if refusal:
            raise VmcaError(node.fqdn, refusal)
        found = self.read_root(node)
        told = (found.serves, found.serves_root, found.key_matches)
        if found.chain != (root,) or any(fact is False for fact in told):
            raise VmcaError(node.fqdn, "it does not issue with the root that it was given")

    def _signed_with_key(self, node: NodePlan, request: CertificateRequest) -> certool.Signed:
        """Sign with the key in a 0600 file of a folder that only root can enter.

        The script removes the folder whatever happens to this process; this process does if the
        script did not begin; and the next attempt does if neither could.
        """
        nonce = self._nonce()
        path, key = certool.key_file(request, self._programs)
        made = self._shell.run(node, certool.folder_script(self._programs))
        if made.exit_code:
            raise VmcaError(node.fqdn, f"no folder for the key: {first_words(made.output, 200)!r}")
        answer = certool.Signed()
        try:
            self._shell.put(node, path, key)
            script = certool.key_script(request, nonce, self._programs)
            answer = self._signed(node, script, nonce)
        finally:
            if not answer.certificates:
                self._remove_folder(node)
        return answer

    def _remove_folder(self, node: NodePlan) -> None:
        try:
            with cleaning_up():
                self._shell.run(node, certool.removal_script(self._programs))
        except OperationError as error:
            logger.warning(
                "%s of %s could not be removed and may hold a key: %s",
                self._programs.folder,
                node.fqdn,
                error,
            )

    def _signed(self, node: NodePlan, script: str, nonce: str) -> certool.Signed:
        result = self._shell.run(node, script, limit=SIGN_LIMIT)
        return certool.parse_signed(result.output, nonce, result.exit_code)

    def _checked(
        self, authority: Authority, came: tuple[bytes, ...], request: CertificateRequest
    ) -> tuple[bytes, ...]:
        chain = certool.chain_of(came[0], [*came[1:], *authority.chain])
        problems = check_signed(chain, request, self._clock.now())
        if problems:
            raise VmcaError(authority.node, f"what it signed is not usable: {'; '.join(problems)}")
        return chain


class VecsStores:
    """`ports_certificates.CertificateStores` by vecs-cli on the node."""

    def __init__(
        self,
        shell: NodeShell,
        *,
        tool: str = vecs.TOOL,
        tools: vecs_writing.Tools | None = None,
        nonce: Callable[[], str] = new_nonce,
    ) -> None:
        self._shell = shell
        self._tool = tool
        self._tools = tools or vecs_writing.Tools()
        self._nonce = nonce

    def read_stores(self, node: NodePlan, only: Collection[str] = ()) -> vecs.NodeStores:
        """See `ports_certificates.CertificateStores`."""
        nonce = self._nonce()
        result = self._shell.run(
            node,
            vecs.script(nonce, self._tool, only=only),
            limit=STORES_LIMIT,
            output_limit=STORES_BYTES,
        )
        return vecs.parse(result.output, nonce, only=only)

    def replace_entry(self, node: NodePlan, entry: vecs_writing.NewEntry) -> None:
        """See `ports_certificates.CertificateStores`."""
        nonce = self._nonce()
        self._write(node, vecs_writing.replace_script(entry, nonce, self._tools), nonce)
        if not self._holds(node, entry):
            where = f"{entry.alias} in {entry.store}"
            raise VecsError(node.fqdn, f"{where} is not what was written")

    def _holds(self, node: NodePlan, entry: vecs_writing.NewEntry) -> bool:
        found = self.read_stores(node, {entry.store}).entry(entry.store, entry.alias)
        return found is not None and found.holds_key and found.certificates[:1] == entry.chain[:1]

    def sweep(self, node: NodePlan) -> None:
        """See `ports_certificates.CertificateStores`."""
        nonce = self._nonce()
        self._write(node, vecs_writing.sweep_script(nonce, self._tools), nonce)

    def refresh_roots(self, node: NodePlan) -> None:
        """See `ports_certificates.CertificateStores`."""
        nonce = self._nonce()
        self._write(node, vecs_writing.refresh_script(nonce, self._tools), nonce)

    def _write(self, node: NodePlan, script: str | Secret[str], nonce: str) -> None:
        result = self._shell.run(node, script, limit=STORES_LIMIT)
        refusal = vecs_writing.refusal_of(result.output, nonce, result.exit_code)
        if refusal:
            raise VecsError(node.fqdn, refusal)
