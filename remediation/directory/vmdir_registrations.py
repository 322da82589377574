"""Accounts, endpoints and trusted roots of one vmdir: the `Registrations` port on ldap3.

Whole attributes are replaced, one change each in one request: vmdird applies several changes of
an attribute in reverse order, and single values cannot be added on newer builds (measured, 1.1
and 1.2). So does dir-cli (DirCliLdapUpdateService in vmafd/tools/dir-cli/ldap.c, Lightwave
a04d9171).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.remediation.directory import dn, vmdir_certificates
from stsfix.remediation.directory.ldap_session import NO_SUCH_OBJECT
from stsfix.remediation.errors import DirectoryFaultError, EntryChangedError
from stsfix.remediation.inventory_certificates import SolutionUser
from stsfix.remediation.pki import certificates

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.directory.ldap_connection import Entry
    from stsfix.remediation.directory.ldap_session import LdapSession
    from stsfix.remediation.renewal.trust_anchors import Replacement, TrustAnchors


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapRegistrations:
    """`ports_certificates.Registrations` over the session of one `LdapDirectory`.

    *prove* raises unless the login sees the tenant; *find* reads one entry.
    """

    node: str
    domain: str
    session: LdapSession
    prove: Callable[[], None]
    find: Callable[..., Entry | None]
    search: vmdir_certificates.Search

    def read_solution_user(self, name: str) -> SolutionUser | None:
        """See the port."""
        self.prove()
        found = self.find(dn.service_principal(self.domain, name), dn.CERTIFICATE, dn.SUBJECT_DN)
        if found is None:
            return None
        return SolutionUser(
            name=name, subject=found.text(dn.SUBJECT_DN), certificates=found.values(dn.CERTIFICATE)
        )

    def replace_certificate(self, user: SolutionUser, certificate: bytes, subject: str) -> None:
        """See the port; the subject is written only if it changes, as dir-cli does."""
        place = dn.service_principal(self.domain, user.name)
        found = self.read_solution_user(user.name)
        if found is None:
            raise DirectoryFaultError(self.node, f"search of {place}", NO_SUCH_OBJECT, "")
        same_subject = found.subject.lower() == subject.lower()
        if found.certificates == (certificate,) and same_subject:
            return
        if found != user:
            raise EntryChangedError(self.node, place)
        changes = {dn.CERTIFICATE: [certificate]}
        if not same_subject:
            changes[dn.SUBJECT_DN] = [subject.encode()]
        self.session.replace(place, changes, call=f"new certificate of {user.name}")

    def read_trust_anchors(self) -> tuple[TrustAnchors, ...]:
        """See the port."""
        self.prove()
        return vmdir_certificates.trust_anchors(self.domain, self.search)

    def replace_trust_anchors(self, replacement: Replacement) -> None:
        """See the port."""
        anchors = replacement.anchors
        attribute = dn.LOOKUP_TRUST if anchors.encoding == "base64" else dn.OLD_LOOKUP_TRUST
        self.prove()
        found = self.find(anchors.dn, attribute)
        values = found.values(attribute) if found else ()
        if values == replacement.values:
            return
        if values != anchors.values:
            raise EntryChangedError(self.node, anchors.dn)
        call = f"new trust anchor of {anchors.dn}"
        self.session.replace(anchors.dn, {attribute: list(replacement.values)}, call=call)

    def read_roots(self) -> frozenset[bytes]:
        """See the port."""
        self.prove()
        found = self._authorities()
        return frozenset(der for entry in found for der in _certificates(entry))

    def remove_root(self, root: bytes) -> None:
        """See the port."""
        self.prove()
        for entry in self._authorities():
            held = _certificates(entry)
            if root not in held:
                continue
            if set(held) != {root}:
                raise EntryChangedError(self.node, entry.dn)
            name = certificates.fingerprint(root)
            self.session.delete(entry.dn, call=f"delete of trusted root {name}")

    def _authorities(self) -> tuple[Entry, ...]:
        place, of_class = dn.authorities(self.domain), dn.AUTHORITY_CLASSES[0]
        return tuple(self.search(place, of_class, (dn.CN, dn.CA_CERTIFICATE), deep=False))


def _certificates(entry: Entry) -> tuple[bytes, ...]:
    values = entry.values(dn.CA_CERTIFICATE)
    return tuple(der for value in values for der in vmdir_certificates.from_pem(value))
