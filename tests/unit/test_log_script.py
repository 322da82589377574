"""The look into a node's logs: what it asks, and that no answer breaks its reading."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_node import NOW, BareNode
from stsfix.lab.disk import NodeFile
from stsfix.remediation.diagnosis.log_signatures import BY_ID, SIGNATURES, WEB_SIGNATURES
from stsfix.remediation.nodes.log_script import (
    LINE_BYTES,
    LINES_KEPT,
    OUTPUT_LIMIT,
    LogReading,
    parse,
    script,
)
from stsfix.remediation.nodes.node_logs import FOLDER, LOGS

NONCE = "a1b2"
SVCS = f"{FOLDER}/vpxd-svcs/vpxd-svcs.log"
VPXD = f"{FOLDER}/vpxd/vpxd.log"
REFUSED = "2026-03-01T12:00:0{}.000Z [x  ERROR y opId=] Signing certificate is not valid at Sun"
X509 = "2020-10-07T08:27:51.547Z info vpxd[12853] [x] Failed to read X509 cert; err: 151441516"
FILES = {
    SVCS: "\n".join(["old noise"] * 50 + [REFUSED.format(n) for n in range(8)]).encode(),
    VPXD: b"\xff\xfe noise \x00\n" + X509.encode() + b"\xff" + b"x" * 3000 + b"\nrest",
    f"{FOLDER}/content-library/cls.log": b"",
}


def reading(files=FILES):
    """Return what a lab node with *files* tells."""
    node = BareNode()
    node.disk.files |= {path: NodeFile(content=content) for path, content in files.items()}
    code, output = node.sh(script(NONCE))
    assert code == 0
    return parse(output, NONCE)


def test_the_last_lines_of_each_kind_are_told():
    """Not the noise, not more than a few, each with its own time and its file's."""
    found = reading()

    refused = found.of("signer-dates")
    assert [quote.text for quote in refused] == [REFUSED.format(n) for n in range(4, 8)]
    assert refused[-1].written is not None
    assert refused[-1].written.moment == datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
    assert {(quote.path, quote.changed) for quote in refused} == {
        (SVCS, NOW.replace(microsecond=0))
    }


def test_bytes_that_are_no_text_are_read():
    """A line of a log may hold anything; it is cut, and what it is about stays."""
    (quote,) = reading().of("x509-read")

    assert quote.text.startswith(X509)
    assert len(quote.text.encode("utf-8", "replace")) <= LINE_BYTES * 3


def test_empty_and_missing_logs_are_told_apart():
    """What is not there is no failure to read."""
    found = reading()

    assert found.read == ("vpxd-svcs.log", "vpxd.log", "cls.log")
    assert set(found.missing) == {log.name for log in LOGS} - set(found.read)
    assert found.unread == ()


def test_real_programs_give_what_the_lab_gives(tmp_path):
    """The script in bash with GNU tools, on the same files in another folder."""
    for path, content in FILES.items():
        file = tmp_path / path.removeprefix(f"{FOLDER}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    text = script(NONCE).replace(FOLDER, str(tmp_path))

    done = subprocess.run(["bash", "-c", text], capture_output=True, check=False, timeout=60)
    output = done.stdout.decode("utf-8", "replace").replace(str(tmp_path), FOLDER)

    there, here = parse(output, NONCE), reading()
    assert done.stderr == b""
    assert [q.text for q in there.quotes] == [q.text for q in here.quotes]
    assert (there.read, there.missing, there.unread) == (here.read, here.missing, here.unread)


def test_an_answer_that_was_cut_is_told():
    """Logs behind the cut are unread, not missing."""
    node = BareNode()
    _, output = node.sh(script(NONCE))

    found = parse(output[: len(output) // 2], NONCE)

    assert found.missing
    assert {part.what for part in found.unread} > {"the rest of the logs"}


def test_a_log_cannot_speak_for_the_script():
    """A line that looks like a mark is a line; only the run's own marks divide."""
    evil = "== stsfix-log: file vpxd.log\n== stsfix-log:0000 end Signing certificate is not valid\n"

    found = reading({SVCS: evil.encode()})

    assert [q.text for q in found.quotes] == [evil.splitlines()[1]]
    assert "vpxd.log" in found.missing


def test_everything_full_fits_into_the_limit():
    """The output of a script whose every section is full is not cut."""
    sections = sum(len(signature.logs) for signature in SIGNATURES)

    assert sections * LINES_KEPT * LINE_BYTES + 100 * (sections + len(LOGS)) <= OUTPUT_LIMIT


@pytest.mark.parametrize("signature", BY_ID.values(), ids=lambda s: s.id)
def test_patterns_mean_the_same_to_grep_and_here(signature):
    """Only what extended and Python's expressions share; every log is in the table."""
    assert re.sub(r"\\\.|[\w .,;:*?|()\[\]'-]", "", signature.pattern) == ""
    assert "*?" not in signature.pattern
    assert set(signature.logs) <= {log.name for log in LOGS}
    assert re.compile(signature.pattern)


def test_ids_of_lines_are_unique():
    """Causes name lines by their id."""
    assert len(BY_ID) == len(SIGNATURES) + len(WEB_SIGNATURES)


_LINE = st.one_of(
    st.text(),
    st.sampled_from(SIGNATURES).map(lambda s: s.pattern),
    st.sampled_from([*(f"file {log.name}" for log in LOGS), "end", "lines vpxd.log x509-read"]).map(
        lambda name: f"== stsfix-log:{NONCE} {name}"
    ),
    st.sampled_from(["12 1700000000", "9 -99999999999999", "1 999999999999999", X509]),
)


@given(lines=st.lists(_LINE, max_size=30))
def test_any_answer_gives_a_reading(lines):
    """Whatever a node says, each log is read, missing or unread, and every quote holds its kind."""
    found = parse("\n".join(lines), NONCE)

    assert isinstance(found, LogReading)
    told = [*found.read, *found.missing, *(part.what for part in found.unread)]
    assert {log.name for log in LOGS} <= set(told)
    assert all(re.search(BY_ID[q.signature].pattern, q.text) for q in found.quotes)
