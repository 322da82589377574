"""What the documents promise is there: commands, scenarios, steps, findings, fields, links."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import click
import pytest

from generated_pages import COMMAND, tables
from stsfix.lab.topology import TOPOLOGIES
from stsfix.plugin.cli import cli
from stsfix.plugin.diagnostics import Diagnosis
from stsfix.plugin.export_view import EntryView, ExportView
from stsfix.plugin.rehearsal.procedure import Claim
from stsfix.plugin.view import NodeView, RunView, StepView
from stsfix.remediation.model import LoginProof
from stsfix.remediation.plan import step_names

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
REPORTED = (Claim, RunView, StepView, NodeView, LoginProof, Diagnosis, ExportView, EntryView)
"""What ``--json`` prints field by field; preflight's document has a schema of its own."""


def commands():
    """Return the names of the top-level commands."""
    return set(cli.list_commands(click.Context(cli)))


def text(name):
    """Return the text of a file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("target", ["rehearse", "test"])
def test_commands_of_the_readme_are_in_the_makefile(target):
    """The two commands that a newcomer types exist."""
    assert f"\nmake {target} " in text("README.md")
    assert re.search(rf"^{target}:", text("Makefile"), re.MULTILINE)


def test_every_make_command_of_a_page_exists():
    """No page names a target that the Makefile does not have."""
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))

    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }

    assert named - targets == set()


def test_lab_page_lists_every_topology():
    """The rows of the table are exactly the topologies there are."""
    section = text("docs/lab.md").partition("## Topologies")[2].partition("\n## ")[0]

    rows = set(re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE))

    assert rows == set(TOPOLOGIES)


def test_architecture_page_lists_the_steps_in_order():
    """The table of steps is the plan."""
    section = text("docs/architecture.md").partition("## The run")[2].partition("### Rolling")[0]

    rows = tuple(re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE))

    assert rows == step_names(retire=True, renews=True, new_root=True)


def test_readme_names_every_step():
    """Who reads only the README knows what a run does, in order."""
    named = re.findall(r"^\d+\. \*\*([\w-]+)\*\*", text("README.md"), re.MULTILINE)

    assert tuple(named) == ("preflight", *step_names(retire=True))


def test_every_command_is_explained():
    """Each command of the command line is in the README or in the walk-through."""
    pages = text("README.md") + text("docs/operating.md")

    missing = {name for name in commands() if f"stsfix {name}" not in pages}

    assert missing == set()


def test_no_page_promises_a_command_that_is_not_there():
    """Commands in code blocks exist."""
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    ]

    named = {name for block in blocks for name in re.findall(r"^stsfix (\w+)", block, re.MULTILINE)}

    assert named - commands() == set()


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.name)
def test_generated_tables_are_up_to_date(table):
    """Each rule and each scenario has its row; the message says what to run if not."""
    page = text(f"docs/{table.page}")

    assert page == table.written_into(page), f"run {COMMAND}"


@pytest.mark.parametrize("kind", REPORTED, ids=lambda kind: kind.__name__)
def test_json_page_names_every_field(kind):
    """A field that is printed is described."""
    page = text("docs/json.md")

    missing = {
        field.name
        for field in dataclasses.fields(kind)
        if f"`{field.name}`" not in page and f'"{field.name}":' not in page
    }

    assert missing == set()


def test_unverified_facts_name_modules_that_exist():
    """The table points into the code."""
    section = text("docs/unverified.md")

    named = set(re.findall(r"`((?:plugin|remediation|snapshot)/[\w/]+\.py)`", section))

    assert len(named) > 20
    assert {name for name in named if not (ROOT / name).is_file()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page):
    """Each relative link names a file that is there, and a heading in it."""
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)

    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_names_a_place_of_one_machine(page):
    """The project stands for itself: no path outside it."""
    assert re.search(r"\.\./shared|/work/", page.read_text(encoding="utf-8")) is None


def test_every_decision_is_linked():
    """The architecture page lists each ADR."""
    page = text("docs/architecture.md")

    missing = [p.name for p in (ROOT / "docs/adr").glob("*.md") if f"adr/{p.name}" not in page]

    assert missing == []
