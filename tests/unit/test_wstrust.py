"""WS-Trust requests and what an STS answers to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from lxml import etree

from signed_assertion import Recipe, sign
from stsfix.remediation.errors import ProofError, SigningCertificateError, SsoLoginError
from stsfix.remediation.logins.wstrust import build_issue_request, parse_issue_response
from stsfix.snapshot.secret import Secret

NOW = datetime(2026, 3, 1, 12, 0, 5, 123456, tzinfo=UTC)
USER = "administrator@vsphere.local"
WST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
EXPIRED = (
    "The token authority rejected an issue request for TimePeriod [startTime=Thu Jan 02 09:22:13 "
    "EST 2020, endTime=Fri Jan 03 09:22:13 EST 2020] :: Signing certificate is not valid at Thu "
    "Jan 02 09:22:13 EST 2020, cert validity: TimePeriod [startTime=Wed Jan 06 20:44:39 EST 2010, "
    "endTime=Wed Jan 01 20:54:23 EST 2020]"
)


def request(password="secret"):
    """Return the request's root element."""
    built = build_issue_request(USER, Secret(password), now=NOW, lifetime=timedelta(seconds=300))
    return etree.fromstring(built.reveal())


def found(root, name):
    """Return the texts of all elements with that local name."""
    return [e.text for e in root.iter("{*}" + name)]


def answer(content, password="secret"):
    """Parse an answer."""
    return parse_issue_response(
        content, node="psc1.lab.example", user=USER, password=Secret(password)
    )


def fault(code, text):
    """Return a SOAP 1.1 fault as JAX-WS writes it."""
    return (
        '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><S:Fault '
        f'xmlns:ns0="{WST}"><faultcode>{code}</faultcode><faultstring>{text}</faultstring>'
        "</S:Fault></S:Body></S:Envelope>"
    ).encode()


def response(inside):
    """Return the envelope of an Issue response."""
    return (
        b'<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>'
        b'<w:RequestSecurityTokenResponseCollection xmlns:w="' + WST.encode() + b'">'
        b"<w:RequestSecurityTokenResponse><w:RequestedSecurityToken>" + inside + b"</w:"
        b"RequestedSecurityToken></w:RequestSecurityTokenResponse>"
        b"</w:RequestSecurityTokenResponseCollection></S:Body></S:Envelope>"
    )


def test_asks_for_a_bearer_token():
    """The request names the bearer key type, SAML 2.0 and both periods in milliseconds."""
    root = request()

    assert found(root, "KeyType") == [f"{WST}/Bearer"]
    assert found(root, "TokenType") == ["urn:oasis:names:tc:SAML:2.0:assertion"]
    assert found(root, "RequestType") == [f"{WST}/Issue"]
    assert found(root, "Created") == ["2026-03-01T12:00:05.123Z"] * 2
    assert found(root, "Expires") == ["2026-03-01T12:10:05.123Z", "2026-03-01T12:05:05.123Z"]
    assert found(root, "Username") == [USER]


def test_request_token_is_the_first_thing_in_the_body():
    """No whitespace before or around it (the STS expects RST as first child)."""
    body = next(request().iter("{*}Body"))

    assert body.text is None
    assert [etree.QName(child).localname for child in body] == ["RequestSecurityToken"]


@pytest.mark.parametrize("password", ["<&\"'>", "pä ß€wörd", "]]>", " blanks ", "\U0001f511", "%s"])
def test_carries_any_password(password):
    """The parsed request holds the password character by character."""
    assert found(request(password), "Password") == [password]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_round_trips_passwords(password):
    """Every password that XML can carry arrives; the others are refused."""
    try:
        root = request(password)
    except ValueError:
        reject()
    assert (found(root, "Password")[0] or "") == password


def test_refuses_control_characters_without_showing_them():
    """XML cannot carry a NUL; the error does not hold the password."""
    with pytest.raises(ValueError, match="cannot carry") as caught:
        request("sec\x00ret")

    assert "ret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_takes_the_assertion_out():
    """The one assertion comes out as a document of its own."""
    token = answer(response(sign()))

    assert token.reveal().startswith(b"<?xml") is False
    assert etree.fromstring(token.reveal()).get("ID") == "_1"


@pytest.mark.parametrize(
    "content",
    [
        response(sign() + sign(Recipe(assertion_id="_2"))),
        response(b""),
        response(b"<x>" + sign() + b"</x>"),
        sign(),
        b"<html>Bad Gateway</html>",
        b"not xml",
        b"",
        b"<!DOCTYPE a><a/>",
    ],
)
def test_refuses_other_answers(content):
    """Two tokens, none, one out of place, and what is no SOAP are refused."""
    with pytest.raises(ProofError):
        answer(content)


def test_tells_an_expired_signing_certificate():
    """InvalidTimeRange with the product's text is the fault that this product repairs."""
    with pytest.raises(SigningCertificateError) as caught:
        answer(fault("ns0:InvalidTimeRange", EXPIRED))

    assert caught.value.text == EXPIRED
    assert caught.value.node == "psc1.lab.example"


@pytest.mark.parametrize("prefix", ["", "ns0:", "wsse:", "a:"])
def test_tells_refused_credentials(prefix):
    """FailedAuthentication, of whatever namespace, is the password."""
    with pytest.raises(SsoLoginError, match="Invalid credentials"):
        answer(fault(f"{prefix}FailedAuthentication", "Invalid credentials"))


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        ("wsse:MessageExpired", "The time now is not in", "clock skew"),
        ("ns0:InvalidTimeRange", "The token authority rejected", "clock skew"),
        ("ns0:RequestFailed", "Signing certificate is not valid", "RequestFailed"),
        ("S:Server", "boom", "Server: boom"),
        ("", "", "sts-token"),
    ],
)
def test_names_other_faults(code, text, said):
    """Every other fault is a ProofError that names it."""
    with pytest.raises(ProofError, match=said):
        answer(fault(code, text))


def test_reads_soap_12_faults():
    """A SOAP 1.2 fault is told by its subcode."""
    content = (
        b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault><e:Code>'
        b"<e:Value>e:Sender</e:Value><e:Subcode><e:Value>x:FailedAuthentication</e:Value>"
        b"</e:Subcode></e:Code><e:Reason><e:Text>no</e:Text></e:Reason></e:Fault></e:Body>"
        b"</e:Envelope>"
    )

    with pytest.raises(SsoLoginError):
        answer(content)


def test_blots_out_an_echoed_password():
    """A server that sends the password back does not get it into a message."""
    with pytest.raises(ProofError) as caught:
        answer(fault("S:Server", "bad password: hunter2!"), password="hunter2!")

    assert "hunter2" not in str(caught.value)
    assert "***" in str(caught.value)


def test_keeps_texts_short_and_printable():
    """Terminal escapes and megabytes of text do not get into a message."""
    with pytest.raises(ProofError) as caught:
        answer(fault("S:Server", "a\u009b31m\n\tb" + "x" * 5000))

    assert "\u009b" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800


@given(st.binary(max_size=200))
def test_other_bytes_never_raise_anything_else(content):
    """Any bytes inside a SOAP body end in a ProofError."""
    with pytest.raises(ProofError):
        answer(response(content))
