"""One node's vmdir over LDAPS: the `Directory` port on ldap3."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stsfix.remediation.directory import dn, vmdir_certificates, vmdir_entries
from stsfix.remediation.directory.ldap_session import ALREADY_EXISTS, NO_SUCH_OBJECT, LdapSession
from stsfix.remediation.directory.vmdir_registrations import LdapRegistrations
from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryLoginError,
    DomainNotFoundError,
    EntryChangedError,
    TenantNotFoundError,
)
from stsfix.remediation.model import ReplicationStatus, StsEntries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.directory.ldap_connection import Entry
    from stsfix.remediation.directory.sts_export import StsMaterial
    from stsfix.remediation.inventory_certificates import DirectoryCertificates
    from stsfix.remediation.model import RootDse, StsEntry, Topology
    from stsfix.remediation.ports import IssuedCredential
    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint

logger = logging.getLogger(__name__)

_ANY: Final = "(objectClass=*)"
"""The one filter that vmdird's rootDSE and status entries answer to (measured, section 3)."""

_LOOKED_THROUGH: Final = 500
"""Entries that are looked at to tell changes that are sent to partners from others."""

_ADMINISTRATOR: Final = "administrator"
_INVALID_DN: Final = 34


class LdapDirectory:
    """`Directory` of one node. *user* is ``name@domain``, a plain name, or a DN. Directories of
    one domain hold the same keys and should share a *key_judge*.

    Construction connects to nothing. ``administrator@<domain>`` logs in with the DN that the
    rootDSE names, any other name as ``cn=<name>,cn=Users,<domain DN>``: vmdird takes DNs only.

    Raises:
        ValueError: The password is empty or the domain is no DNS name.
    """

    def __init__(
        self,
        node: str,
        endpoint: Endpoint,
        *,
        domain: str,
        user: str,
        password: Secret[str],
        clock: Clock,
        key_judge: vmdir_entries.KeyJudge | None = None,
    ) -> None:
        self._node = node
        self._domain = domain
        self._tenant = dn.tenant(domain)
        self._user = user
        self._user_dn: str | None = None
        self._key_judge = key_judge or vmdir_entries.KeyJudge()
        self._session = LdapSession(
            node, endpoint, find_user_dn=self._find_user_dn, password=password, clock=clock
        )

    @property
    def node(self) -> str:
        """FQDN of the node whose directory this is."""
        return self._node

    @property
    def registrations(self) -> LdapRegistrations:
        """Accounts, endpoints and trusted roots, over the same session."""
        return LdapRegistrations(
            node=self._node,
            domain=self._domain,
            session=self._session,
            prove=self._prove,
            find=self._find,
            search=self._searched,
        )

    def read_root_dse(self) -> RootDse:
        """Read the rootDSE without logging in."""
        found = self._session.search_anonymous("", _ANY, scope="BASE", attributes=dn.ROOT_DSE)
        if not found:
            raise DirectoryFaultError(self._node, "search of the rootDSE", 0, "no entry came back")
        return vmdir_entries.root_dse(found[0])

    def read_topology(self) -> Topology:
        """Read accounts, servers and agreements in four searches; proves first that our user sees
        them: to anybody else the domain is empty.
        """
        self._prove()
        sites = dn.sites(self._domain)
        return vmdir_entries.topology(
            self._domain,
            controllers=self._below(dn.controllers(self._domain)),
            computers=self._below(dn.computers(self._domain)),
            servers=self._within(sites, dn.SERVER_CLASS, dn.INVOCATION_ID),
            agreements=self._within(sites, dn.AGREEMENT_CLASS, dn.LABELED_URI),
        )

    def read_sts_entries(self) -> StsEntries:
        """Read the tenant entry, then its credentials, then its trusted chains."""
        tenant = self._proven(dn.AUTHN_TYPES)
        credentials = self._level(
            self._tenant, dn.CREDENTIAL_CLASS, (*vmdir_entries.STS_ATTRIBUTES, dn.PRIVATE_KEY)
        )
        chains = self._level(dn.chains(self._domain), dn.CHAIN_CLASS, vmdir_entries.STS_ATTRIBUTES)
        return StsEntries(
            node=self._node,
            credentials=vmdir_entries.sts_entries("credential", credentials, self._key_judge),
            chains=vmdir_entries.sts_entries("chain", chains),
            authn_types=vmdir_entries.short_texts(tenant, dn.AUTHN_TYPES),
        )

    def read_sts_material(self) -> tuple[StsMaterial, ...]:
        """Read credentials with their keys, and chains."""
        self._prove()
        wanted = (dn.CN, dn.OBJECT_CLASS, dn.CERTIFICATE)
        credentials = self._level(self._tenant, dn.CREDENTIAL_CLASS, (*wanted, dn.PRIVATE_KEY))
        chains = self._level(dn.chains(self._domain), dn.CHAIN_CLASS, wanted)
        found = [
            *(vmdir_entries.sts_material("credential", entry) for entry in credentials),
            *(vmdir_entries.sts_material("chain", entry) for entry in chains),
        ]
        return tuple(sorted(found, key=lambda e: e.dn.lower()))

    def add_material(self, entry: StsMaterial) -> None:
        """Add the entry with the attributes that were exported; the server makes the others."""
        self._prove()
        attributes = {
            # vmdird shows `top` whether or not it was written; written twice it is refused.
            dn.OBJECT_CLASS: list(dict.fromkeys(c.encode() for c in entry.object_classes)),
            dn.CN: [entry.cn.encode()],
            dn.CERTIFICATE: list(entry.certificates),
        }
        if entry.key is not None:
            attributes[dn.PRIVATE_KEY] = [entry.key.reveal()]
        call = f"add of {entry.cn}"
        try:
            self._session.add(entry.dn, attributes, call=call)
        except DirectoryFaultError as error:
            if error.code != NO_SUCH_OBJECT or entry.kind != "chain":
                raise
            self._add_container()
            self._session.add(entry.dn, attributes, call=call)

    def read_replication_status(self) -> ReplicationStatus:
        """Read cn=replicationstatus, or the node's own server entry where there is none.

        Logged in, because builds of the age of 6.5 refuse it to anybody else (50, measured).
        """
        found = self._find(dn.REPLICATION_STATUS, dn.STATUS)
        if found is not None:
            lines = [v.decode(errors="replace") for v in found.values(dn.STATUS)]
            status = vmdir_entries.replication_status(lines)
            if status.invocation_id:
                return status
        return self._read_own_server()

    def has_changes_after(self, usn: int, *, invocation_id: str) -> bool:
        """See `ports.Directory`; one search by the filter that replication itself uses."""
        found = self._session.search(
            dn.domain_dn(self._domain),
            f"({dn.USN_CHANGED}>={usn + 1})",
            scope="SUBTREE",
            attributes=(dn.OBJECT_CLASS, dn.META_DATA),
            most=_LOOKED_THROUGH,
            deleted=True,
        )
        if len(found) >= _LOOKED_THROUGH:
            return True
        return any(vmdir_entries.is_news(entry, usn, invocation_id) for entry in found)

    def read_certificates(self) -> DirectoryCertificates:
        """Read each part in one or two searches; a part that is refused costs that part only."""
        self._prove()
        return vmdir_certificates.read_certificates(self._node, self._domain, self._searched)

    def add_trusted_root(self, root: bytes) -> bool:
        """Add *root* below cn=Certificate-Authorities unless it is there, under any name."""
        self._prove()
        container = dn.authorities(self._domain)
        known = self._level(container, dn.AUTHORITY_CLASSES[0], (dn.CA_CERTIFICATE,))
        values = [v for entry in known for v in entry.values(dn.CA_CERTIFICATE)]
        if any(vmdir_entries.holds_certificate(v, root) for v in values):
            return False
        parsed = x509.load_der_x509_certificate(root)
        key_id = _key_id(parsed)
        attributes = {
            dn.OBJECT_CLASS: [name.encode() for name in dn.AUTHORITY_CLASSES],
            dn.CN: [key_id.encode()],
            # PEM text, not DER: vmafd reads it so (vmafd/server/vmafd/ldap.c).
            dn.CA_CERTIFICATE: [parsed.public_bytes(Encoding.PEM)],
            dn.CA_CERTIFICATE_DN: [vmdir_entries.one_line(parsed.subject).encode()],
        }
        self._session.add(
            dn.authority(self._domain, key_id), attributes, call=f"add of trusted root {key_id}"
        )
        return True

    def add_chain(self, index: int, chain: Sequence[bytes]) -> None:
        """Add the chain; makes its container first where vmdird says that it is missing."""
        self._prove()
        try:
            self._add_chain(index, chain)
        except DirectoryFaultError as error:
            if error.code != NO_SUCH_OBJECT:
                raise
            self._add_container()
            self._add_chain(index, chain)

    def add_credential(self, index: int, credential: IssuedCredential) -> None:
        """Add key and chain as one entry, leaf first: the identity service sorts nothing."""
        self._prove()
        name = dn.credential_name(index)
        attributes = {
            dn.OBJECT_CLASS: [dn.CREDENTIAL_CLASS.encode(), b"top"],
            dn.CN: [name.encode()],
            dn.CERTIFICATE: list(credential.chain),
            dn.PRIVATE_KEY: [credential.key_pkcs8.reveal()],
        }
        self._session.add(dn.credential(self._domain, index), attributes, call=f"add of {name}")

    def delete_entry(self, entry: StsEntry) -> None:
        """Delete *entry* if objectGUID and certificates are still those that were seen."""
        # Proves that absent means absent: an entry is invisible to who may not read it.
        self._prove()
        found = self._find(entry.dn, dn.OBJECT_GUID, dn.CERTIFICATE)
        if found is None:
            return
        if (found.text(dn.OBJECT_GUID), found.values(dn.CERTIFICATE)) != (
            entry.object_guid,
            entry.chain,
        ):
            raise EntryChangedError(self._node, entry.dn)
        try:
            self._session.delete(entry.dn, call=f"delete of {entry.dn}")
        except DirectoryFaultError as error:
            if error.code != NO_SUCH_OBJECT:
                raise

    def close(self) -> None:
        """Unbind; never raises."""
        self._session.close()

    # ------------------------------------------------------------------ inside

    def _find_user_dn(self) -> str:
        """Return the DN to log in with, after the node proved to serve our domain."""
        if self._user_dn is None:
            root = self.read_root_dse()
            if not dn.same(root.domain_dn, dn.domain_dn(self._domain)):
                found = dn.domain_name(root.domain_dn) or root.domain_dn or "none"
                raise DomainNotFoundError(self._node, self._domain, found)
            self._user_dn = self._user_of(root)
        return self._user_dn

    def _user_of(self, root: RootDse) -> str:
        if "=" in self._user:
            return self._user
        name, at, of_domain = self._user.partition("@")
        if at and of_domain.lower() != self._domain.lower():
            # A user of an identity source: vmdird knows none and would say 34. Nothing is sent.
            raise DirectoryLoginError(self._node, self._user, _INVALID_DN)
        if name.lower() == _ADMINISTRATOR and root.admin_dn:
            return root.admin_dn
        return dn.user(self._domain, name)

    def _prove(self) -> None:
        self._proven()

    def _proven(self, *attributes: str) -> Entry:
        """Return the tenant entry, which nobody but a bound administrator sees.

        Also wakes or replaces the connection, so that a write that follows is not the first to
        learn that it was dropped.
        """
        tenant = self._find(self._tenant, dn.CN, *attributes)
        if tenant is None:
            raise TenantNotFoundError(self._node, self._tenant)
        return tenant

    def _find(self, name: str, *attributes: str) -> Entry | None:
        """Return the entry *name*, None if there is none or it is not visible."""
        try:
            found = self._session.search(name, _ANY, scope="BASE", attributes=attributes)
        except DirectoryFaultError as error:
            if error.code != NO_SUCH_OBJECT:
                raise
            return None
        return found[0] if found else None

    def _level(self, base: str, of_class: str, attributes: Sequence[str]) -> tuple[Entry, ...]:
        """Return direct children of a class, in the order received; none if *base* is missing."""
        return self._searched(base, of_class, attributes, deep=False)

    def _searched(
        self, base: str, of_class: str, attributes: Sequence[str], *, deep: bool
    ) -> tuple[Entry, ...]:
        """Return entries of a class below *base*, all of them if *deep*; none without *base*."""
        try:
            return self._session.search(
                base,
                f"(objectClass={of_class})",
                scope="SUBTREE" if deep else "LEVEL",
                attributes=attributes,
            )
        except DirectoryFaultError as error:
            if error.code != NO_SUCH_OBJECT:
                raise
            return ()

    def _below(self, base: str) -> tuple[Entry, ...]:
        """Return the accounts below *base*: of any class, they differ between ages."""
        return self._level(base, "*", (dn.CN,))

    def _within(self, base: str, of_class: str, attribute: str) -> tuple[Entry, ...]:
        return self._session.search(
            base, f"(objectClass={of_class})", scope="SUBTREE", attributes=(attribute,)
        )

    def _read_own_server(self) -> ReplicationStatus:
        """Builds before cn=replicationstatus tell the same on the server entry (vmdir.md 6.6)."""
        own = self.read_root_dse().server_dn
        found = self._find(own, dn.CN, dn.INVOCATION_ID, dn.UP_TO_DATE_VECTOR)
        if found is None:
            raise DirectoryFaultError(self._node, f"search of {own}", NO_SUCH_OBJECT, "")
        root = self._find("", dn.HIGHEST_USN)
        usn = root.text(dn.HIGHEST_USN) if root else ""
        return ReplicationStatus(
            server=found.text(dn.CN).lower(),
            usn=vmdir_entries.number(usn) or 0,
            invocation_id=found.text(dn.INVOCATION_ID),
            up_to_date=vmdir_entries.vector(found.text(dn.UP_TO_DATE_VECTOR)),
        )

    def _add_chain(self, index: int, chain: Sequence[bytes]) -> None:
        name = dn.chain_name(index)
        attributes = {
            dn.OBJECT_CLASS: [dn.CHAIN_CLASS.encode(), b"top"],
            dn.CN: [name.encode()],
            dn.CERTIFICATE: list(chain),
        }
        self._session.add(dn.chain(self._domain, index), attributes, call=f"add of {name}")

    def _add_container(self) -> None:
        name = dn.chains(self._domain)
        attributes = {
            dn.OBJECT_CLASS: [dn.CONTAINER_CLASS.encode(), b"top"],
            dn.CN: [dn.split(name)[0][1].encode()],
        }
        try:
            self._session.add(name, attributes, call="add of the container of trusted chains")
        except DirectoryFaultError as error:
            if error.code != ALREADY_EXISTS:
                raise


def _key_id(root: x509.Certificate) -> str:
    """Return the SKI in upper-case hex, computed from the key if absent (vmca/common/ldap.c)."""
    try:
        found = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        digest = x509.SubjectKeyIdentifier.from_public_key
        found = digest(root.public_key())
    return found.digest.hex().upper()
