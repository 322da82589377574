"""Who may bind, and who may read and write (vmdird measured, 2, 4 and 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.vmdir import ages, dn
from stsfix.lab.vmdir.ages import LdapRefusal

if TYPE_CHECKING:
    from stsfix.lab.vmdir.ages import Behaviour
    from stsfix.lab.vmdir.store import DirectoryStore, Entry

_LOCK_AFTER = 8
_ADMIN_GROUPS = ("Administrators", "DCAdmins")


def bind(store: DirectoryStore, user_dn: str, password: bytes, age: Behaviour) -> str:
    """Return the DN of the user whose password it is.

    Raises:
        LdapRefusal: The session is anonymous now.
    """
    try:
        key = dn.key(user_dn)
    except dn.NotADnError:
        raise LdapRefusal(age.not_a_bind_dn) from None
    entry = store.entries.get(key)
    if entry is None or entry.last_dn:
        raise LdapRefusal(age.unknown_bind_dn)
    if not password_is(store, entry, password):
        raise LdapRefusal(ages.INVALID_CREDENTIALS)
    if is_locked(store, entry):
        raise LdapRefusal(age.locked_out)
    return entry.dn


def password_is(store: DirectoryStore, entry: Entry, password: bytes) -> bool:
    """Tell whether *password* is the entry's, and count wrong ones; a lock says nothing here.

    The Administrator's are not counted (measured). An empty password is never right.
    """
    key = dn.key(entry.dn)
    if password and password in entry.attributes.get("userPassword", []):
        if not is_locked(store, entry):
            store.bad_passwords.pop(key, None)
        return True
    if key != dn.key(store.identity.administrator_dn):
        store.bad_passwords[key] = store.bad_passwords.get(key, 0) + 1
    return False


def is_locked(store: DirectoryStore, entry: Entry) -> bool:
    """Tell whether too many wrong passwords were tried. Only a new password ends it here."""
    return store.bad_passwords.get(dn.key(entry.dn), 0) >= _LOCK_AFTER


def is_administrator(store: DirectoryStore, user_dn: str) -> bool:
    """Tell whether the user may read and write everything: a member of Administrators or DCAdmins.

    Membership through a nested group is not looked for.
    """
    wanted = dn.key(user_dn)
    for group in _ADMIN_GROUPS:
        members = store.attribute(f"cn={group},cn=Builtin,{store.identity.domain_dn}", "member")
        if any(dn.key(member.decode("utf-8", "replace")) == wanted for member in members):
            return True
    return False


def find_by_upn(store: DirectoryStore, upn: str) -> Entry | None:
    """Return the account with that userPrincipalName, without regard to case, or None."""
    wanted = upn.casefold()
    for entry in store.entries.values():
        names = entry.attributes.get("userPrincipalName", [])
        if any(name.decode("utf-8", "replace").casefold() == wanted for name in names):
            return entry
    return None
