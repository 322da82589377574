"""The scripts for certool and vecs-cli, run by real bash; openssl is the CA."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bash_node import PLAN, READY, BashNode
from sts_material import NODE, key, root
from stsfix.remediation.errors import VmcaError
from stsfix.remediation.nodes.extensions import Extension
from stsfix.remediation.pki import certificates, issuing
from stsfix.remediation.pki.authority import CertificateRequest, is_clipped
from stsfix.remediation.transports.tools_reader import NodeToolsReader
from stsfix.remediation.transports.vmca import CertoolAuthority, VecsStores
from stsfix.snapshot.secret import Secret

pytestmark = pytest.mark.skipif(not READY, reason="needs bash and openssl")


class RealClock:
    """The moment at which openssl really signs."""

    def now(self):
        return datetime.now(UTC)

    def monotonic(self):
        return 0.0

    def sleep(self, seconds):
        raise AssertionError(seconds)


class Dead(BaseException):
    """The process was killed."""


class DyingNode(BashNode):
    """Right after the key is there nothing works any more."""

    def run(self, node, script, **how):
        if self.left_behind:
            raise Dead
        return super().run(node, script, **how)


@pytest.fixture
def node(tmp_path):
    """A node whose VMCA has a root in its time."""
    made = BashNode(tmp_path)
    now = RealClock().now()
    ca = issuing.make_root(
        key("bash-root"),
        domain="vsphere.local",
        node=NODE,
        not_before=now - timedelta(days=30),
        not_after=now + timedelta(days=3000),
    )
    made.provision(ca, key("bash-root"))
    return made


def authority(node) -> CertoolAuthority:
    """Return the product's reader of *node*'s VMCA."""
    return CertoolAuthority(node, RealClock(), programs=node.programs)


def request(name="ssoserverSign", asked=2900, **changes) -> CertificateRequest:
    """Return a request for *asked* days."""
    now = RealClock().now()
    values = {
        "subject": (("CN", name), ("OU", "mID-1"), ("C", "US")),
        "dns_names": (NODE,),
        "not_before": now - timedelta(days=1),
        "not_after": now + timedelta(days=asked),
        "key_pkcs8": Secret(issuing.pkcs8(key("bash-leaf"))),
    }
    return CertificateRequest(**(values | changes))


def test_root_is_read_and_its_key_stays(node):
    """Root, key match and service are known; of the key file only the public half came back."""
    seen = authority(node).read_root(PLAN)

    assert (
        x509.load_der_x509_certificate(seen.chain[0]).public_key() == key("bash-root").public_key()
    )
    assert (seen.certool, seen.serves, seen.serves_root, seen.key_matches) == (True,) * 4
    assert not seen.takes_requests
    assert node.secrets == 0


def test_vmca_that_is_down_or_differs_is_told(node):
    """A service that does not answer, another root and a foreign key are each known."""
    node.provision(root("bash-other"), key("bash-third"), served=root("bash-old"))
    other = authority(node).read_root(PLAN)
    node.flag("down")
    down = authority(node).read_root(PLAN)

    assert (other.serves, other.serves_root, other.key_matches) == (True, False, False)
    assert down.serves is False


def test_node_without_vmca_says_so(tmp_path):
    """Without certool and root every fact has its reason, and nothing is guessed."""
    node = BashNode(tmp_path)
    (tmp_path / "certool").unlink()

    seen = authority(node).read_root(PLAN)

    assert seen.chain == ()
    assert "No such file" in seen.unread
    assert seen.certool is False
    assert seen.serves is False


@pytest.mark.parametrize("csr", [True, False], ids=["csr", "key"])
def test_signed_leaf_is_ours(node, csr):
    """Leaf and root come back, our key in the leaf; the key was on the node only if needed."""
    if csr:
        node.flag("takes-requests")

    signed = authority(node).sign(PLAN, request())

    leaf = x509.load_der_x509_certificate(signed.leaf)
    assert leaf.public_key() == key("bash-leaf").public_key()
    assert len(signed.chain) == 2
    assert signed.way == ("csr" if csr else "key")
    assert node.secrets == (0 if csr else 1)
    assert node.left_behind == []
    if not csr:
        assert "key 600" in node.calls
        assert "folder 700" in node.calls
        assert not any("BEGIN" in call for call in node.calls)


def test_refused_request_falls_back_to_the_key(node):
    """A certool that lists the option and refuses the request gets the key, and it is told."""
    node.flag("takes-requests")
    node.flag("refuses--gencertfromcsr")

    signed = authority(node).sign(PLAN, request())

    assert signed.way == "key"
    assert "policy said no" in signed.remarks[0]
    assert node.left_behind == []


def test_refusal_is_an_error_with_certools_words(node):
    """VMCA's own code and text are in the error, nothing of ours is left, no key is in it."""
    node.flag("refuses--gencert")

    with pytest.raises(VmcaError, match="70012: policy said no") as caught:
        authority(node).sign(PLAN, request())

    assert node.left_behind == []
    assert "PRIVATE" not in str(caught.value)


def test_killed_script_leaves_nothing(node):
    """A script that is killed on the node does not clean up; this side does."""
    node.flag("wedge")

    with pytest.raises(VmcaError):
        authority(node).sign(PLAN, request())

    assert node.left_behind == []


def test_what_a_killed_process_left_is_gone_after_the_next(node):
    """Dead before the script began: the key stays, for root alone, until the next attempt."""
    dying = DyingNode(node.folder)
    with pytest.raises(Dead):
        authority(dying).sign(PLAN, request())
    assert node.left_behind == ["key.pem"]
    assert (node.folder / "work").stat().st_mode & 0o777 == 0o700

    authority(node).sign(PLAN, request())

    assert node.left_behind == []


def test_other_signer_is_refused(node):
    """A leaf that VMCA's root did not sign is no answer."""
    (node.folder / "ca.cer").write_bytes(pem(root("bash-other")))
    node_key = key("bash-other")
    (node.folder / "ca.key").write_bytes(
        node_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )

    with pytest.raises(VmcaError, match="is not usable"):
        authority(node).sign(PLAN, request())


def test_short_validity_is_seen(node):
    """A certool that gives two years is noticed."""
    (node.folder / "days").write_text("730")

    signed = authority(node).sign(PLAN, request())

    assert is_clipped(signed.leaf, request())


def test_two_that_ask_one_vmca_take_turns(node):
    """There is one folder for certool's files: nobody makes it anew under another's feet."""
    asked = authority(node)
    with ThreadPoolExecutor(max_workers=4) as pool:
        signed = list(pool.map(lambda _: asked.sign(PLAN, request()), range(4)))

    assert len({answer.leaf for answer in signed}) == 4
    assert node.left_behind == []


def test_root_key_is_read_as_a_secret(node):
    """The key of the root comes back as PKCS#8 and is never shown."""
    found = authority(node).read_root_key(PLAN)

    assert certificates.key_matches(found.reveal(), authority(node).read_root(PLAN).chain[0])
    assert "***" in repr(found)


def test_stores_are_read_whole(node, tmp_path):
    """Aliases, kinds and certificates of each store; a store that fails costs itself only."""
    leaf = pem(root("bash-root-view")).decode()
    (tmp_path / "stores").write_text(
        "MACHINE_SSL_CERT\nTRUSTED_ROOT_CRLS\nvpxd\nAPPLMGMT_PASSWORD\n"
    )
    (tmp_path / "store.MACHINE_SSL_CERT").write_text(
        listing(("__MACHINE_CERT", "Private Key", leaf))
    )
    (tmp_path / "store.TRUSTED_ROOT_CRLS").write_text(listing())
    (tmp_path / "store.APPLMGMT_PASSWORD").write_text(
        listing(("location_password_default", "Secret Key", ""))
    )

    seen = VecsStores(node, tool=str(tmp_path / "vecs-cli")).read_stores(PLAN)

    assert [(e.store, e.alias, e.holds_key, len(e.certificates)) for e in seen.entries] == [
        ("MACHINE_SSL_CERT", "__MACHINE_CERT", True, 1),
        ("APPLMGMT_PASSWORD", "location_password_default", False, 0),
    ]
    assert [part.what for part in seen.unread] == ["store vpxd"]
    assert "4312" in seen.unread[0].reason
    assert seen.stores == ("MACHINE_SSL_CERT", "TRUSTED_ROOT_CRLS", "APPLMGMT_PASSWORD")


def test_one_run_asks_all_three(node, tmp_path):
    """Each tool's answer is its own; a missing psql is looked for at its other place."""
    (tmp_path / "stores").write_text("MACHINE_SSL_CERT\n")
    (tmp_path / "store.MACHINE_SSL_CERT").write_text(
        listing(("__MACHINE_CERT", "Private Key", pem(root("bash-root-view")).decode()))
    )
    psql = tmp_path / "psql"
    psql.write_text(f"#!/bin/sh\necho 'com.vmware.rbd|{'AB:' * 19}AB'\n")
    psql.chmod(0o755)
    reader = NodeToolsReader(
        node,
        programs=node.programs,
        psql=(str(tmp_path / "missing"), str(psql)),
        vecs_cli=str(tmp_path / "vecs-cli"),
    )

    seen = reader.read_tools(PLAN)

    assert len(node.scripts) == 1
    assert (seen.authority.serves, seen.authority.key_matches) == (True, True)
    assert seen.extensions == (Extension(key="com.vmware.rbd", thumbprint="ab" * 20),)
    assert [e.alias for e in seen.stores.entries] == ["__MACHINE_CERT"]


def test_only_the_stores_that_are_asked_for_are_listed(node, tmp_path):
    """Thousands of revocation lists take minutes; a store that is not there is just not there."""
    (tmp_path / "stores").write_text("MACHINE_SSL_CERT\nTRUSTED_ROOT_CRLS\nvpxd\n")
    leaf = pem(root("bash-root-view")).decode()
    (tmp_path / "store.MACHINE_SSL_CERT").write_text(
        listing(("__MACHINE_CERT", "Private Key", leaf))
    )
    stores = VecsStores(node, tool=str(tmp_path / "vecs-cli"))

    seen = stores.read_stores(PLAN, {"MACHINE_SSL_CERT", "BACKUP_STORE"})

    assert (seen.stores, len(seen.entries), seen.unread) == (("MACHINE_SSL_CERT",), 1, ())
    with pytest.raises(ValueError, match="no names of stores"):
        stores.read_stores(PLAN, {"vpxd; reboot"})


def test_stores_of_a_node_without_vecs(node, tmp_path):
    """When the stores cannot be listed, that is the one thing that is unread."""
    node.flag("vecs-down")

    seen = VecsStores(node, tool=str(tmp_path / "vecs-cli")).read_stores(PLAN)

    assert seen.entries == ()
    assert "4312" in seen.unread[0].reason


def pem(certificate) -> bytes:
    """Return *certificate* as PEM."""
    encoded: bytes = certificate.public_bytes(Encoding.PEM)
    return encoded


def listing(*entries) -> str:
    """Return what vecs-cli prints (cli.c L216-285)."""
    text = f"Number of entries in store :\t{len(entries)}\n"
    for alias, kind, body in entries:
        text += f"Alias :\t{alias}\nEntry type :\t{kind}\nCertificate :\t{body}\n\n"
    return text
