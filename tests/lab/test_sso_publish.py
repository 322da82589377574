"""What the STS publishes to anybody: the certificate that signs, and the trusted chains."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from lxml import etree

import sso_directory
from sso_directory import leaf, sound_directory
from sso_node import Node, running, trusting
from stsfix.lab import pki
from stsfix.lab.sso.publish import PublishService

pytestmark = pytest.mark.lab


@pytest.fixture
def node():
    """A node whose one credential is valid and trusted."""
    with running(Node(sound_directory())) as node:
        yield node


def get(node, path):
    """Return status, content type and body of a GET."""
    url = f"https://127.0.0.1:{node.front.port}{path}"
    try:
        with urllib.request.urlopen(url, context=trusting(), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


@pytest.mark.parametrize("tail", ["", "/vsphere.local"])
def test_metadata_shows_the_signing_chain_leaf_first(node, tail):
    """The first certificate under IDPSSODescriptor's signing key is the signer's."""
    status, kind, body = get(node, "/websso/SAML2/Metadata" + tail)

    idp = "{*}IDPSSODescriptor/{*}KeyDescriptor[@use='signing']/{*}KeyInfo/{*}X509Data/"
    found = [item.text or "" for item in etree.fromstring(body).findall(idp + "{*}X509Certificate")]
    assert (status, kind) == (200, "application/samlmetadata+xml")
    assert all("\n" in text for text in found)
    chain = [x509.load_der_x509_certificate(base64.b64decode(text)) for text in found]
    assert chain == [node.sts.tenant.signer.chain[0], sso_directory.ROOT]


def test_metadata_works_when_the_signer_has_expired():
    """An expired certificate is published, so that anybody can see it."""
    with running(Node(sound_directory(leaf(days=-1)))) as node:
        status, _, _ = get(node, "/websso/SAML2/Metadata/vsphere.local")

    assert status == 200


def test_metadata_of_a_broken_or_unknown_tenant_is_a_page_of_html(node):
    """Any failure is HTTP 400 with HTML."""
    node.directory.add_credential("1-old", leaf())
    node.sts.stop()
    node.sts.start()

    answers = [get(node, f"/websso/SAML2/Metadata/{name}") for name in ("vsphere.local", "other")]

    assert [status for status, _, _ in answers] == [400, 400]
    assert all(kind.startswith("text/html") for _, kind, _ in answers)


@pytest.mark.parametrize("tail", ["", "/vsphere.local"])
def test_jwks_holds_the_leaf(node, tail):
    """One RSA key whose x5c is the signer's certificate and whose modulus is its own."""
    status, _, body = get(node, "/openidconnect/jwks" + tail)

    (key,) = json.loads(body)["keys"]
    signer = node.sts.tenant.signer.chain[0]
    modulus = base64.urlsafe_b64decode(key["n"] + "==")
    assert status == 200
    assert [base64.b64decode(item) for item in key["x5c"]] == [pki.der(signer)]
    assert int.from_bytes(modulus, "big") == signer.public_key().public_numbers().n


def test_old_builds_have_no_x5c(node):
    """Then only the modulus tells which key signs."""
    node.front.route("/openidconnect", PublishService(node.sts, with_x5c=False))

    _, _, body = get(node, "/openidconnect/jwks")

    assert "x5c" not in json.loads(body)["keys"][0]


def test_health_is_green_while_the_sts_runs(node):
    """Liveness only; a stopped STS takes the page with it."""
    alive = get(node, "/websso/HealthStatus")
    node.sts.stop()
    dead = get(node, "/websso/HealthStatus")

    assert b"<status>GREEN" in alive[2]
    assert (dead[0], dead[2]) == (503, b"no healthy upstream")


def test_trusted_chains_are_listed_without_login(node):
    """All chains of the tenant as PEM; granularity LEAF cuts them."""
    node.directory.add_chain(2, leaf(name="second"), sso_directory.ROOT)
    node.sts.refresh()
    path = "/idm/tenant/vsphere.local/certificates?scope=TENANT"

    chains = json.loads(get(node, path)[2])
    leaves = json.loads(get(node, path + "&granularity=LEAF")[2])

    assert [len(chain["certificates"]) for chain in chains] == [2, 2]
    assert [len(chain["certificates"]) for chain in leaves] == [1, 1]
    assert leaves[0]["certificates"][0] == chains[0]["certificates"][0]
