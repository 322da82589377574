"""The directory's part of a renewal: it learns what is in the stores, and every other one from it.

Only what this renewal wrote is compared between directories: some have differed for years in an
entry that nobody of it touched, and no waiting mends that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.remediation.errors import DirectoryFaultError, ReplicationOverdueError
from stsfix.remediation.pki.certificates import Certificate, fingerprint, parse
from stsfix.remediation.renewal.notes import RENEW_CERTIFICATES
from stsfix.remediation.renewal.trust_anchors import Followed, followed, replacements
from stsfix.snapshot.errors import TransientError
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.inventory_certificates import SolutionUser
    from stsfix.remediation.model import Renewal
    from stsfix.remediation.renewal.trust_anchors import TrustAnchors
    from stsfix.remediation.steps.context import StepContext

_NO_SUCH_OBJECT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """An entry whose new *leaf* (DER) is in its store. *replaced* are the SHA-256 of what it had
    before: when the run was planned, and by earlier attempts.
    """

    renewal: Renewal
    leaf: bytes
    replaced: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What one directory says of the accounts that are renewed, and of every endpoint."""

    users: tuple[SolutionUser | None, ...]
    anchors: tuple[TrustAnchors, ...]

    def has_accounts_of(self, other: _Known) -> bool:
        """Tell whether the accounts are the same, however their subjects are spelled."""
        return _accounts(self.users) == _accounts(other.users)


@dataclass(frozen=True, slots=True)
class Registering:
    """Tells the directories what is new in the stores."""

    context: StepContext

    def register(self, renewed: Renewed) -> None:
        """Let the writer's directory name a new certificate.

        Raises:
            DirectoryFaultError: Its account is not there.
        """
        context, writer = self.context, self.context.spec.writer
        renewal, leaf = renewed.renewal, renewed.leaf
        registrations = context.directory(writer).registrations
        if renewal.is_machine:
            anchors = registrations.read_trust_anchors()
            sharers = [
                each.node
                for each in context.spec.renewals
                if each.is_machine and each.sha256 == renewal.sha256 and each.node != renewal.node
            ]
            made = replacements(
                anchors, renewal.node, olds=renewed.replaced, new=leaf, sharers=sharers
            )
            for replacement in made:
                registrations.replace_trust_anchors(replacement)
            if made:
                text = f"endpoints of the lookup service that name it now: {len(made)}"
                context.tell(RENEW_CERTIFICATES, renewal.node, text)
            return
        user = registrations.read_solution_user(renewal.principal)
        parsed = parse(leaf)
        if user is None or not isinstance(parsed, Certificate):
            raise DirectoryFaultError(writer, f"search of {renewal.principal}", _NO_SUCH_OBJECT, "")
        registrations.replace_certificate(user, leaf, parsed.subject)

    def await_agreement(self, renewed: Sequence[Renewed]) -> None:
        """Wait until every directory has the writer's accounts of *renewed*, and its endpoints name
        the new certificates; tell in what else it concerns this renewal a directory differs.

        Raises:
            ReplicationOverdueError: Some node differs at the limit; services were not restarted.
        """
        context, spec = self.context, self.context.spec
        behind: list[str] = []
        apart: dict[str, Followed] = {}
        started = context.clock.monotonic()

        def agree() -> bool | None:
            wanted = self._known(spec.writer)
            for node in spec.directories[1:]:
                apart[node.fqdn] = self._compared(node.fqdn, wanted, renewed)
            behind[:] = [fqdn for fqdn, found in apart.items() if found.is_behind]
            return None if behind else True

        context.tell(
            RENEW_CERTIFICATES, "", "waiting until every directory names the new certificates"
        )
        limits = context.limits
        if not poll_until(agree, clock=context.clock, limit=limits.replication, every=limits.poll):
            waited = context.clock.monotonic() - started
            raise ReplicationOverdueError(spec.writer, behind, waited)
        for fqdn, found in apart.items():
            self._tell_apart(fqdn, found)

    def _tell_apart(self, fqdn: str, found: Followed) -> None:
        """Say what replication does not mend: the directories differed before."""
        writer = self.context.spec.writer
        if found.missing:
            text = (
                f"warning: its directory lacks {found.missing} endpoints of the lookup service that"
                f" name the new certificates on {writer}: check it with lsdoctor after the run"
            )
            self.context.tell(RENEW_CERTIFICATES, fqdn, text)
        if found.stale:
            text = (
                f"warning: in its directory alone {found.stale} endpoints of the lookup service"
                " name a certificate that is replaced: check it with lsdoctor after the run"
            )
            self.context.tell(RENEW_CERTIFICATES, fqdn, text)

    def _known(self, fqdn: str) -> _Known:
        registrations = self.context.directory(fqdn).registrations
        names = {r.principal for r in self.context.spec.renewals if r.principal}
        users = tuple(registrations.read_solution_user(name) for name in sorted(names))
        return _Known(users=users, anchors=registrations.read_trust_anchors())

    def _compared(self, fqdn: str, wanted: _Known, renewed: Sequence[Renewed]) -> Followed:
        try:
            known = self._known(fqdn)
        except TransientError:
            return Followed(is_behind=True)
        if not known.has_accounts_of(wanted):
            return Followed(is_behind=True)
        machines = [each for each in renewed if each.renewal.is_machine]
        return followed(
            known.anchors,
            wanted.anchors,
            news=frozenset(fingerprint(each.leaf) for each in machines),
            olds=frozenset(old for each in machines for old in each.replaced),
        )


def _accounts(users: Sequence[SolutionUser | None]) -> list[object]:
    return [user and (user.name.lower(), user.subject.lower(), user.certificates) for user in users]
