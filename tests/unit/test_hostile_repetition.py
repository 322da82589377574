"""What a peer says is read in a time that grows with its length: no repetition holds the process.

A regular expression holds the interpreter lock while it searches, so one that takes minutes stops
every thread, and no signal is heard. A parser of untrusted text belongs into `PARSERS`.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from stsfix.plugin.redaction import Redactor
from stsfix.remediation import adoption
from stsfix.remediation.diagnosis import log_lines
from stsfix.remediation.diagnosis.log_signatures import SIGNATURES
from stsfix.remediation.directory import dn
from stsfix.remediation.known_hosts import known_keys
from stsfix.remediation.nodes import (
    extensions,
    log_script,
    node_facts,
    pam_words,
    scheduled_tasks,
    service_logs,
    service_status,
    start_types,
    vami_answers,
    windows_scripts,
)
from stsfix.remediation.nodes.node_logs import LOGS
from stsfix.remediation.pki import certool, vecs, vecs_writing
from stsfix.remediation.transports import ssh_appliancesh
from stsfix.remediation.transports.ssh_script import ScriptReader
from stsfix.remediation.web import https, metadata
from stsfix.remediation.web.https import Answer
from stsfix.remediation.web.web_probe import page_text
from stsfix.snapshot import esxi_plain, guest_windows
from stsfix.snapshot.model import HostRef, PowerState, SnapshotRef, VmId
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 64 * 1024
LIMIT_S = 0.4
"""Of processor time: the slowest of them takes a tenth of it for `SIZE` characters."""

BLANKS = ("\n", " ", "a ")
"""What is repeated for each parser, besides its own heads."""


def _section(*names: str) -> Callable[[str], str]:
    """Return what puts a text into sections of a script's output."""

    def put(text: str) -> str:
        each = (f"== stsfix:n:{name}\n{text}\n== stsfix:n:code-{name}\n0\n" for name in names)
        return "".join((*each, "== stsfix:n:end\n"))

    return put


def _facts(name: str, text: str) -> object:
    return node_facts.parse(f"== stsfix:{name}\n{text}\n== stsfix:end\n")


def _windows(name: str, text: str) -> object:
    return windows_scripts.parse_facts(f"== stsfix:{name}\n{text}\n== stsfix:end\n")


def _authority(name: str, text: str) -> object:
    return certool.parse_authority(_section(name)(text), node="n", nonce="n")


def _store(text: str) -> str:
    listed = f"Number of entries in store :\t1\nAlias :\ta\nEntry type :\tTrusted Cert\n{text}"
    return (
        "== stsfix:n:stores\nS\n== stsfix:n:code\n0\n"
        f"== stsfix:n:store-S\n{listed}\n== stsfix:n:code-S\n0\n== stsfix:n:end\n"
    )


def _logs(text: str) -> str:
    log = LOGS[0].name
    kind = next(s.id for s in SIGNATURES if log in s.logs)
    head = f"== stsfix-log:n file {log}\n1 1\n== stsfix-log:n lines {log} {kind}\n"
    return f"{head}{text}\n{text}\n"


def _fed(text: str) -> str:
    reader = ScriptReader("n", output_limit=SIZE)
    for start in range(0, len(text), 4096):
        reader.feed(text[start : start + 4096].encode())
    return reader.output


def _page(text: str) -> str:
    return page_text(Answer(status=200, body=text.encode(), date=None))


def _redactor() -> Redactor:
    redactor = Redactor()
    redactor.register(Secret("aaaa aaaa"))
    return redactor


def _described(text: str) -> object:
    vm = VmId(host=HostRef("h"), moref="1", instance_uuid="u", name="n")
    now = datetime(2026, 11, 26, tzinfo=UTC)
    snapshot = SnapshotRef(
        vm=vm, moref="s", name="stsfix-a", description=text, created=now, taken_off=True
    )
    return adoption.member_of(snapshot, PowerState.OFF)


WIDE = f"a{' ' * 3900}b\n"
"""A line of blanks, as long as any that is looked at."""
EXPIRES = f"Password expires : {WIDE}"
PEM = ("-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PRIVATE KEY-----")


def _kept(text: str) -> object:
    lines = (service_status.STOPPED_LINE, text, service_status.STARTING_LINE)
    return service_status.parse_kept("\n".join(lines))


PARSERS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "pem": (certool.pem_certificates, PEM[:1]),
    "VMCA's root": (lambda text: _authority("root", text), PEM[:1]),
    "VMCA's key": (lambda text: _authority("key", text), PEM[1:2]),
    "VMCA's answer": (
        lambda text: _authority("served", text),
        ("Serial Number:", "Status :", "Status : Success"),
    ),
    "root key": (lambda text: certool.parse_root_key(Secret(text.encode())), PEM[2:]),
    "certool's error": (certool.error_of, ("Error Message :", "Error Code :")),
    "signed": (
        lambda text: certool.parse_signed(_section("certool", "certificate")(text), "n", 0),
        PEM[:1],
    ),
    "stores": (
        lambda text: vecs.parse(_store(f"Certificate :\t{text}"), "n"),
        (*PEM[:1], "-----BEGIN X509 CRL-----"),
    ),
    "refusal of vecs-cli": (lambda text: vecs_writing.refusal_of(text, "n", 1), ()),
    "release": (lambda text: _facts("build", text), ("CLOUDVM_VERSION :",)),
    "state of vmdir": (lambda text: _facts("vmdir-state", text), ("VmDir State is - a",)),
    "vCenter HA": (lambda text: _facts("vcha", text), ("no folder\nHACore",)),
    "password": (
        lambda text: _facts("password", text),
        ("Password expires : a", f"Password expires : {WIDE}"),
    ),
    "disks": (lambda text: _facts("disks", text), ("a", "/dev/a 1", "a 1 2 3 4% /", WIDE)),
    "uptime": (lambda text: _facts("uptime", text), ("1",)),
    "clock": (lambda text: _facts("clock", text), ("1",)),
    "addresses": (lambda text: _facts("addresses", text), ("inet ", "inet 1")),
    "release on Windows": (lambda text: _windows("version", text), ("ProductVersion REG_SZ 1",)),
    "database": (lambda text: _windows("database", text), ("dbtype = a",)),
    "clock of Windows": (lambda text: _windows("clock", text), ("LocalDateTime=",)),
    "services": (service_status.parse_status, ("Running:", "Running:\na", "Aa")),
    "what runs after the stop": (_kept, ("Running:", "Running:\na", "Aa")),
    "failures": (
        lambda text: (service_status.parse_failures(text), service_status.parse_unstopped(text)),
        (
            'Error executing start on service a. Details {"a": ',
            "Service-control failed. Error: {",
            "Service-control failed. Error: Failed to start a",
            "Service-control failed. Error: Failed to stop a",
        ),
    ),
    "start types": (lambda text: start_types.split_types(start_types.MARK + text), ("\nName: a",)),
    "service logs": (
        lambda text: service_logs.parse(f"== stsfix-service-log:n 0\n{text}\n", ["vpxd"], "n"),
        ("ERROR password", "ERROR password is", "ERROR ://a:", "ERROR -----BEGIN "),
    ),
    "logs": (
        lambda text: log_script.parse(_logs(text), "n"),
        ("Tenant ", "Tenant has no", "Solution user login into domain ", "2026-11-26T00:00:00"),
    ),
    "dates": (
        lambda text: (log_lines.line_time(text), log_lines.refused_signer(text)),
        ("Signing certificate is not valid at ", "Signing certificate is not valid at a, cert"),
    ),
    "extensions": (lambda text: extensions.parse(_section("first")(text), "n"), ("a", "a |")),
    "extensions changed": (
        lambda text: extensions.parse_replaced(_section("first")(text), "n"),
        ("UPDATE 1",),
    ),
    "tasks": (lambda text: scheduled_tasks.parse(_section("first")(text), ["n"]), ("1",)),
    "VAMI": (
        lambda text: (
            vami_answers.parse_services(text.encode(), "/a"),
            vami_answers.parse_error(text.encode()),
        ),
        ("[", '{"a":', '"'),
    ),
    "page": (_page, ("<script>", "<script", "<", "&#", "&#1", "</script")),
    "JWKS": (
        lambda text: _or_refused(metadata.parse_jwks, text.encode()),
        ('{"keys":[', '{"keys":[{"kty":"RSA","n":"'),
    ),
    "SAML metadata": (
        lambda text: _or_refused(metadata.parse_signing_chain, text.encode()),
        ("<a>", "<a ", "<!--"),
    ),
    "date of an answer": (https._parsed, ("Mon, ", "Mon, 1 Jan ")),
    "PAM": (pam_words.refusal_in, ("account is ", "password ", "locked due to ")),
    "DN": (lambda text: (dn.split(text), dn.name_of(text)), ("cn=a\\", "cn=", ",")),
    "known_hosts": (lambda text: known_keys(text, ["a"]), ("|1|", "*a", "a ssh-rsa ")),
    "end of a script": (_fed, ("stsfix-begin-n\r", "stsfix-begin-n\n", "stsfix-end-n:1\r")),
    "prompt": (ssh_appliancesh._PROMPT.search, ("#", "Command>", "#\x1b[1m", "\x1b[")),
    "description": (
        _described,
        ("SSO domain a before the STS repair;", "SSO domain a before the STS repair; [node=a"),
    ),
    "code page": (lambda text: guest_windows.decode(text.encode()), ("1", "1a")),
    "plain objects": (
        lambda text: esxi_plain.take_runs(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<{text}'.encode(), ["name"]
        ),
        ('<objects><obj type="VirtualMachine">', "<objects>"),
    ),
    "redaction": (_redactor().redact, ("aaaa", "aaaa aaa")),
}


def _or_refused(parse: Callable[[bytes], object], content: bytes) -> None:
    with contextlib.suppress(metadata.MetadataError):
        parse(content)


def _texts(heads: tuple[str, ...], size: int) -> list[str]:
    """Return each head before a run of each filler, and repeated; all *size* characters long."""
    runs = [head + filler * (size // len(filler)) for head in ("", *heads) for filler in BLANKS]
    repeated = [head * (size // len(head)) for head in heads]
    return [f"{text[:size]}!" for text in (*runs, *repeated)]


@pytest.mark.parametrize("name", PARSERS)
def test_a_repetition_is_read_in_the_time_of_its_length(name):
    """Of 8 and of 64 KiB, whatever is repeated: well below half a second of processor time."""
    parse, heads = PARSERS[name]

    for text in (*_texts(heads, SIZE // 8), *_texts(heads, SIZE)):
        begun = time.thread_time()
        parse(text)
        took = time.thread_time() - begun

        assert took < LIMIT_S, f"{took:.1f} s for {len(text)} characters {text[:60]!r}"
