"""The lab's STS over TLS: tokens for pyVim.sso, refusals with the product's texts."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree
from pyVim.sso import SecurityTokenRequest, SoapException, SsoAuthenticator

import sso_directory
from sso_directory import ADMINISTRATOR, PASSWORD, MemoryDirectory, leaf, sound_directory
from sso_node import Node, running, trusting
from stsfix.lab import pki
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.sso import saml, wstrust
from stsfix.lab.sso.saml import TokenRejectedError

pytestmark = pytest.mark.lab

NS = {"saml2": "urn:oasis:names:tc:SAML:2.0:assertion", "ds": "http://www.w3.org/2000/09/xmldsig#"}
XMLSEC = shutil.which("xmlsec1")


def token_from(node, user=ADMINISTRATOR, password=PASSWORD, **options):
    """Ask for a bearer token as pyVmomi users do."""
    authenticator = SsoAuthenticator(node.sts_url)
    return authenticator.get_bearer_saml_assertion(
        user, password, ssl_context=trusting(), **options
    )


def period(token):
    """Return start and end of a token."""
    (conditions,) = etree.fromstring(token).findall("saml2:Conditions", NS)
    return [saml.parse_instant(str(conditions.attrib[n])) for n in ("NotBefore", "NotOnOrAfter")]


def refused(node, **options):
    """Return the SOAP fault of a refused request."""
    with pytest.raises(SoapException) as caught:
        token_from(node, **options)
    return caught.value._fault_code, caught.value._fault_string


@pytest.fixture
def node():
    """A node whose one credential is valid and trusted."""
    with running(Node(sound_directory())) as node:
        yield node


def test_pyvim_gets_a_bearer_token(node):
    """A token of the right account, of the right length, with the whole chain in it."""
    answer = token_from(node, token_duration=120)

    token = etree.fromstring(answer)
    assert token.findtext(".//saml2:NameID", namespaces=NS) == "administrator@VSPHERE.LOCAL"
    assert len(token.findall(".//ds:X509Certificate", NS)) == 2
    start, end = period(answer)
    assert end - start == timedelta(seconds=120)


def test_the_lab_verifies_what_it_issued(node):
    """The STS accepts its own token, also after pyVim cut it out of the answer."""
    verified = node.sts.validate(token_from(node))

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
    token = token_from(node).encode()
    assert before in token

    with pytest.raises(TokenRejectedError):
        node.sts.validate(token.replace(before, after, 1))


def test_comment_in_the_subject_changes_nothing(node):
    """A comment leaves the signature whole; it must not cut the name short either."""
    token = token_from(node).replace("administrator@VSPHERE", "admin<!-- x -->istrator@VSPHERE")
    assert "<!-- x -->" in token

    assert node.sts.validate(token).subject == "administrator@VSPHERE.LOCAL"


def test_signed_assertion_inside_another_is_rejected(node):
    """Wrapping: the signature must be over the very element that is read."""
    token = token_from(node)
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
            tmp_path, token_from(node).encode(), "--pubkey-cert-pem", tmp_path / "leaf.pem"
        )

        assert done.returncode == 0, done.stderr

    def test_accepts_the_token_by_its_root(self, node, tmp_path):
        """The certificates in the token lead from the signer to the root."""
        (tmp_path / "root.pem").write_bytes(pki.pem(sso_directory.ROOT))

        done = self.verify(
            tmp_path, token_from(node).encode(), "--trusted-pem", tmp_path / "root.pem"
        )

        assert done.returncode == 0, done.stderr

    def test_refuses_one_changed_byte(self, node, tmp_path):
        """The same token with one letter changed is not accepted."""
        (tmp_path / "leaf.pem").write_bytes(pki.pem(node.sts.tenant.signer.chain[0]))
        token = token_from(node).encode().replace(b"administrator@", b"administratos@", 1)

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
        token = token_from(node, token_duration=600)

    assert period(token)[1] == certificate.not_valid_after_utc + timedelta(milliseconds=1)


def test_bearer_tokens_have_a_longest_lifetime(node):
    """Who asks for a day gets five minutes."""
    start, end = period(token_from(node, token_duration=86400))

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
        token_from(node)

    assert node.faults.calls["sts", "issue", "vc1.lab.example"] == 2


def test_https_fault_rule_hits_a_prefix(node):
    """A rule for one path prefix of one node makes the front unhealthy there once."""
    node.faults.add(Rule(protocol="https", call="GET /websso", target="vc1*"))

    statuses = [raw(node, "GET", "/websso/HealthStatus")[0] for _ in range(2)]

    assert statuses == [503, 200]


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
            token = token_from(node)

            assert node.sts.refusal() is None
            with pytest.raises(TokenRejectedError, match="signature"):
                node.sts.validate(token)

    def test_credential_without_chain_issues_untrusted_tokens(self):
        """Without its leaf in a chain the STS rejects what it signed itself."""
        directory = sound_directory()
        directory.add_credential(2, leaf(name="new"), sso_directory.ROOT)
        with running(Node(directory)) as node:
            token = token_from(node)

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
            token = token_from(node)

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
            token = token_from(node)

            with pytest.raises(TokenRejectedError, match="CN=child is not trusted"):
                node.sts.validate(token)

    def test_expired_token_is_rejected(self, node):
        """Past its end and the tolerance a token is worth nothing."""
        token = token_from(node)
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
