"""Mistakes in whom is believed: TLS, names, redirects, tokens, passwords that were refused."""

from __future__ import annotations

from mutant import Mutant

LED_ELSEWHERE = "tests/lab/test_led_elsewhere.py"
MIDDLE = "tests/lab/test_man_in_the_middle.py"
PEER_TLS = "tests/lab/test_peer_tls.py"
LOGINS = "tests/lab/test_node_logins.py"
DIRECTORY = "tests/lab/test_directory_session.py"
ESX_HOST = "tests/lab/test_esxi_host.py"
HTTPS = "tests/lab/test_https_client.py"
DIRECTORY_CONTRACT = "tests/contract/test_directory_contract.py"
LIMITS = "tests/unit/test_limits.py"
SAML = "tests/unit/test_saml.py"
XML = "tests/unit/test_xml.py"

_TLS = "snapshot/tls.py"
_LDAP = "remediation/directory/ldap_session.py"

MUTANTS = (
    Mutant(
        name="TLS: another certificate than the pinned one is believed",
        file=_TLS,
        old="            if found not in self.pins:\n",
        new="            if not found:\n",
        tests=(f"{PEER_TLS}::test_a_peer_with_another_pin_hears_nothing",),
    ),
    Mutant(
        name="TLS: a peer of any CA is believed",
        file=_TLS,
        old="    context.verify_flags &= ~ssl.VERIFY_X509_STRICT\n",
        new="    context.check_hostname = False\n    context.verify_mode = ssl.CERT_NONE\n",
        tests=(f"{PEER_TLS}::test_a_peer_of_an_unknown_ca_hears_nothing",),
    ),
    Mutant(
        name="TLS: the name in a certificate does not matter",
        file=_TLS,
        old="    context.verify_flags &= ~ssl.VERIFY_X509_STRICT\n",
        new="    context.check_hostname = False\n",
        tests=(f"{PEER_TLS}::test_peers_that_share_a_ca_file_keep_their_own_names",),
    ),
    Mutant(
        name="TLS: what a run made for one node is believed of all",
        file=_TLS,
        old="_believing(_verifying_context(trust.ca_file), made)",
        new="_believing(_shared_context(trust.ca_file), made)",
        tests=(f"{PEER_TLS}::test_what_a_run_made_for_one_peer_is_believed_of_no_other",),
    ),
    Mutant(
        name="TLS: the server may renegotiate",
        file=_TLS,
        old="    context.minimum_version = ssl.TLSVersion.TLSv1_2\n"
        "    context.options |= ssl.OP_NO_RENEGOTIATION"
        "  # who was believed stays who is spoken to\n"
        "    context.check_hostname = False\n",
        new="    context.minimum_version = ssl.TLSVersion.TLSv1_2\n"
        "    context.check_hostname = False\n",
        tests=("tests/unit/test_trust.py::test_no_context_renegotiates",),
    ),
    Mutant(
        name="a name that is none is called: LDAP leaves TLS out",
        file=_TLS,
        old="    if not (is_host(endpoint.name) and is_host(endpoint.address)):\n",
        new="    if not endpoint.name:\n",
        tests=(f"{MIDDLE}::test_a_name_that_is_none_is_not_called",),
    ),
    Mutant(
        name="a name that is none is called: SSH",
        file="remediation/transports/ssh_session.py",
        old="    if not (is_host(peer.node) and is_host(peer.address)):\n",
        new="    if not peer.node:\n",
        tests=(f"{MIDDLE}::test_a_name_that_is_none_is_not_called",),
    ),
    Mutant(
        name="LDAP: a referral is followed",
        file="remediation/directory/ldap_connection.py",
        old="        auto_referrals=False,\n",
        new="        auto_referrals=True,\n",
        also=(("            allowed_referral_hosts=[],\n", ""),),
        tests=(f"{LED_ELSEWHERE}::test_no_referral_is_followed",),
    ),
    Mutant(
        name="vAPI: a redirect is followed",
        file="remediation/logins/vcenter.py",
        old="        session.max_redirects = 0\n",
        new="",
        also=(
            ("        session.adapters.clear()\n", ""),
            (
                '        session.mount(_origin(endpoint) + "/", ',
                '        session.mount("https://", ',
            ),
        ),
        tests=(f"{LED_ELSEWHERE}::test_no_redirect_is_followed",),
    ),
    Mutant(
        name="whatever a host gives for a URL is asked for",
        file="snapshot/guest_session.py",
        old='    if not target.startswith("/") or not re.fullmatch(r"[!-~]+", target):\n',
        new="    if target is None:\n",
        tests=(
            (
                "tests/unit/test_guest_urls.py"
                "::test_a_url_that_cannot_be_asked_for_is_a_fault_of_the_host"
            ),
        ),
    ),
    Mutant(
        name="an answer of any size is read",
        file="remediation/web/https.py",
        old="            if len(content) > BODY_LIMIT:\n",
        new="            if len(content) > 99 * BODY_LIMIT:\n",
        tests=(f"{HTTPS}::test_a_body_that_is_too_large_is_refused",),
    ),
    Mutant(
        name="headers and all else of an answer have no limit",
        file=_TLS,
        old="        if self._answered > ANSWER_BYTES:\n",
        new="        if self._answered < 0:\n",
        tests=(f"{HTTPS}::test_headers_without_end_are_too_large",),
    ),
    Mutant(
        name="LDAP: values without end are decoded",
        file="remediation/directory/ldap_connection.py",
        old="        if self._elements > ELEMENTS:\n",
        new="        if self._elements > 99 * ELEMENTS:\n",
        tests=(f"{LIMITS}::test_values_without_end_are_too_many_elements",),
    ),
    Mutant(
        name="LDAP: a message of any length is taken",
        file="remediation/directory/ldap_connection.py",
        old="            if size > MESSAGE_BYTES:\n",
        new="            if size > MESSAGE_BYTES << 40:\n",
        tests=(f"{LIMITS}::test_a_message_is_refused_by_its_length",),
    ),
    Mutant(
        name="SOAP: a document type is taken",
        file="snapshot/soap_stub.py",
        old="    parser.StartDoctypeDeclHandler = declared\n",
        new="    del declared\n",
        tests=(f"{LIMITS}::test_a_document_type_is_refused_in_any_encoding",),
    ),
    Mutant(
        name="SSH: a packet of any length is taken",
        file="remediation/transports/ssh_packets.py",
        old="        if n > PACKET_BYTES:\n",
        new="        if n < 0:\n",
        tests=(f"{LIMITS}::test_a_packet_is_refused_by_its_length",),
    ),
    Mutant(
        name="a directory of another domain gets the password",
        file="remediation/directory/vmdir.py",
        old="                raise DomainNotFoundError(self._node, self._domain, found)\n",
        new="                del found\n",
        tests=(f"{DIRECTORY_CONTRACT}::test_node_of_another_domain_is_refused",),
    ),
    Mutant(
        name="a refused password is sent again: LDAP",
        file=_LDAP,
        old="        self._refusal = (user_dn, code)\n",
        new="",
        tests=(f"{DIRECTORY}::test_refused_password_is_sent_once",),
    ),
    Mutant(
        name="a refused password is sent again: LDAP, after a lost answer",
        file=_LDAP,
        old="isinstance(error, DirectoryUnreachableError) and self._lost_while_reading\n",
        new="isinstance(error, DirectoryUnreachableError)\n",
        also=(("            self._lost_login_s = self._clock.monotonic()\n", ""),),
        tests=(f"{DIRECTORY}::test_lost_answer_to_the_bind_is_not_tried_again_at_once",),
    ),
    Mutant(
        name="a password that may have been refused is sent again at once: LDAP",
        file=_LDAP,
        old="            self._lost_login_s = self._clock.monotonic()\n",
        new="",
        tests=(f"{DIRECTORY}::test_lost_answer_to_the_bind_is_not_tried_again_at_once",),
    ),
    Mutant(
        name="a refused password is sent again: ESXi",
        file="snapshot/esxi_session.py",
        old="                self._refusal = fault_name(fault)\n"
        "                raise HostLoginError(self.host, self._user, self._refusal) from fault\n",
        new="                raise HostLoginError(self.host, self._user, None) from fault\n",
        tests=(f"{ESX_HOST}::test_a_refused_password_is_sent_once",),
    ),
    Mutant(
        name="a refused password is sent again: STS",
        file="remediation/logins/node_logins.py",
        old="                self._refused = error\n",
        new="",
        tests=(f"{LOGINS}::test_a_refused_password_is_never_sent_again",),
    ),
    Mutant(
        name="a wrong password is sent by many threads: STS",
        file="remediation/logins/node_logins.py",
        old="        with self._unproven:\n            self._check_refused()\n            yield\n",
        new="        self._check_refused()\n        yield\n",
        tests=(f"{LOGINS}::test_many_threads_send_a_wrong_password_once",),
    ),
    Mutant(
        name="a token for somebody else is a proof",
        file="remediation/logins/node_logins.py",
        old='        if token.subject.partition("@")[0].casefold() != wanted:\n',
        new="        if not wanted:\n",
        tests=(f"{LOGINS}::test_a_token_for_somebody_else_is_no_proof",),
    ),
    Mutant(
        name="an empty password makes an anonymous login",
        file=_LDAP,
        old="        if not password.reveal():\n",
        new="        if password is None:\n",
        tests=(f"{DIRECTORY}::test_empty_password_is_refused_here",),
    ),
    Mutant(
        name="ldap3 keeps the password and the answer",
        file="remediation/directory/ldap_connection.py",
        old="    connection.request = connection.response = None\n",
        new="    del connection\n",
        tests=(f"{DIRECTORY}::test_no_answer_and_no_request_stays_behind",),
    ),
    Mutant(
        name="what vmdir quotes of a refused value is shown",
        file="remediation/directory/ldap_connection.py",
        old='    shown = re.match(r"[ -~]*", text)\n',
        new='    shown = re.match(r".*", text, re.DOTALL)\n',
        tests=("tests/unit/test_ldap_text.py",),
    ),
    Mutant(
        name="the SDK logs whole requests",
        file="remediation/logins/vcenter.py",
        old="    get_client_wire_logger().disabled = True\n",
        new="",
        tests=(f"{LOGINS}::test_the_sdk_logs_no_request",),
    ),
    Mutant(
        name="a diagnosis follows a redirect to anybody",
        file="remediation/web/web_probe.py",
        old="        if host != endpoint.name.lower() and host not in known:\n",
        new="        if not host:\n",
        tests=(f"{LED_ELSEWHERE}::test_a_diagnosis_follows_redirects_within_the_domain_alone",),
    ),
    Mutant(
        name="SAML: the signature may be over something else",
        file="remediation/logins/saml.py",
        old='    if reference.get("URI") != f"#{wanted}":\n',
        new='    if not reference.get("URI"):\n',
        tests=(f"{SAML}::test_refuses_what_no_sts_signs_like",),
    ),
    Mutant(
        name="SAML: of two assertions the first is read",
        file="remediation/logins/saml.py",
        old="    if len(elements) != 1:\n",
        new="    if not elements:\n",
        tests=(f"{SAML}::test_refuses_a_second_assertion",),
    ),
    Mutant(
        name="SAML: an ID may be there twice",
        file="remediation/logins/saml.py",
        old="    if any(count > 1 for count in seen.values()):\n",
        new="    if any(count > 99 for count in seen.values()):\n",
        tests=(f"{SAML}::test_refuses_a_duplicate_id",),
    ),
    Mutant(
        name="SAML: a signature may be anywhere",
        file="remediation/logins/saml.py",
        old="    if signature.getparent() is not assertion:\n",
        new="    if signature.getparent() is None:\n",
        tests=(f"{SAML}::test_refuses_a_signature_moved_out",),
    ),
    Mutant(
        name="SAML: the digest does not matter",
        file="remediation/logins/saml.py",
        old="    if not hmac.compare_digest(digest, reference.digest):\n",
        new="    if not digest:\n",
        tests=(f"{SAML}::test_refuses_a_changed_byte",),
    ),
    Mutant(
        name="SAML: the signature is not verified",
        file="remediation/logins/saml.py",
        old="    except InvalidSignature:\n        raise _NotProvenError(",
        new="    except InvalidSignature:\n        str(",
        also=(("first certificate's key\") from None\n", "first certificate's key\")\n"),),
        tests=(f"{SAML}::test_refuses_a_changed_signed_info",),
    ),
    Mutant(
        name="XML with a document type is read",
        file="remediation/web/xml.py",
        old="    if document.internalDTD is not None or document.externalDTD is not None:\n",
        new="    if document is None:\n",
        tests=(f"{XML}::test_refuses",),
    ),
    Mutant(
        name="XML of any size is parsed",
        file="remediation/web/xml.py",
        old="    if len(content) > XML_LIMIT:\n",
        new="    if not len(content):\n",
        tests=(f"{XML}::test_refuses",),
    ),
)
