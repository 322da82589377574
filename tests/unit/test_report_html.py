"""The page of preflight: complete, self-contained, accessible, and nobody's words are markup."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from lxml import html as parser

from any_inventory import FINDINGS, INVENTORIES
from reports import domain, finding, named, report
from stsfix.plugin.page.preflight import preflight_page
from stsfix.plugin.preflight_view import PreflightReport
from stsfix.remediation.durations import phases
from stsfix.remediation.model import Renew, Role, Severity
from stsfix.remediation.renewal.plan import NO_RENEWAL, RenewalPlan

EVIL = (
    "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>"
    '"><svg onload=alert(3)><a href="javascript:alert(4)">x</a>]]>--><!--\u202e\x1b[2J\u2066'
)
PHASES = phases({"vc1.lab.example": Role.EMBEDDED}, ("quiesce", "replace-sts", "retire-old"))


def page(made=None) -> Any:
    """Return the parsed page of a report."""
    return parser.document_fromstring(preflight_page(made or report()))


def vocabulary(root):
    """Return every pair of element and attribute name in a page."""
    return {(e.tag, name) for e in root.iter(parser.etree.Element) for name in ("", *e.attrib)}


def words(root):
    """Return all text of a page in one line."""
    return " ".join(" ".join(root.itertext()).split())


@pytest.mark.parametrize(
    ("end", "renewal", "command"),
    [
        (-3, NO_RENEWAL, "stsfix run"),
        (900, NO_RENEWAL, "stsfix run --force"),
        (-3, RenewalPlan(renew=Renew.EXPIRED), "stsfix run --renew expired"),
        (
            900,
            RenewalPlan(renew=Renew.NONE, new_roots=("vc1.lab.example",)),
            "stsfix run --new-vmca-root",
        ),
    ],
)
def test_the_run_that_is_described_is_the_one_that_is_named(end, renewal, command):
    """With what was asked for, and with force only where nothing else gives a run a reason."""
    made = replace(report(domain(end=end), findings=[]), phases=PHASES, renewal=renewal)

    assert command in [code.text for code in page(made).iterfind(".//code")]


def test_summary_comes_first():
    """Domain, verdict, nodes, what is expired and the downtime stand before anything else."""
    root = page(replace(report(findings=[]), phases=PHASES))

    text = words(root.find(".//header"))

    assert text.startswith("Preflight of vsphere.local Seen at 2026-11-23 12:00:00 UTC.")
    assert "Nothing speaks against a repair" in text
    assert "Nodes 2 2 embedded" in text
    assert "STS signing certificate expired 3 days ago 2026-11-20" in text
    assert "Expected downtime about 6 min" in text


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (report(findings=[finding(severity=Severity.BLOCKS)]), "No repair yet"),
        (report(findings=[finding()]), "A repair is possible, read the warnings first"),
        (report(findings=[]), "Nothing speaks against a repair"),
        (report(domain(end=900), []), "Nothing to repair"),
        (
            report(domain(end=900), [finding(severity=Severity.BLOCKS)]),
            "No repair yet",
        ),
    ],
)
def test_verdict_is_told_in_words(made, expected):
    """The answer does not rest on a colour."""
    assert page(made).find(".//header//strong").text == expected


def test_page_fetches_and_runs_nothing():
    """No script, no handler, no address but parts of the page itself, and a policy that says so."""
    text = preflight_page(report())
    root: Any = parser.document_fromstring(text)

    addresses = root.xpath("//@href | //@src | //@action | //@data | //@srcset")

    assert addresses
    assert all(address.startswith("#") for address in addresses)
    assert not root.xpath("//script | //link | //img | //iframe | //object | //form | //base")
    assert not [name for _, name in vocabulary(root) if name.startswith("on")]
    assert re.findall(r"url\((?!#)|@import|https?://", text) == []
    (policy,) = root.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_nobody_elses_words_are_markup():
    """Hostile names, subjects and findings add no element and no attribute to the page."""
    evil = report(
        replace(named(domain(), EVIL), domain=EVIL),
        [finding("HOST-CLOCK", Severity.BLOCKS, EVIL, evidence=EVIL, advice=EVIL)],
    )
    plain = report(
        replace(named(domain(), "plain"), domain="plain"),
        [finding("HOST-CLOCK", Severity.BLOCKS, "plain", evidence="plain", advice="plain")],
    )

    root = page(evil)

    assert vocabulary(root) - {("title", "")} == vocabulary(page(plain)) - {("title", "")}
    assert root.find(".//title").text.startswith("Preflight of </title></style><script>")
    assert "\u202e" not in root.text_content()
    assert "\x1b" not in root.text_content()
    assert "\\u202e\\x1b[2J\\u2066" in root.text_content()


@settings(max_examples=25)
@given(INVENTORIES, FINDINGS)
def test_no_inventory_breaks_the_page(inventory, findings):
    """Any text, any bytes as certificates and any date give a page in UTF-8 without scripts."""
    made = PreflightReport.of(inventory, findings, version="0.1.0")

    text = preflight_page(made)

    assert not parser.document_fromstring(text.encode()).xpath("//script | //*[@onload]")


def test_page_can_be_used_without_eyes():
    """Language, title, one first heading, no skipped level, named pictures, table headers."""
    root = page()

    levels = [int(e.tag[1]) for e in root.xpath("//h1 | //h2 | //h3 | //h4")]

    assert root.get("lang") == "en"
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for svg in root.xpath("//svg[@role='img']"):
        for name in svg.get("aria-labelledby").split():
            assert svg.xpath(f".//*[@id='{name}']")[0].text
    assert root.xpath("count(//svg[not(@role='img') and not(@aria-hidden='true')])") == 0
    assert root.xpath("//table")
    assert not root.xpath("//table[not(caption)] | //th[not(@scope)] | //tr[not(.//th)]")


def test_every_id_is_there_once_and_every_reference_leads_to_one():
    """Links, names of pictures and hatchings find what they refer to."""
    text = preflight_page(report())
    root: Any = parser.document_fromstring(text)
    ids = root.xpath("//@id")
    wanted = re.findall(r'(?:href="|url\()#([a-z-]+)', text)

    assert len(ids) == len(set(ids))
    assert set(wanted) <= set(ids)


def test_topology_shows_nodes_hosts_and_who_replicates():
    """The picture names every node with its host and state; a link has words too."""
    (picture,) = page().xpath(
        "//svg[contains(@class, 'wide') and .//desc[@id='topology-wide-desc']]"
    )

    text = words(picture)

    assert "ESXi esx1.lab.example: vc1.lab.example (expired; STS expired 3 days ago)" in text
    assert "vc1.lab.example and vc2.lab.example replicate with each other" in text
    assert picture.xpath("count(.//path[contains(@class, 'link')])") == 1
    assert "EXPIRED" in text


def test_broken_replication_is_told_by_shape_and_words():
    """A link with a finding has a sign of its own in both pictures, and a sentence."""
    found = finding("REPL-USN-ROLLBACK", Severity.BLOCKS, "vc1.lab.example")

    root = page(report(findings=[found]))

    assert len(root.xpath("//path[@class='link bad']")) == 2
    assert "Replication of vc1.lab.example and vc2.lab.example is broken" in words(root)


def test_timeline_hatches_what_is_over():
    """Expired certificates are hatched and crossed out; valid ones are not."""
    over = page(report(domain(end=-3)))
    sound = page(report(domain(end=900)))

    assert len(over.xpath("//rect[starts-with(@fill, 'url(#hatch-')]")) == 2
    assert len(over.xpath("//path[@class='end']")) == 2
    assert sound.xpath("//rect[starts-with(@fill, 'url(#hatch-')] | //path[@class='end']") == []
    assert over.xpath("//svg[desc[@id='timeline-wide-desc']]//text[.='now']")


def test_findings_are_grouped_and_counted():
    """A thousand findings of one kind say once why and what to do; all of them can be unfolded."""
    many = [finding(subject=f"esx{number}.lab.example") for number in range(1000)]

    root = page(report(findings=many))
    (article,) = root.xpath("//article")

    assert "1000 times" in words(article)
    assert words(article).count("Guests take the host's time.") == 1
    assert len(article.xpath("./ul/li")) == 12
    assert article.xpath("./details/summary")[0].text == "988 more"
    assert len(article.xpath(".//li")) == 1000


def test_each_finding_keeps_advice_of_its_own():
    """Where advice differs from object to object it stands with the object."""
    several = [
        finding("NODE-AMBIGUOUS", subject=f"vc{n}", advice=f"Name vc{n} by its UUID.")
        for n in (1, 2)
    ]

    text = words(page(report(findings=several)).xpath("//article")[0])

    assert "Do: Name vc1 by its UUID." in text
    assert "Do: Name vc2 by its UUID." in text


def test_long_words_are_cut():
    """Ten megabytes of evidence do not make a page of ten megabytes."""
    huge = finding(evidence="x" * 10_000_000, subject="y" * 10_000_000)

    assert len(preflight_page(report(findings=[huge]))) < 200_000


def test_repair_is_told_in_order_with_its_length():
    """Each phase names who goes when, how long, and how one knows."""
    made = replace(report(), phases=PHASES)

    items = page(made).xpath("//ol/li")

    assert [item.find("strong").text for item in items] == [phase.title for phase in PHASES]
    assert "about 5 min" in words(items[0])
    assert "typical, unmeasured" in words(items[0])
    assert made.phases[0].takes == timedelta(minutes=5)


def with_usn(usn, **changes):
    """Return a domain whose second node is at *usn* and has been seen up to 90."""
    one, two = domain().nodes
    assert two.replication is not None
    status = replace(two.replication, usn=usn)
    return replace(domain(), nodes=(one, replace(two, replication=status)), **changes)


PAIR = ("vc1.lab.example", "vc2.lab.example")


@pytest.mark.parametrize(
    ("inventory", "expected"),
    [
        (with_usn(100), "nothing"),
        (with_usn(200), "110 changes"),
        (with_usn(200, stalled=(PAIR,)), "110 changes, and stands still"),
        (with_usn(200, at_rest=(PAIR,)), "nothing"),
        (with_usn(80), "it has seen 10 changes more than there are: its partner was reverted"),
    ],
    ids=["in step", "late", "stalled", "only seems late", "reverted"],
)
def test_replication_is_told_for_each_direction(inventory, expected):
    """What each directory lacks of each other one, in words."""
    root = page(report(inventory))

    rows = [
        [words(cell) for cell in row]
        for row in root.iter("tr")
        if row[1].get("data-label") == "Partner"
    ]
    assert rows == [[*PAIR, expected], [*reversed(PAIR), "nothing"]]
