"""VMCA of a lab's node signs, by request or with the key, and nothing of it is left there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from lab_keys import shared_keys
from preflight_lab import wired
from ready_keys import another_key
from stsfix.lab import judge, pki
from stsfix.lab.disk import NodeFile
from stsfix.lab.lab import Lab
from stsfix.plugin.sources import find_nodes
from stsfix.remediation.errors import VmcaError
from stsfix.remediation.model import RunSpec
from stsfix.remediation.pki import certificates

pytestmark = [pytest.mark.lab]

ROOT, KEY = "/var/lib/vmware/vmca/root.cer", "/var/lib/vmware/vmca/privatekey.pem"
ASKED = timedelta(days=3650)


class Bench:
    """A lab, put back to its beginning for each case; *node* is the one that is written to."""

    def __init__(self, lab):
        self.lab = lab
        self.saved = lab.checkpoint()
        self.node = lab.topology.controllers[0].fqdn

    @property
    def disk(self):
        return self.lab.nodes[self.node].disk

    @property
    def authority(self):
        """The certificates of VMCA's file."""
        return x509.load_pem_x509_certificates(self.disk.files[ROOT].content)

    def issue(self, **changes):
        """Let the product's issuer make a credential with these settings of [sts]."""
        with wired(self.lab) as wiring:
            sts = replace(wiring.settings.sts, **changes)
            timeouts = replace(wiring.settings.timeouts, services=timedelta(seconds=2))
            wiring.settings = replace(wiring.settings, sts=sts, timeouts=timeouts)
            spec = RunSpec(
                run="x",
                domain="vsphere.local",
                writer=self.node,
                nodes=find_nodes(wiring),
                issuer="vmca",
                validity_days=ASKED.days,
                retire=True,
            )
            wiring.check_issuer(spec)
            now = wiring.clock.now()
            return wiring.issuer(spec).issue(node=self.node, now=now, validity=ASKED)

    def provision(self, key, chain):
        """Give VMCA this root or intermediate, and restart it."""
        pair = pki.key_pair(key, chain)
        self.disk.files[ROOT] = NodeFile(content=pair.certificates_pem)
        self.disk.files[KEY] = NodeFile(content=pair.key_pem, mode=0o600)
        self.stop()
        board = self.lab.nodes[self.node].board
        assert board.start(board.find("vmcad"))

    def stop(self):
        """Stop vmcad."""
        board = self.lab.nodes[self.node].board
        board.stop(board.find("vmcad"))


@pytest.fixture(scope="module", params=["elm", "external-psc"])
def shared(request):
    """Nodes of 7.0, whose certool takes requests, and of 6.7, whose does not."""
    with Lab.build(request.param, "expired", speed=2000, keys=shared_keys()) as lab:
        lab.wait_settled()
        yield Bench(lab)


@pytest.fixture
def bench(shared):
    """The lab as it was at its beginning."""
    shared.lab.restore(shared.saved)
    shared.lab.wait_settled()
    return shared


def leaf_of(issued):
    """Return the leaf as a certificate."""
    return x509.load_der_x509_certificate(issued.chain[0])


def test_credential_is_vmca_s(bench):
    """The leaf is the node's VMCA's, the chain ends in its root, and it lives as certool says."""
    issued = bench.issue()

    [root] = bench.authority
    takes_requests = bench.disk.release >= (7,)
    assert issued.chain[1] == pki.der(root)
    leaf_of(issued).verify_directly_issued_by(root)
    assert certificates.key_matches(issued.key_pkcs8.reveal(), issued.chain[0])
    assert ("its key was never on the node" in issued.remarks[0]) is takes_requests
    assert "allow_vmca_key" in issued.remarks[1]
    lives = leaf_of(issued).not_valid_after_utc - leaf_of(issued).not_valid_before_utc
    assert lives == timedelta(days=bench.disk.certool_days)


def test_nothing_of_it_is_left_on_the_node(bench):
    """No file, no folder, and no part of the key in any command line."""
    bench.issue()

    lines = bench.lab.nodes[bench.node].argv_log.lines
    assert judge.leftovers(bench.lab) == []
    assert any("certool" in line for line in lines)
    assert not any("PRIVATE" in line for line in lines)


def test_longer_life_with_leave(bench):
    """With leave VMCA's key signs here: as long as asked, or as the root lives."""
    issued = bench.issue(allow_vmca_key=True)

    [root] = bench.authority
    leaf = leaf_of(issued)
    leaf.verify_directly_issued_by(root)
    assert leaf.not_valid_after_utc == min(
        root.not_valid_after_utc, leaf.not_valid_before_utc + timedelta(days=1) + ASKED
    )
    assert "VMCA's key" in issued.remarks[-1]
    assert judge.leftovers(bench.lab) == []


def test_intermediate_authority(bench):
    """A VMCA below somebody else's root: the chain goes up to that root, in order."""
    top_key, key = another_key(), load_pem_private_key(bench.disk.files[KEY].content, None)
    top = pki.vmca_root(
        top_key,
        domain="example.org",
        host="ca.example.org",
        not_before=pki.days_from_now(-100),
        not_after=pki.days_from_now(4000),
    )
    middle = below(top, top_key, key)
    bench.provision(key, [middle, top])

    issued = bench.issue()

    assert issued.chain[1:] == (pki.der(middle), pki.der(top))
    leaf_of(issued).verify_directly_issued_by(middle)


def below(top, top_key, key):
    """Return an intermediate authority."""
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "VMCA below")]))
        .issuer_name(top.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(pki.days_from_now(-50))
        .not_valid_after(pki.days_from_now(3000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(pki.key_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(top_key, SHA256())
    )


def test_expired_root_is_refused_before_anything(bench):
    """What such a VMCA signs is in the past: it is not asked."""
    key = load_pem_private_key(bench.disk.files[KEY].content, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    dead = pki.vmca_root(
        key,
        domain="vsphere.local",
        host=bench.node,
        not_before=pki.days_from_now(-3650),
        not_after=pki.days_from_now(-1),
    )
    bench.provision(key, [dead])

    with pytest.raises(VmcaError, match="expired"):
        bench.issue()


def test_vmca_that_is_down_is_refused_before_anything(bench):
    """The run does not begin with a VMCA that does not answer."""
    bench.stop()

    with pytest.raises(VmcaError, match="does not answer"):
        bench.issue()
