"""The `Directory` port: one body, in memory, on the lab's vmdir of three ages, and on slapd."""

from __future__ import annotations

from dataclasses import replace

import pytest

from directory_worlds import (
    OLD,
    OTHERS,
    TENANT,
    other_root,
    require_slapd,
    slapd_world,
)
from slapd_peer import INVOCATION_ID, PARTNER, PARTNER_ID
from sts_material import NODE, credential, key
from stsfix.lab import pki
from stsfix.remediation.directory import dn
from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryLoginError,
    DomainNotFoundError,
    EntryChangedError,
    TenantNotFoundError,
)
from stsfix.remediation.inventory_certificates import ChainOwner
from stsfix.remediation.ports import IssuedCredential
from stsfix.snapshot.secret import Secret

NEW = credential("new")


def test_root_dse_names_domain_and_administrator(directory):
    """The rootDSE needs no login and names the domain."""
    found = directory.read_root_dse()

    assert found.domain_dn.lower() == "dc=vsphere,dc=local"
    assert found.admin_dn.lower() == "cn=administrator,cn=users,dc=vsphere,dc=local"
    assert found.server_dn.lower().startswith(f"cn={NODE},cn=servers,")
    assert found.site == "Default-First-Site"


def test_topology_names_every_node_and_agreement(directory):
    """Controllers, computers and servers with their partners come from one node."""
    found = directory.read_topology()

    assert found.controllers == (NODE, PARTNER)
    assert found.computers == ("vc9.lab.example",)
    assert [(s.name, s.partners) for s in found.servers] == [(NODE, (PARTNER,)), (PARTNER, (NODE,))]
    assert all(s.invocation_id for s in found.servers)


def test_replication_status_is_of_this_node(directory):
    """The status names the node itself and its own invocation id."""
    own = next(s for s in directory.read_topology().servers if s.name == NODE)

    found = directory.read_replication_status()

    assert found.server == NODE
    assert found.invocation_id == own.invocation_id
    assert found.usn > 0


def test_changes_that_partners_have_to_be_sent_are_told(request, directory):
    """None after the last there is; one that was made since counts, deleted or not."""
    if request.node.callspec.params["world"] == "slapd":
        pytest.skip("slapd numbers no changes")
    status = directory.read_replication_status()

    def has_news():
        return directory.has_changes_after(status.usn, invocation_id=status.invocation_id)

    before = has_news()
    directory.add_chain(77, OLD.chain)
    added = has_news()
    made = next(e for e in directory.read_sts_entries().chains if e.index == 77)
    directory.delete_entry(made)

    assert (before, added, has_news()) == (False, True, True)


def test_sts_entries_come_as_stored(directory):
    """Credential and chain have their number, certificates in order and a verdict on the key."""
    found = directory.read_sts_entries()

    assert [(c.index, c.chain, c.key_matches) for c in found.credentials] == [(1, OLD.chain, True)]
    assert [(c.index, c.chain, c.key_matches) for c in found.chains] == [(1, OLD.chain, None)]
    assert found.node == NODE
    assert all(e.object_guid for e in (*found.credentials, *found.chains))


def test_an_entry_comes_whole_and_goes_back_as_it_was(directory):
    """Key, certificates and classes of credential and chain are enough to add them again."""
    before = directory.read_sts_material()
    entries = directory.read_sts_entries()

    for entry in (*entries.credentials, *entries.chains):
        directory.delete_entry(entry)
    gone = directory.read_sts_material()
    for entry in before:
        directory.add_material(entry)

    assert [(e.kind, e.cn, e.certificates, e.key) for e in before] == [
        ("credential", "TenantCredential-1", OLD.chain, OLD.key_pkcs8),
        ("chain", "TrustedCertChain-1", OLD.chain, None),
    ]
    assert gone == ()
    assert directory.read_sts_material() == before
    assert directory.read_sts_entries().credentials[0].key_matches


def test_certificates_of_everybody_else_come_with_their_owner(directory):
    """Solution users, roots, chains, registrations and identity sources are read whole; only the
    chains of the STS itself are its own.
    """
    found = directory.read_certificates()

    sources = tuple(s for s in found.identity_sources if s.name != "vsphere.local")
    own = [c for c in found.chains if c.owner is ChainOwner.STS]
    foreign = tuple(c for c in found.chains if c.owner.is_untouchable)
    assert [c.chain for c in own] == [OLD.chain]
    assert [(c.owner, c.chain) for c in foreign] == [(c.owner, c.chain) for c in OTHERS.chains]
    assert [dn.split(c.dn) for c in foreign] == [dn.split(c.dn) for c in OTHERS.chains]
    assert replace(found, chains=OTHERS.chains, identity_sources=sources) == OTHERS


def test_missing_containers_hold_no_certificates(directory, world):
    """Containers that a release does not have are no error and no unread part."""
    for source in directory.read_certificates().identity_sources:
        world.remove(f"cn={source.name},cn=IdentityProviders,{TENANT}")
    world.remove(f"cn=IdentityProviders,{TENANT}")

    found = directory.read_certificates()

    assert found.identity_sources == ()
    assert found.has_read("identity sources")


def test_new_pair_is_read_back_as_written(directory):
    """Chain, then credential: the same bytes in the same order, and the new one signs."""
    directory.add_chain(2, NEW.chain)
    directory.add_credential(2, NEW)

    found = directory.read_sts_entries()
    signing = found.signing()
    assert signing is not None
    assert (signing.index, signing.chain, signing.key_matches) == (2, NEW.chain, True)
    assert sorted(c.index for c in found.chains) == [1, 2]
    assert {c.chain for c in found.chains} == {OLD.chain, NEW.chain}


def test_order_of_certificates_is_the_order_written(directory):
    """Nothing sorts certificates: a chain written root first is read root first."""
    directory.add_chain(2, NEW.chain[::-1])

    found = {c.index: c.chain for c in directory.read_sts_entries().chains}
    assert found[2] == NEW.chain[::-1]


def test_key_of_another_leaf_is_seen(directory):
    """A credential whose key is not its leaf's is told apart by the reader."""
    mixed = IssuedCredential(chain=NEW.chain, key_pkcs8=Secret(pki.pkcs8(key("another"))))
    directory.add_chain(2, NEW.chain)

    directory.add_credential(2, mixed)

    signing = directory.read_sts_entries().signing()
    assert signing is not None
    assert signing.key_matches is False


@pytest.mark.parametrize("kind", ["credential", "chain"])
def test_used_number_is_refused_with_68(directory, kind):
    """Adding an entry that exists changes nothing and says 68."""
    given = {"credential": NEW, "chain": NEW.chain}[kind]

    with pytest.raises(DirectoryFaultError) as raised:
        getattr(directory, f"add_{kind}")(1, given)

    assert raised.value.code == 68
    assert directory.read_sts_entries().credentials[0].chain == OLD.chain


def test_missing_container_is_made(directory, world):
    """A tenant without cn=TrustedCertificateChains gets it with the first chain."""
    world.remove(f"cn=TrustedCertChain-1,cn=TrustedCertificateChains,{TENANT}")
    world.remove(f"cn=TrustedCertificateChains,{TENANT}")
    assert directory.read_sts_entries().chains == ()

    directory.add_chain(1, NEW.chain)

    assert [c.chain for c in directory.read_sts_entries().chains] == [NEW.chain]


def test_deleted_entry_is_gone_and_stays_gone(directory):
    """Deleting takes the whole entry; deleting it again succeeds."""
    directory.add_chain(2, NEW.chain)
    directory.add_credential(2, NEW)
    old = directory.read_sts_entries().credentials[0]

    directory.delete_entry(old)
    directory.delete_entry(old)

    assert [c.index for c in directory.read_sts_entries().credentials] == [2]


def test_other_entry_of_the_same_dn_is_not_deleted(directory, world):
    """An entry that was replaced since it was read is left alone."""
    seen = directory.read_sts_entries().chains[0]
    world.remove(seen.dn)
    directory.add_chain(1, NEW.chain)

    with pytest.raises(EntryChangedError):
        directory.delete_entry(seen)

    assert [c.chain for c in directory.read_sts_entries().chains] == [NEW.chain]


def test_trusted_root_is_added_once(directory):
    """The first time it is added, the second time it is there."""
    first = directory.add_trusted_root(other_root())
    second = directory.add_trusted_root(other_root())

    assert (first, second) == (True, False)


def test_wrong_password_is_a_refused_login(world):
    """A wrong password is told as such, again without a second try."""
    directory = world.directory(password="wrong")

    for _ in range(2):
        with pytest.raises(DirectoryLoginError) as raised:
            directory.read_sts_entries()
        assert raised.value.node == NODE
    directory.close()


def test_unknown_user_is_a_refused_login(world):
    """A user that does not exist is a refused login too (32 or 49 by age)."""
    directory = world.directory(user="nobody@vsphere.local", password="wrong")

    with pytest.raises(DirectoryLoginError):
        directory.read_sts_entries()
    directory.close()


def test_user_who_sees_no_tenant_is_not_told_there_are_no_credentials(world):
    """No entries for a user without rights is a missing tenant, never an empty domain."""
    directory = world.directory(user="ordinary@vsphere.local")

    with pytest.raises(TenantNotFoundError):
        directory.read_sts_entries()
    directory.close()


def test_user_who_sees_no_tenant_is_not_told_there_are_no_certificates(world):
    """As with the STS entries: nothing seen proves nothing before the tenant is seen."""
    directory = world.directory(user="ordinary@vsphere.local")

    with pytest.raises(TenantNotFoundError):
        directory.read_certificates()
    directory.close()


def test_node_of_another_domain_is_refused(world):
    """The domain asked for must be the one that the node serves."""
    directory = world.directory(user="administrator@other.local", domain="other.local")

    with pytest.raises(DomainNotFoundError, match=r"vsphere\.local, not other\.local"):
        directory.read_sts_entries()
    directory.close()


def test_closed_directory_can_be_used_again(directory):
    """Closing twice is fine, and the next read opens a new session."""
    directory.close()
    directory.close()

    assert directory.read_sts_entries().credentials


@pytest.mark.peer
def test_old_build_tells_its_replication_on_its_own_server_entry(tmp_path):
    """Where cn=replicationstatus is missing, the node's vmwDirServer entry says the same."""
    require_slapd()
    with slapd_world(tmp_path, status=False) as old:
        directory = old.directory()

        found = directory.read_replication_status()
        directory.close()

    assert (found.server, found.invocation_id, found.usn) == (NODE, INVOCATION_ID, 5120)
    assert found.up_to_date == {PARTNER_ID: 4321}


@pytest.mark.peer
def test_user_given_as_dn_logs_in_with_it(tmp_path):
    """A full DN is used as it is."""
    require_slapd()
    with slapd_world(tmp_path) as peer:
        directory = peer.directory(user="cn=Administrator,cn=Users,dc=vsphere,dc=local")

        found = directory.read_sts_entries()
        directory.close()

    assert len(found.credentials) == 1
