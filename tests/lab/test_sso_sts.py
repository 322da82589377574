"""The lab's STS over TLS: tokens for pyVim.sso, refusals with the product's texts."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from datetime import timedelta

import pytest
from lxml import etree
from pyVim.sso import SecurityTokenRequest, SoapException, SsoAuthenticator

import sso_directory
from sso_directory import leaf, sound_directory
from sso_node import Node, bearer_token, running, trusting
from stsfix.lab import pki
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.sso import saml
from stsfix.lab.sso.saml import TokenRejectedError

pytestmark = pytest.mark.lab

NS = {"saml2": "urn:oasis:names:tc:SAML:2.0:assertion", "ds": "http://www.w3.org/2000/09/xmldsig#"}
XMLSEC = shutil.which("xmlsec1")


def period(token):
    """Return start and end of a token."""
    (conditions,) = etree.fromstring(token).findall("saml2:Conditions", NS)
    return [saml.parse_instant(str(conditions.attrib[n])) for n in ("NotBefore", "NotOnOrAfter")]


def refused(node, **options):
    """Return the SOAP fault of a refused request."""
    with pytest.raises(SoapException) as caught:
        bearer_token(node, **options)
    return caught.value._fault_code, caught.value._fault_string


@pytest.fixture
def node():
    """A node whose one credential is valid and trusted."""
    with running(Node(sound_directory())) as node:
        yield node


def test_pyvim_gets_a_bearer_token(node):
    """A token of the right account, of the right length, with the whole chain in it."""
    answer = bearer_token(node, token_duration=120)

    token = etree.fromstring(answer)
    assert token.findtext(".//saml2:NameID", namespaces=NS) == "administrator@VSPHERE.LOCAL"
    assert len(token.findall(".//ds:X509Certificate", NS)) == 2
    start, end = period(answer)
    assert end - start == timedelta(seconds=120)


def test_the_lab_verifies_what_it_issued(node):
    """The STS accepts its own token, also after pyVim cut it out of the answer."""
    verified = node.sts.validate(bearer_token(node))

    assert verified.subject == "administrator@VSPHERE.LOCAL"
    assert verified.signer == node.sts.tenant.signer.chain[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"administrator@", b"administratos@"),
        (b"vsphere.local\\Administrators", b"vsphere.local\\Administratorz"),
        (b"NotOnOrAfter=", b"NotOnOrAfteR="),
    ],
    ids=["subject", "group", "condition"],
)
def test_one_changed_byte_breaks_the_token(node, before, after):
    """Whatever part of the assertion changes, it is rejected."""
    token = bearer_token(node).encode()
    assert before in token

    with pytest.raises(TokenRejectedError):
        node.sts.validate(token.replace(before, after, 1))


def test_comment_in_the_subject_changes_nothing(node):
    """A comment leaves the signature whole; it must not cut the name short either."""
    token = bearer_token(node).replace("administrator@VSPHERE", "admin<!-- x -->istrator@VSPHERE")
    assert "<!-- x -->" in token

    assert node.sts.validate(token).subject == "administrator@VSPHERE.LOCAL"


def test_signed_assertion_inside_another_is_rejected(node):
    """Wrapping: the signature must be over the very element that is read."""
    token = bearer_token(node)
    forged = token.replace("administrator@", "somebody@").replace('ID="_', 'ID="_x')
    signature = forged[forged.index("<ds:Signature") : forged.index("</ds:Signature>") + 15]
    genuine = token[token.index("<ds:Signature") : token.index("</ds:Signature>") + 15]
    wrapped = forged.replace(signature, genuine.replace("</ds:KeyInfo>", f"</ds:KeyInfo>{token}"))

    with pytest.raises(TokenRejectedError, match="another element"):
        node.sts.validate(wrapped)


@pytest.mark.peer
@pytest.mark.skipif(XMLSEC is None, reason="xmlsec1 is not installed")
class TestXmlsec:
    """Debian's xmlsec1, which nobody here wrote, judges the signatures."""

    ID = "--id-attr:ID"
    ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"

    def verify(self, tmp_path, token, *trust):
        """Return xmlsec1's exit code for *token*."""
        (tmp_path / "token.xml").write_bytes(token)
        command = [XMLSEC, "--verify", self.ID, self.ASSERTION, *trust, tmp_path / "token.xml"]
        return subprocess.run(command, capture_output=True, check=False, timeout=30)

    def test_accepts_the_token_by_its_certificate(self, node, tmp_path):
        """The signature is good under the public key of the signer's certificate."""
        (tmp_path / "leaf.pem").write_bytes(pki.pem(node.sts.tenant.signer.chain[0]))

        done = self.verify(
            tmp_path, bearer_token(node).encode(), "--pubkey-cert-pem", tmp_path / "leaf.pem"
        )

        assert done.returncode == 0, done.stderr

    def test_accepts_the_token_by_its_root(self, node, tmp_path):
        """The certificates in the token lead from the signer to the root."""
        (tmp_path / "root.pem").write_bytes(pki.pem(sso_directory.ROOT))

        done = self.verify(
            tmp_path, bearer_token(node).encode(), "--trusted-pem", tmp_path / "root.pem"
        )

        assert done.returncode == 0, done.stderr

    def test_refuses_one_changed_byte(self, node, tmp_path):
        """The same token with one letter changed is not accepted."""
        (tmp_path / "leaf.pem").write_bytes(pki.pem(node.sts.tenant.signer.chain[0]))
        token = bearer_token(node).encode().replace(b"administrator@", b"administratos@", 1)

        done = self.verify(tmp_path, token, "--pubkey-cert-pem", tmp_path / "leaf.pem")

        assert done.returncode != 0
        assert b"FAIL" in done.stderr + done.stdout


def test_expired_signer_is_told_as_the_product_does():
    """A fault of the WS-Trust namespace with KB 316619's sentence."""
    certificate = leaf(days=-1)
    with running(Node(sound_directory(certificate))) as node:
        code, text = refused(node)

        assert code == "ns0:InvalidTimeRange"
        assert text.startswith(
            "The token authority rejected an issue request for TimePeriod [startTime="
        )
        assert " :: Signing certificate is not valid at " in text
        expired = certificate.not_valid_after_utc
        assert f"endTime={expired:%a %b %d %H:%M:%S} UTC {expired:%Y}]" in text
        assert "Signing certificate is not valid" in str(node.sts.refusal())


def test_wrong_password_is_told_before_expiry():
    """Bad credentials stay bad credentials when the signer has expired."""
    with running(Node(sound_directory(leaf(days=-1)))) as node:
        code, text = refused(node, password="wrong")

    assert (code, text) == ("ns0:FailedAuthentication", "Invalid credentials")


def test_wrong_node_clock_looks_like_expiry(node):
    """The signer's dates are held against the node's own clock, without tolerance."""
    node.ahead = timedelta(days=400)

    assert "Signing certificate is not valid" in node.sts.refusal()


def test_clock_skew_expires_the_message(node):
    """A request whose timestamps are half an hour off is refused as expired."""
    node.ahead = timedelta(minutes=30)

    code, text = refused(node)

    assert code == "ns0:MessageExpired"
    assert "600000 ms" in text


def test_token_ends_with_its_signer():
    """Near expiry tokens get shorter: they end a millisecond after the certificate."""
    certificate = leaf(days=60 / 86400)
    with running(Node(sound_directory(certificate))) as node:
        token = bearer_token(node, token_duration=600)

    assert period(token)[1] == certificate.not_valid_after_utc + timedelta(milliseconds=1)


def test_bearer_tokens_have_a_longest_lifetime(node):
    """Who asks for a day gets five minutes."""
    start, end = period(bearer_token(node, token_duration=86400))

    assert end - start == timedelta(minutes=5)


VPXD = leaf(key=sso_directory.OTHER_KEY, name="vpxd-1")


def key_files(folder, certificate) -> tuple[str, str]:
    """Write *certificate* and its key as pyVim.sso wants them; return both paths."""
    pair = pki.key_pair(sso_directory.OTHER_KEY, [certificate])
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(pair.certificates_pem)
    private.write_bytes(pair.key_pem)
    return str(public), str(private)


def test_holder_of_key_token_for_a_solution_user(node, tmp_path):
    """A request signed by a solution user's key gets a token bound to its certificate."""
    node.directory.add_principal("vpxd-1", VPXD)
    public, private = key_files(tmp_path, VPXD)

    token = SsoAuthenticator(node.sts_url).get_hok_saml_assertion(
        public, private, ssl_context=trusting()
    )

    assert node.sts.validate(token).subject == "vpxd-1@VSPHERE.LOCAL"
    path = ".//saml2:SubjectConfirmationData//ds:X509Certificate"
    holder = etree.fromstring(token).findtext(path, "", NS)
    assert "".join(holder.split()) in pki.pem(VPXD).decode().replace("\n", "")


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("<ds:SignatureValue>", "<ds:SignatureValue>AAAA", "FailedCheck"),
        ("Delegatable>false", "Delegatable>true", "FailedCheck"),
        ('ValueType="http', 'ValueType="HTTP', None),
    ],
    ids=["value", "body", "unsigned-part"],
)
def test_signed_requests_are_checked(node, tmp_path, before, after, code):
    """A changed signature or a changed signed part is refused, an unsigned part is not."""
    public, private = key_files(tmp_path, VPXD)
    node.directory.add_principal("vpxd-1", VPXD)
    asked = SecurityTokenRequest(
        username=None, password=None, public_key=public, private_key=private
    ).construct_hok_request()
    assert before in asked

    status, _, answer = raw(
        node, "POST", "/sts/STSService", asked.replace(before, after, 1).encode()
    )

    assert status == (200 if code is None else 500)
    assert (code or "Assertion").encode() in answer


def test_signature_must_cover_the_timestamp_and_the_request(node, tmp_path):
    """A signature over something else of the same message proves nothing about the request."""
    public, private = key_files(tmp_path, VPXD)
    node.directory.add_principal("vpxd-1", VPXD)
    asked = SecurityTokenRequest(
        username=None, password=None, public_key=public, private_key=private
    ).construct_hok_request()
    body = asked[asked.index("<SOAP-ENV:Body") : asked.index("</SOAP-ENV:Envelope>")]
    other = body.replace("Delegatable>false", "Delegatable>true").replace('Id="_', 'Id="_x')
    moved = asked.replace(body, other).replace("</SOAP-ENV:Header>", f"{body}</SOAP-ENV:Header>")

    status, _, answer = raw(node, "POST", "/sts/STSService", moved.encode())

    assert status == 500
    assert b"FailedCheck" in answer


def test_unknown_solution_user_is_refused(node, tmp_path):
    """A certificate that no service principal has is not authenticated."""
    node.directory.add_principal("other", leaf(name="other"))
    public, private = key_files(tmp_path, VPXD)

    with pytest.raises(SoapException) as caught:
        SsoAuthenticator(node.sts_url).get_hok_saml_assertion(
            public, private, ssl_context=trusting()
        )

    assert caught.value._fault_code == "ns0:FailedAuthentication"


def raw(node, method, path, body=b"", headers=None):
    """Send one request and return status, content type and body."""
    connection = http.client.HTTPSConnection(
        "127.0.0.1", node.front.port, context=trusting(), timeout=10
    )
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_unknown_tenant_is_not_found(node):
    """The STS has one tenant; another name is HTTP 404."""
    status, _, _ = raw(node, "POST", "/sts/STSService/other.local", b"<x/>")

    assert status == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"no xml", "InvalidRequest"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "InvalidRequest"),
        (b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"/>', "InvalidSecurity"),
    ],
    ids=["not-xml", "doctype", "no-security"],
)
def test_malformed_requests_are_faults(node, body, code):
    """What is no Issue request is HTTP 500 with a fault, not a closed connection."""
    status, kind, answer = raw(node, "POST", "/sts/STSService", body)

    assert (status, kind) == (500, "text/xml;charset=utf-8")
    assert f"ns0:{code}".encode() in answer


def test_stopped_sts_is_no_healthy_upstream(node):
    """The front outlives the STS and says so."""
    node.sts.stop()

    status, _, body = raw(node, "POST", "/sts/STSService/vsphere.local", b"<x/>")

    assert (status, body) == (503, b"no healthy upstream")
    assert "does not run" in node.sts.refusal()


def test_fault_rules_refuse_drop_and_lose(node):
    """A refused issue is a fault; a lost answer closes the connection after the call."""
    node.faults.add(Rule(protocol="sts", call="issue", detail="busy"))

    assert refused(node) == ("ns0:RequestFailed", "busy")

    node.faults.add(
        Rule(protocol="sts", call="issue", when=When.AFTER, effect=Effect.DROP, times=1)
    )

    with pytest.raises(http.client.RemoteDisconnected):
        bearer_token(node)

    assert node.faults.calls["sts", "issue", "vc1.lab.example"] == 2


def test_https_fault_rule_hits_a_prefix(node):
    """A rule for one path prefix of one node makes the front unhealthy there once."""
    node.faults.add(Rule(protocol="https", call="GET /websso", target="vc1*"))

    statuses = [raw(node, "GET", "/websso/HealthStatus")[0] for _ in range(2)]

    assert statuses == [503, 200]
