"""The lab's STS and its tenant: which credential signs, whom it trusts, when it reads again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import sso_directory
from sso_directory import ADMINISTRATOR, PASSWORD, MemoryDirectory, leaf, sound_directory
from sso_node import Node, bearer_token, running
from stsfix.lab import pki
from stsfix.lab.sso import wstrust
from stsfix.lab.sso.saml import TokenRejectedError

pytestmark = pytest.mark.lab


@pytest.fixture
def node():
    """A node whose one credential is valid and trusted."""
    with running(Node(sound_directory())) as node:
        yield node


class TestSigner:
    """Which credential signs, and what breaks the tenant (vmdir.md 3.1 and 3.5)."""

    def signer(self, directory: MemoryDirectory):
        """Return a running STS's name of its signer, and the STS."""
        node = Node(directory)
        node.sts.start()
        tenant = node.sts.tenant
        node.sts.stop()
        return tenant and tenant.signer and sso_directory.common_name(tenant.signer.chain[0])

    def test_highest_number_wins(self):
        """Index 10 beats 9 and 2, whatever the certificates say."""
        directory = MemoryDirectory()
        for index in (2, 10, 9):
            directory.add_credential(index, leaf(name=f"n{index}"), sso_directory.ROOT)

        assert self.signer(directory) == "n10"

    @pytest.mark.parametrize("index", ["1-old", "bak", "2 ", "99999999999", "1_0"])
    def test_malformed_index_breaks_the_tenant(self, index):
        """One entry whose tail is no Java int and nothing is loaded at all."""
        directory = sound_directory()
        directory.add_credential(index, leaf(), sso_directory.ROOT)

        assert self.signer(directory) is None

    @pytest.mark.parametrize(
        ("prefix", "index"), [("Foo-", 9), ("TenantCredential-", "09")], ids=["name", "zero"]
    )
    def test_base_read_of_another_name_misses(self, prefix, index):
        """The highest index is read by its exact DN, which does not exist here."""
        directory = sound_directory()
        directory.add_credential(index, leaf(), sso_directory.ROOT, prefix=prefix)

        assert self.signer(directory) is None

    def test_key_must_be_pkcs8(self):
        """A PKCS#1 key, which OpenSSL would take, breaks the tenant."""
        from cryptography.hazmat.primitives import serialization as s

        directory = sound_directory()
        entry = next(iter(directory.entries.values()))[1]
        entry["vmwstsprivatekey"] = [
            sso_directory.SIGNER_KEY.private_bytes(
                s.Encoding.DER, s.PrivateFormat.TraditionalOpenSSL, s.NoEncryption()
            )
        ]

        assert self.signer(directory) is None

    def test_wrong_key_is_noticed_by_the_verifier_only(self):
        """A key that does not belong to its certificate issues tokens nobody accepts."""
        directory = MemoryDirectory()
        certificate = leaf()
        directory.add_credential(1, certificate, key=sso_directory.OTHER_KEY)
        directory.add_chain(1, certificate)
        with running(Node(directory)) as node:
            token = bearer_token(node)

            assert node.sts.refusal() is None
            with pytest.raises(TokenRejectedError, match="signature"):
                node.sts.validate(token)

    def test_credential_without_chain_issues_untrusted_tokens(self):
        """Without its leaf in a chain the STS rejects what it signed itself."""
        directory = sound_directory()
        directory.add_credential(2, leaf(name="new"), sso_directory.ROOT)
        with running(Node(directory)) as node:
            token = bearer_token(node)

            assert node.sts.refusal() is None
            with pytest.raises(TokenRejectedError, match="CN=new is not trusted"):
                node.sts.validate(token)

    def test_expired_anchors_still_count(self):
        """Dates of trusted chains are not looked at."""
        directory = MemoryDirectory()
        directory.add_credential(1, leaf(), sso_directory.ROOT)
        with running(Node(directory)) as node:
            expired_root = pki.vmca_root(
                sso_directory.ROOT_KEY,
                domain="vsphere.local",
                host="vc1.lab.example",
                not_before=pki.days_from_now(-20),
                not_after=pki.days_from_now(-10),
            )
            token = bearer_token(node)

            assert node.sts.validate(token, (expired_root,)).token_id

    def test_leaf_vouches_for_nobody(self):
        """What the trusted leaf's key has signed as if it were a CA is not trusted."""
        trusted = leaf()
        child = pki.vmca_leaf(
            sso_directory.OTHER_KEY,
            issuer=trusted,
            issuer_key=sso_directory.SIGNER_KEY,
            common_name="child",
            not_before=pki.days_from_now(-1),
            not_after=pki.days_from_now(1),
        )
        directory = MemoryDirectory()
        directory.add_credential(1, child, trusted, key=sso_directory.OTHER_KEY)
        directory.add_chain(1, trusted, sso_directory.ROOT)
        with running(Node(directory)) as node:
            token = bearer_token(node)

            with pytest.raises(TokenRejectedError, match="CN=child is not trusted"):
                node.sts.validate(token)

    def test_expired_token_is_rejected(self, node):
        """Past its end and the tolerance a token is worth nothing."""
        token = bearer_token(node)
        node.ahead = timedelta(minutes=16)

        with pytest.raises(TokenRejectedError, match="not valid at"):
            node.sts.validate(token)


class TestRefresh:
    """The STS works on a copy of the tenant (vmdir.md 3.5)."""

    def test_change_is_seen_at_the_next_refresh(self, node):
        """Until it reads again the STS signs with the old credential."""
        new = leaf(name="new")
        node.directory.add_chain(2, new, sso_directory.ROOT)
        node.directory.add_credential(2, new, sso_directory.ROOT)

        before = node.sts.tenant.signer.chain[0]
        refreshed = node.sts.refresh()

        assert refreshed
        assert sso_directory.common_name(before) == "ssoserverSign"
        assert node.sts.tenant.signer.chain[0] == new

    def test_refresh_happens_by_itself(self):
        """Every 15 field seconds; at speed 300 that is 50 ms."""
        with running(Node(sound_directory(leaf(days=-1)), speed=300)) as node:
            new = leaf(name="new")
            node.directory.add_credential(2, new, sso_directory.ROOT)
            deadline = datetime.now(UTC) + timedelta(seconds=10)

            while node.sts.refusal() and datetime.now(UTC) < deadline:
                node.clock.sleep(5)

            assert node.sts.refusal() is None

    @pytest.mark.parametrize("trouble", ["malformed", "down"])
    def test_failed_refresh_keeps_the_old_tenant_until_a_restart(self, node, trouble):
        """A broken write looks fine until the STS starts again."""
        if trouble == "malformed":
            node.directory.add_credential("1-old", leaf(), sso_directory.ROOT)
        else:
            node.directory.down = True

        refreshed = node.sts.refresh()
        while_cached = node.sts.refusal()
        node.sts.stop()
        node.sts.start()

        assert not refreshed
        assert while_cached is None
        assert "no tenant vsphere.local" in node.sts.refusal()

    def test_start_forgets_what_was_read_before(self, node):
        """A tenant read while the STS was stopped is no cache to live on."""
        node.sts.stop()
        node.sts.refresh()
        node.directory.down = True

        node.sts.start()

        assert "no tenant vsphere.local" in str(node.sts.refusal())

    def test_domain_without_credential_cannot_issue(self, node):
        """Delete-then-add is seen: between the two there is nobody to sign."""
        del node.directory.entries[f"cn=TenantCredential-1,{sso_directory.TENANT_DN}"]

        node.sts.refresh()

        assert node.sts.refusal() == "the tenant has no signing credential"
        with pytest.raises(wstrust.StsFault):
            node.sts.issue_for(ADMINISTRATOR, PASSWORD)
