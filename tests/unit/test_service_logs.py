"""The last errors of services that do not start: what is asked, found, cut and hidden."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lab_node import BareNode
from stsfix.remediation.nodes import service_logs
from stsfix.remediation.nodes.service_logs import LINE, chosen, parse, redacted, script

NONCE = "0123abcd"
VPXD = "/var/log/vmware/vpxd/vpxd.log"
LINES = [
    "2026-11-25T10:00:00 info vpxd[1] all is well",
    *(f"2026-11-25T10:00:0{n} error vpxd[1] trouble {n}" for n in range(5)),
    "2026-11-25T10:00:09 error vpxd[1] password = hunter2hunter2 was refused",
]


def test_each_log_is_looked_into_once():
    """Two services of one log, and services without one, which vMon tells of."""
    found = chosen(["sts", "vmware-stsd", "vmware-vpxd", "no-such", "other"])

    assert [(service, log.name) for service, log in found] == [
        ("sts", "vmware-identity-sts.log"),
        ("vmware-vpxd", "vpxd.log"),
        ("no-such", "vmon.log"),
    ]


def test_only_a_few_services_are_asked_about():
    """However many are down, the look stays small."""
    assert len(chosen([f"vpxd{n}" for n in range(50)] + ["vpxd"])) <= service_logs.SERVICES


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_real_bash_finds_the_last_errors(tmp_path):
    """Three lines of the end, oldest first, without the secret; a missing log is left out."""
    (tmp_path / "vpxd.log").write_text("\n".join(LINES) + "\n")
    text = script(["vpxd", "vmdird"], NONCE).replace(VPXD, f"{tmp_path}/vpxd.log")

    done = subprocess.run(
        ["bash"], input=text, capture_output=True, text=True, timeout=30, check=True
    )
    (found,) = parse(done.stdout, ["vpxd", "vmdird"], NONCE)

    assert (found.service, found.path) == ("vpxd", VPXD)
    assert [line[-9:] for line in found.lines[:2]] == ["trouble 3", "trouble 4"]
    assert found.lines[2].endswith("password = *** was refused")
    assert done.stderr == ""


def test_the_labs_nodes_understand_the_script():
    """The same lines come out of a lab node's shell."""
    node = BareNode()
    node.tools.files.write(VPXD, ("\n".join(LINES) + "\n").encode())

    code, output = node.sh(script(["vpxd"], NONCE))

    assert code == 0
    assert len(parse(output, ["vpxd"], NONCE)[0].lines) == 3


def test_another_nonce_is_a_line_like_any_other():
    """A log cannot forge the end of its own section."""
    forged = f"== stsfix-service-log:{'f' * 8} end error"
    mark = f"== stsfix-service-log:{NONCE}"
    output = f"\n{mark} 0\n{forged}\nerror after\n{mark} end\n"

    (found,) = parse(output, ["vpxd"], NONCE)

    assert found.lines == (forged, "error after")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("ERROR password=abc123 user=x", "ERROR password=*** user=x"),
        ("ERROR Password: 'abc 123'", "ERROR Password: '*** 123'"),
        ('{"pwd":"s3cret","a":1} error', '{"pwd":"***","a":1} error'),
        ("Authorization: Basic cm9vdDpzZWNyZXQ= failed", "Authorization: *** failed"),
        ("sent Bearer eyJhbGciOiJSUzI1NiJ9.e30.abc error", "sent Bearer *** error"),
        ("https://root:secret@vc1/sdk failed", "https://root:***@vc1/sdk failed"),
        ("-----BEGIN RSA PRIVATE KEY-----MIIE error", "-----BEGIN RSA PRIVATE KEY-----***"),
        ("sessionId=52ab-77 failed", "sessionId=*** failed"),
        ("error: token is eyJabc", "error: token is ***"),
        ("error: the password of root has expired", "error: the password of root has expired"),
        ("error \x1b[31mred\x00", "error  [31mred"),
        (
            "error: Signing certificate is not valid at",
            "error: Signing certificate is not valid at",
        ),
    ],
)
def test_what_looks_like_a_secret_is_hidden(line, shown):
    """Values go, the words around them stay."""
    assert redacted(line) == shown


@given(st.text(max_size=500), st.text("abcXYZ0189+/", min_size=6, max_size=40))
def test_no_password_after_its_name_survives(before, secret):
    """Whatever precedes it, and however the line is cut."""
    assume(secret not in before)

    assert secret not in redacted(f"password={secret} {before}")
    assert len(redacted(before * 20)) <= LINE


@given(st.text(max_size=400))
def test_any_answer_is_read(text):
    """Other people's text breaks nothing."""
    assert len(parse(text, ["vpxd", "vmdird"], NONCE)) <= 2
