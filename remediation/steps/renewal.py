"""The step that renews machine certificates and solution users.

Of each entry, in this order: VMCA signs, the fingerprint is noted, the new pair goes into the
node's store (the old one into BACKUP_STORE), and then the directory learns it: the account of a
solution user, the lookup service's trust anchors of a machine certificate. Where one node fails the
directory learns what is in the stores of the others all the same. A process that died
anywhere in between finds its own leaf in the store and goes on from there; where it finds the old
one it makes a new pair, because keys are never kept. Services go on with what they loaded until
they are restarted, so that the order between nodes does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stsfix.remediation.errors import (
    VecsError,
    VmcaError,
)
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes.extensions import thumbprint
from stsfix.remediation.pki import vecs, vmca
from stsfix.remediation.pki.certificates import Certificate, fingerprint, parse
from stsfix.remediation.pki.vecs_writing import BACKUP_PREFIX, NewEntry
from stsfix.remediation.ports import Observed
from stsfix.remediation.renewal.notes import (
    RENEW_CERTIFICATES,
    UNKNOWN,
    encoded,
    end_key,
    extensions_key,
    issued,
    issued_key,
    shown_key,
)
from stsfix.remediation.renewal.request import described, renewal_request, with_one_name
from stsfix.remediation.steps.clocks import require_clock
from stsfix.remediation.steps.registering import Registering, Renewed
from stsfix.remediation.steps.tools import await_stores, await_vmca
from stsfix.snapshot.errors import OperationError, StoppedError
from stsfix.snapshot.fleet import raise_worst

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stsfix.remediation.model import NodePlan, Renewal
    from stsfix.remediation.pki.authority import SignedCertificate
    from stsfix.remediation.pki.vecs import NodeStores
    from stsfix.remediation.ports import Facts, Note
    from stsfix.remediation.renewal.request import Asked
    from stsfix.remediation.steps.context import StepContext

Chain = tuple[Certificate, ...]

_EXTENSION_STORES = frozenset({"vpxd-extension", vecs.MACHINE_SSL})
"""Certificates by whose SHA-1 vCenter knows its own extensions: ESX Agent Manager, Auto Deploy and
Image Builder (fixcerts.py 3.2, KB 57379); vCert knows some by the machine certificate."""


@dataclass(frozen=True, slots=True)
class RenewCertificates:
    """Every planned entry is a new one that its node's VMCA signed, and the directory says so."""

    context: StepContext
    name: ClassVar[str] = RENEW_CERTIFICATES

    def probe(self, noted: Facts) -> Observed:
        """Doing it again converges unless an entry is neither what was planned nor ours."""
        for node in self._nodes():
            held = self._read(node)
            for renewal in self._of(node):
                if not _is_known(held, renewal, issued(noted, renewal.store, renewal.node)):
                    return Observed.UNCLEAR
        return Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """Renew what is not ours yet on all nodes at the same time, then tell the directory, and
        wait until every directory says the same.

        Raises:
            ClockSkewError: A VMCA's node and this workstation disagree; it was not asked to sign.
            VmcaError: VMCA did not sign; entries before it are renewed.
            VecsError: A store was not written, or somebody else changed an entry.
            DirectoryFaultError: An account is not there.
            OperationError: Of several that failed the gravest, with the others as its notes; what
                is in the stores was told to the directory first, as far as that went.
        """
        chains = self._chains()
        renewed: list[Renewed] = []

        def renew(node: NodePlan) -> OperationError | None:
            return _failure(lambda: self._renew(node, chains, noted, note, renewed))

        failures = [*self.context.each(self._nodes(), renew)]
        # What starts on a node reads its stores, and vMon starts things by itself.
        failures.append(_failure(lambda: self._register(renewed, noted, note)))
        raise_worst([error for error in failures if error is not None])
        Registering(self.context).await_agreement(renewed)

    def _register(self, renewed: Sequence[Renewed], noted: Facts, note: Note) -> None:
        """Let the directory, and vCenter's extensions, learn what is in the stores."""
        planned = self.context.spec.renewals
        for each in sorted(renewed, key=lambda each: planned.index(each.renewal)):
            Registering(self.context).register(each)
            if each.renewal.store in _EXTENSION_STORES:
                self._tell_extensions(each.renewal, each.leaf, noted, note)

    def undo(self, noted: Facts, note: Note) -> None:
        """Covered by the revert of replace-sts, which is taken back after it."""

    def _nodes(self) -> list[NodePlan]:
        names = dict.fromkeys(renewal.node for renewal in self.context.spec.renewals)
        return [self.context.spec.node(fqdn) for fqdn in names]

    def _of(self, node: NodePlan) -> list[Renewal]:
        return [r for r in self.context.spec.renewals if r.node == node.fqdn]

    def _read(self, node: NodePlan) -> NodeStores:
        return await_stores(self.context, node, {r.store for r in self._of(node)})

    def _chains(self) -> dict[str, Chain]:
        """Return what every VMCA that is to sign issues with, by node."""
        names = dict.fromkeys(renewal.signer for renewal in self.context.spec.renewals)
        nodes = [self.context.spec.node(fqdn) for fqdn in names]

        def issuing(node: NodePlan) -> tuple[str, Chain]:
            return node.fqdn, vmca.issuing_chain(await_vmca(self.context, node))

        return dict(self.context.each(nodes, issuing))

    def _renew(
        self,
        node: NodePlan,
        chains: Mapping[str, Chain],
        noted: Facts,
        note: Note,
        renewed: list[Renewed],
    ) -> None:
        """Renew what is planned of one node; add to *renewed* what is in its stores, one by one.

        A script of a process that died may have run until its files were swept away: what the
        stores hold is read again after that.
        """
        held = self._read(node)
        self.context.renewal.stores.sweep(node)
        if any(issued(noted, r.store, r.node) for r in self._of(node)):
            held = self._read(node)
        compared: set[str] = set()
        for renewal in self._of(node):
            ours = issued(noted, renewal.store, renewal.node)
            if not _is_known(held, renewal, ours):
                where = f"{renewal.alias} in {renewal.store}"
                raise VecsError(node.fqdn, f"{where} was changed by somebody else")
            leaf = _leaf(held, renewal.store, renewal.alias)
            if leaf is None or fingerprint(leaf) not in ours:
                if renewal.signer not in compared:
                    require_clock(self.context, renewal.signer)
                    compared.add(renewal.signer)
                signed, asked = self._sign(renewal, _old(held, renewal), chains[renewal.signer])
                self._replace(renewal, signed, asked, len(ours) + 1, note)
                leaf = signed.leaf
            elif end_key(renewal.store, renewal.node) not in noted:
                self._tell(renewal, leaf, "", note)
            replaced = frozenset({renewal.sha256, *ours}) - {fingerprint(leaf)}
            renewed.append(Renewed(renewal=renewal, leaf=leaf, replaced=replaced))

    def _replace(
        self, renewal: Renewal, signed: SignedCertificate, asked: Asked, attempt: int, note: Note
    ) -> None:
        node = self.context.spec.node(renewal.node)
        note(issued_key(attempt, renewal.store, node.fqdn), fingerprint(signed.leaf))
        if renewal.is_machine:
            note(shown_key(attempt, node.fqdn), encoded(signed.leaf))
        entry = NewEntry(
            store=renewal.store,
            alias=renewal.alias,
            chain=signed.chain,
            key_pkcs8=asked.request.key_pkcs8,
        )
        self.context.renewal.stores.replace_entry(node, entry)
        lacks = "; ".join(filter(None, (described(asked.lost), *signed.remarks)))
        self._tell(renewal, signed.leaf, lacks, note)

    def _sign(
        self, renewal: Renewal, old: Certificate, chain: Chain
    ) -> tuple[SignedCertificate, Asked]:
        context = self.context
        signer = context.spec.node(renewal.signer)
        try:
            asked = renewal_request(
                renewal,
                old,
                domain=context.spec.domain,
                key=context.renewal.new_key(),
                authorities=[c.x509 for c in chain],
                now=context.clock.now(),
            )
        except ValueError as error:
            raise VmcaError(signer.fqdn, str(error)) from error
        try:
            return self._obtain(signer, asked), asked
        except VmcaError as error:
            if with_one_name(asked, renewal.pnid, error.reason) is None:
                raise
        await_vmca(context, signer)  # what it failed for once need not be the names
        try:
            return self._obtain(signer, asked), asked
        except VmcaError as error:
            fewer = with_one_name(asked, renewal.pnid, error.reason) or asked
            return self._obtain(signer, fewer), fewer

    def _obtain(self, signer: NodePlan, asked: Asked) -> SignedCertificate:
        tools = self.context.renewal
        return vmca.obtain(
            tools.authority,
            signer,
            asked.request,
            allow_key=tools.allow_vmca_key,
            now=self.context.clock.now(),
        )

    def _tell(self, renewal: Renewal, leaf: bytes, lacks: str, note: Note) -> None:
        """Note and show how long the leaf lives, as read from it, and what it lacks. An attempt
        that died after it was written may have said nothing.
        """
        parsed = parse(leaf)
        end = (
            f"{parsed.not_after:%Y-%m-%d}" if isinstance(parsed, Certificate) else "an unknown day"
        )
        note(end_key(renewal.store, renewal.node), end)
        text = f"renewed {renewal.store}, until {end}"
        self.context.tell(self.name, renewal.node, f"{text}; {lacks}" if lacks else text)

    def _tell_extensions(self, renewal: Renewal, leaf: bytes, noted: Facts, note: Note) -> None:
        """Let the extensions that vCenter knew by the old certificate be known by the new one.

        They work again after the restart; where the database cannot be written it is told, and
        nothing else depends on it (KB 385107 corrects it later).
        """
        node = self.context.spec.node(renewal.node)
        if not node.role.has_vcenter:
            return
        old = _old(self._read(node), renewal)
        key = extensions_key(renewal.store, node.fqdn)
        changed = self.context.renewal.extensions.replace_thumbprint(
            node, thumbprint(old.der), thumbprint(leaf)
        )
        if isinstance(changed, UnreadPart):
            note(key, UNKNOWN)
            text = f"thumbprints of vCenter's extensions were not updated: {changed.reason}"
            self.context.tell(self.name, node.fqdn, text)
        elif changed or noted.get(key) == UNKNOWN:
            note(key, str(changed))
            text = f"extensions that vCenter knows by the new {renewal.store}: {changed}"
            self.context.tell(self.name, node.fqdn, text)


def _failure(work: Callable[[], None]) -> OperationError | None:
    """Do *work*, and return what it failed with; a run that has to stop stops at once."""
    try:
        work()
    except StoppedError:
        raise
    except OperationError as error:
        return error
    return None


def _leaf(held: NodeStores, store: str, alias: str) -> bytes | None:
    entry = held.entry(store, alias)
    return entry.certificates[0] if entry is not None and entry.certificates else None


def _is_known(held: NodeStores, renewal: Renewal, ours: Sequence[str]) -> bool:
    """Tell whether the entry is what was planned, or ours, or gone between delete and create."""
    leaf = _leaf(held, renewal.store, renewal.alias)
    if leaf is None:
        return bool(ours)
    return fingerprint(leaf) in {renewal.sha256, *ours}


def _old(held: NodeStores, renewal: Renewal) -> Certificate:
    """Return the certificate that is renewed: from its store, or from the backup of it.

    Raises:
        VecsError: It is in neither.
    """
    places = ((renewal.store, renewal.alias), (vecs.BACKUP, BACKUP_PREFIX + renewal.alias))
    for store, alias in places:
        leaf = _leaf(held, store, alias)
        parsed = parse(leaf) if leaf is not None and fingerprint(leaf) == renewal.sha256 else None
        if isinstance(parsed, Certificate):
            return parsed
    raise VecsError(renewal.node, f"the old {renewal.alias} is in no store any more")
