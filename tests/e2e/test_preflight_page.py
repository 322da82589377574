"""``stsfix preflight --html`` writes its page privately, or says why not before it asks anybody."""

from __future__ import annotations

import stat
from typing import Any

import pytest
from lxml import html as parser

from lab_bench import Bench, build

pytestmark = [pytest.mark.e2e, pytest.mark.lab]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """An expired lab that nobody changes."""
    with build(topology="external-psc") as lab:
        yield Bench(lab, tmp_path_factory.mktemp("lab"))


def test_page_is_written_for_its_owner_alone(bench):
    """All four nodes are on it; terminal and exit code are as without it."""
    page = bench.stsfix.folder / "report.html"

    looked = bench.stsfix.run("preflight", "--html", "report.html")

    root: Any = parser.document_fromstring(page.read_text())
    assert looked.code == 0
    assert "The page is in report.html." in looked.err
    assert "WHAT A REPAIR DOES" in looked.out
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert all(node.fqdn in root.text_content() for node in bench.lab.topology.nodes)
    assert not root.xpath("//script")


def test_page_and_document_together(bench):
    """With --json standard output is still one document."""
    looked = bench.stsfix.run("preflight", "--json", "--html", "both.html")

    assert looked.json()["kind"] == "preflight"
    assert (bench.stsfix.folder / "both.html").exists()


def test_link_is_refused_before_anybody_is_asked(bench):
    """Exit code 5, nothing is read from any host, and the link's target is untouched."""
    target = bench.stsfix.folder / "target"
    target.write_text("precious")
    (bench.stsfix.folder / "link.html").symlink_to(target)
    bench.mark()

    refused = bench.stsfix.run("preflight", "--html", "link.html")

    assert refused.code == 5
    assert "symbolic link" in refused.err
    assert target.read_text() == "precious"
    assert {protocol for protocol, _, _ in bench.calls()} <= {"replication"}  # the lab's own
