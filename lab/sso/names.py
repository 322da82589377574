"""XML names and URIs of WS-Security, WS-Trust, SAML 2.0 and XML signatures."""

from __future__ import annotations

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
WST_ISSUE = WST + "/Issue"
WST_ISSUE_ACTION = WST + "/RST/Issue"
WST_BEARER = WST + "/Bearer"
WST_PUBLIC_KEY = WST + "/PublicKey"

DS = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED = DS + "enveloped-signature"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"

SAML2 = "urn:oasis:names:tc:SAML:2.0:assertion"
SAML2_METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
SAML2_PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
SAML2_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:"
CONFIRM_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
CONFIRM_HOK = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
UPN_FORMAT = "http://schemas.xmlsoap.org/claims/UPN"
XS = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
