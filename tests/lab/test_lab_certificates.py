"""Nodes of a lab live by what is in VECS and the directory, and the judge sees what is wrong."""

from __future__ import annotations

import base64
import shlex

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab_clients import eventually
from lab_keys import shared_keys
from stsfix.lab import judge, judge_certificates, pki, registrations, trusted_roots
from stsfix.lab.lab import Lab
from stsfix.lab.probe import flaw
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.seams import KeyPair
from stsfix.lab.shell import Shell
from stsfix.lab.shell_streams import Buffer, Streams
from stsfix.lab.trouble import add_credential
from stsfix.lab.trust import Authority, KeySource, sts_material
from stsfix.lab.vecs import MACHINE_ALIAS, MACHINE_SSL, EntryKind, VecsEntry
from stsfix.lab.vmca import vmca_files
from stsfix.lab.vmdir.tree import tenant_dn

pytestmark = pytest.mark.lab

VC1, VC2, PSC1 = "vc1.lab.example", "vc2.lab.example", "psc1.lab.example"
VECS = "/usr/lib/vmware-vmafd/bin/vecs-cli"
DIR = "/usr/lib/vmware-vmafd/bin/dir-cli"
CERTOOL = "/usr/lib/vmware-vmca/bin/certool"


def start(topology, scenario):
    """Return a lab that is not started."""
    return Lab.build(topology, scenario, speed=2000, keys=shared_keys())


def sh(lab, node, text):
    """Run a script as root on *node* and return its output; it must succeed."""
    output = Buffer()
    code = Shell(lab.nodes[node]._run.tools).run(text, Streams(out=output, err=output))
    assert code == 0, output.content.decode()
    return output.content.decode()


def reasons(lab, node, service="vmware-vpxd-svcs"):
    """Return why a service would refuse, as one text."""
    return "; ".join(judge_certificates.refusals(lab, node).get(service, []))


def authority(disk):
    """Return the VMCA of a node."""
    root, key = (disk.files[path].content for path in vmca_files(disk))
    private = serialization.load_pem_private_key(key, None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return Authority(key=private, certificate=x509.load_pem_x509_certificate(root))


def new_sts(lab):
    """Write a signing credential that is in its time, as a repair does."""
    first = lab.topology.controllers[0].fqdn
    disk = lab.nodes[first].disk
    made = sts_material(
        KeySource(1, [shared_keys()[7]]), authority(disk), host=first, days=1000, starts_days=-1
    )
    store = disk.directory
    tenant = tenant_dn(disk.domain)
    entry = f"cn=TrustedCertChain-9,cn=TrustedCertificateChains,{tenant}"
    with store.lock:
        store.add(
            entry,
            {
                "objectClass": [b"vmwSTSTenantTrustedCertificateChain"],
                "cn": [b"TrustedCertChain-9"],
                "userCertificate": list(made.chain),
            },
            store.identity.administrator_dn,
            pki.days_from_now(0),
        )
    add_credential(store, "TenantCredential-9", made)
    assert flaw(store, disk.domain) is None


def restart(lab, node):
    """Stop and start all services of a node."""
    sh(lab, node, "service-control --stop --all")
    sh(lab, node, "service-control --start --all || true")


@pytest.mark.parametrize("topology", ["embedded", "elm", "external-psc"])
def test_in_a_healthy_lab_everything_agrees(topology):
    """VECS, directory, trust anchors and shown certificates; nothing refuses to start."""
    with start(topology, "healthy") as lab:
        for node in lab.nodes:
            assert judge_certificates.refusals(lab, node) == {}
            assert lab.nodes[node].board.missing() == []
        assert judge_certificates.apart(lab) == []
        assert judge_certificates.expired(lab) == []
        assert [found for found in judge_certificates.stored(lab) if found.flaws] == []


@pytest.mark.parametrize(
    ("scenario", "needle"),
    [
        ("sts-and-machine-ssl-expired", "__MACHINE_CERT in MACHINE_SSL_CERT is valid from"),
        ("solution-users-and-sts-expired", "machine in machine is valid from"),
        ("vmca-root-expired", "its issuer ended at"),
        ("trust-anchor-mismatch", "the lookup service trusts another certificate for https://"),
    ],
)
def test_a_new_sts_certificate_alone_starts_no_vcenter(scenario, needle):
    """That is what these scenarios are for: the STS issues again, and vpxd-svcs refuses."""
    with start("embedded", scenario) as lab:
        new_sts(lab)
        restart(lab, VC1)

        assert judge.token_refusal(lab, VC1) is None
        assert needle in reasons(lab, VC1)
        assert lab.nodes[VC1].board.missing()[0] == "vmware-vpxd-svcs"
        assert judge.login_refusal(lab, VC1) == f"vpxd of {VC1} does not run"


@pytest.mark.parametrize(
    "scenario", ["data-encipherment-expired", "obsolete-chains", "certool-two-years"]
)
def test_a_new_sts_certificate_is_enough(scenario):
    """What else is wrong here keeps nobody out."""
    with start("embedded", scenario) as lab:
        new_sts(lab)
        restart(lab, VC1)

        assert judge.login_refusal(lab, VC1) is None


def test_what_has_expired_is_seen_everywhere():
    """The judge lists what is over on each node, whatever its name; backups are no matter."""
    with start("external-psc", "sts-and-machine-ssl-expired") as lab:
        expired = judge_certificates.expired(lab)
    enciphers = start("external-psc", "data-encipherment-expired")
    leftovers = start("elm", "obsolete-chains")

    assert [line for line in expired if line.startswith("psc2")] == [
        "psc2.lab.example MACHINE_SSL_CERT __MACHINE_CERT",
        "psc2.lab.example machine machine",
        "psc2.lab.example vsphere-webclient vsphere-webclient",
    ]
    assert judge_certificates.expired(enciphers) == [
        f"{VC1} data-encipherment data-encipherment",
        f"{VC2} data-encipherment data-encipherment",
    ]
    assert judge_certificates.expired(leftovers) == [
        f"{VC1} STS_INTERNAL_SSL_CERT __MACHINE_CERT",
        f"{VC2} STS_INTERNAL_SSL_CERT __MACHINE_CERT",
    ]
    for lab in (enciphers, leftovers):
        lab.stop()


def renew_by_hand(lab, node):
    """Do to *node* what certificate-manager does in option 8, with the node's own tools."""
    machine_id = lab.nodes[node].disk.machine_id
    password = shlex.quote(lab.passwords.sso)
    controller = lab.nodes[node].disk.psc
    sh(
        lab,
        node,
        f"""
        set -e; umask 077; d=$(mktemp -d /root/renew.XXXXXX); trap 'rm -rf "$d"' EXIT
        for store in MACHINE_SSL_CERT machine vsphere-webclient vpxd vpxd-extension hvc wcp; do
          alias=$store
          if [ $store = MACHINE_SSL_CERT ]; then alias={MACHINE_ALIAS}; fi
          {VECS} entry getcert --store $store --alias $alias > /dev/null 2>&1 || continue
          name=$store-{machine_id}
          if [ $store = MACHINE_SSL_CERT ]; then name={node}; fi
          {CERTOOL} --genkey --privkey=$d/key --pubkey=$d/pub > /dev/null
          {CERTOOL} --gencert --privkey=$d/key --cert=$d/cert --config=/dev/null \\
            --server={controller} --Name=$name --Hostname={node} > /dev/null
          {VECS} entry delete -y --store $store --alias $alias > /dev/null
          {VECS} entry create --store $store --alias $alias --cert $d/cert --key $d/key
          if [ $store != MACHINE_SSL_CERT ]; then
            printf '%s\\n' {password} | {DIR} service update --name $name --cert $d/cert
          fi
        done
        """,
    )


def trust_what_is_shown(lab, *, stores):
    """Let every registration trust the machine certificate that is in VECS now."""
    for store in stores:
        for anchor in registrations.anchors(store):
            pem = lab.nodes[anchor.host].disk.machine.certificates_pem
            leaf = pki.der(x509.load_pem_x509_certificate(pem))
            entry = store.find(anchor.dn)
            assert entry is not None
            with store.lock:
                store.modify(
                    entry,
                    {"vmwLKUPEndpointSslTrust": [base64.b64encode(leaf)]},
                    store.identity.administrator_dn,
                    pki.days_from_now(0),
                )


@pytest.mark.parametrize("topology", ["embedded", "external-psc"])
def test_a_node_is_renewed_by_its_own_tools(topology):
    """certool, vecs-cli and dir-cli, then trust anchors: everybody is let in, nothing is over."""
    with start(topology, "sts-and-machine-ssl-expired") as lab:
        new_sts(lab)
        for node in lab.nodes:
            renew_by_hand(lab, node)
        first = lab.topology.controllers[0].fqdn
        trust_what_is_shown(lab, stores=[lab.nodes[first].disk.directory])
        assert eventually(lambda: judge.out_of_sync(lab) == [])
        for node in lab.nodes:
            restart(lab, node)

        assert judge_certificates.expired(lab) == []
        assert judge_certificates.apart(lab) == []
        for plan in lab.topology.nodes:
            assert judge_certificates.refusals(lab, plan.fqdn) == {}
            assert not plan.role.has_vcenter or judge.login_refusal(lab, plan.fqdn) is None
        assert not any(node.disk.folders for node in lab.nodes.values())


def test_a_front_shows_a_new_certificate_when_it_starts():
    """Not before: services read MACHINE_SSL_CERT at their start."""
    with start("embedded", "healthy") as lab:
        disk = lab.nodes[VC1].disk
        old = lab.network.shown_by(VC1)
        key = shared_keys()[8]
        leaf = pki.vmca_leaf(
            key,
            issuer=authority(disk).certificate,
            issuer_key=authority(disk).key,
            common_name=VC1,
            not_before=pki.days_from_now(-1),
            not_after=pki.days_from_now(30),
            names=[VC1],
        )
        pair = pki.key_pair(key, [leaf])
        disk.vecs.put(MACHINE_SSL, entry(MACHINE_ALIAS, pair))

        assert lab.network.shown_by(VC1) == old
        assert f"{VC1}: port 443 shows another certificate than MACHINE_SSL_CERT" in (
            judge_certificates.apart(lab)
        )
        sh(lab, VC1, "service-control --stop vmware-envoy; service-control --start vmware-envoy")
        assert lab.network.shown_by(VC1) == pki.der(leaf)
        assert any(
            "is not trusted as it is shown" in line for line in judge_certificates.apart(lab)
        )
        assert "the lookup service trusts another certificate" in reasons(lab, VC1)


def entry(alias, pair):
    """Return an entry with a key."""
    return VecsEntry(
        alias=alias,
        kind=EntryKind.PRIVATE_KEY,
        certificates=pair.certificates_pem,
        key=pair.key_pem,
    )


def test_a_key_of_another_breaks_what_shows_the_certificate():
    """vecs-cli would not take such a pair; a node that has it all the same serves nothing."""
    with start("embedded", "healthy") as lab:
        disk = lab.nodes[VC1].disk
        wrong = KeyPair(
            certificates_pem=disk.machine.certificates_pem,
            key_pem=pki.key_pem(shared_keys()[9]),
        )
        disk.vecs.put(MACHINE_SSL, entry(MACHINE_ALIAS, wrong))

        restart(lab, VC1)

        assert lab.nodes[VC1].board.missing()[0] == "vmware-envoy"
        assert "is another one's" in reasons(lab, VC1)
        assert "directory" not in reasons(lab, VC1)


def test_an_account_that_differs_from_vecs_keeps_its_service_down():
    """The STS finds a solution user by the certificate in the directory."""
    with start("embedded", "healthy") as lab:
        disk = lab.nodes[VC1].disk
        account = disk.directory.find(
            f"cn=vpxd-{disk.machine_id},cn=ServicePrincipals,dc=vsphere,dc=local"
        )
        account.attributes["userCertificate"] = [b"other"]

        restart(lab, VC1)

        assert lab.nodes[VC1].board.missing() == ["vmware-vpxd", "vsphere-ui"]
        assert "has another certificate of vpxd-" in reasons(lab, VC1, "vmware-vpxd")


def test_trusted_roots_follow_the_directory_after_a_while():
    """On every node, of its own controller's directory; and back again."""
    root = pki.vmca_root(
        shared_keys()[10],
        domain="vsphere.local",
        host="new.lab.example",
        not_before=pki.days_from_now(-3),
        not_after=pki.days_from_now(3000),
    )

    def known(node):
        return any(
            found.sha256 == pki.sha256(root)
            for found in judge_certificates.stored(lab)
            if found.node == node
        )

    with start("external-psc", "healthy") as lab:
        store = lab.nodes[PSC1].disk.directory
        trusted_roots.publish(store, [root], pki.days_from_now(0))
        assert eventually(lambda: all(known(node) for node in lab.nodes))
        with store.lock:
            gone = store.find(f"cn={trusted_roots.key_id(root)},{trusted_roots.container(store)}")
            store.delete(gone, keep_class=False, now=pki.days_from_now(0))
        assert eventually(lambda: not any(known(node) for node in lab.nodes))


def test_a_snapshot_keeps_the_stores():
    """A revert brings back what was in VECS."""
    lab = start("embedded", "healthy")
    before = lab.nodes[VC1].disk.machine

    saved = lab.checkpoint()
    lab.nodes[VC1].disk.vecs.remove(MACHINE_SSL, MACHINE_ALIAS)
    assert lab.nodes[VC1].disk.machine.certificates_pem == b""
    lab.restore(saved)
    after = lab.nodes[VC1].disk.machine
    lab.stop()

    assert after == before


def test_scenarios_say_what_an_operator_adds():
    """Words for stsfix run, as the rehearsal types them."""
    assert SCENARIOS["expired"].repair == ()
    assert SCENARIOS["sts-and-machine-ssl-expired"].repair == ("--renew", "expired")
    assert SCENARIOS["vmca-root-expired"].repair == ("--new-vmca-root",)


def test_a_vmafd_that_copies_nothing_is_woken_by_force_refresh_or_a_restart():
    """The missing root stays so by itself; both things that the product advises bring it."""
    for cure in (f"{VECS} force-refresh", "service-control --restart vmafdd"):
        with start("embedded", "roots-not-copied") as lab:
            vecs = lab.nodes[VC1].disk.vecs

            lab.nodes[VC1].parts.vmafd.refresh()
            assert vecs.entries("TRUSTED_ROOTS") == []

            sh(lab, VC1, cure)
            assert eventually(lambda: len(vecs.entries("TRUSTED_ROOTS")) == 1)  # noqa: B023 - at once


def test_a_program_that_is_gone_is_not_found():
    """Bash says so, with 127; the other tools are there."""
    with start("embedded", "vmca-no-certool") as lab:
        said = sh(lab, VC1, f"{CERTOOL} --getrootca; echo $?; {VECS} store list")

    assert "No such file or directory" in said
    assert said.split("\n")[1:3] == ["127", "MACHINE_SSL_CERT"]
