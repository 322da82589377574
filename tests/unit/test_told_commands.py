"""Every command that a page or a message tells can be typed: it exists, with these options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from error_leaves import an_error, error_leaves
from stsfix.plugin.cli import cli
from stsfix.plugin.diagnostics import RunContext, explain, split_command
from stsfix.remediation.checks.findings import RULES
from stsfix.remediation.diagnosis.causes import CAUSES

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
OTHERS = {
    "--cert",
    "--csrfile",
    "--dataencipherment",
    "--dist",
    "--gencert",
    "--gencertfromcsr",
    "--start",
    "--status",
    "--stop",
}
"""Options of other people's programs."""

NOT_YET = {"check"}
"""Commands that a page tells of as coming: README.md, What it does not do yet."""


def refused(words):
    """Return why the command line does not take *words*, empty if it does."""
    command: click.Command = cli
    context, left = click.Context(cli), list(words)
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        name = left.pop(0)
        found = command.get_command(context, name)
        if found is None:
            return f"no command {name}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    try:
        command.make_context("stsfix", left, parent=context.parent)
    except (click.exceptions.Exit, click.exceptions.NoArgsIsHelpError):
        return ""
    except click.ClickException as error:
        return error.format_message()
    return ""


def typed(page):
    """Yield what stands in the shell blocks and code spans of *page* after ``stsfix``."""
    text = page.read_text(encoding="utf-8")
    for block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("stsfix "):
                words = shlex.split(re.split(r" [|&]( |$)", line)[0], comments=True)
                yield words[1:]
    for span in re.findall(r"`(stsfix [^`]+)`", FENCE.sub("", text)):
        yield shlex.split(span)[1:]


def test_commands_of_the_pages_can_be_typed():
    """Command, options and values are known to this version, or said not to be there."""
    told = [(page.name, words) for page in PAGES for words in typed(page)]

    wrong = [(name, " ".join(words), refused(words)) for name, words in told]

    assert len(told) > 80
    assert [each for each in wrong if each[2] and each[1] not in NOT_YET] == []


def options(command=cli):
    """Return every option of *command* and of the commands in it."""
    found = {name for each in command.params for name in each.opts}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found |= options(command.get_command(context, name))
    return found


def test_options_of_the_pages_exist():
    """An option that a sentence names alone is one of ours, or of a program that is known."""
    texts = [FENCE.sub("", page.read_text(encoding="utf-8")) for page in PAGES]

    named = {name for text in texts for name in re.findall(r"`(--[a-zA-Z-]+)", text)}

    assert named - options() == OTHERS


@pytest.mark.parametrize("run", ["", "stsfix-1"])
@pytest.mark.parametrize("leaf", error_leaves(), ids=lambda leaf: leaf.__name__)
def test_commands_of_an_error_can_be_typed(leaf, run):
    """What is shown on a line of its own, to be copied, is a command."""
    context = RunContext(config=Path("my domain.toml"), state_dir=Path("/s"), run=run)

    actions = explain(an_error(leaf), context).next_actions

    commands = [shlex.split(split_command(action)[1]) for action in actions]
    wrong = [(words, refused(words[1:])) for words in commands if words[:1] == ["stsfix"]]
    assert [each for each in wrong if each[1]] == []


def test_commands_of_findings_and_causes_can_be_typed():
    """In their sentences, as far as options stand behind the command."""
    advice = [rule.advice for rule in RULES.values()]
    texts = [*advice, *(f"stsfix {name}" for cause in CAUSES for name in cause.commands)]
    pattern = r"stsfix ([a-z]+(?: --[a-z-]+(?: (?:expired|all)\b)?)+)"

    found = {words for text in texts for words in re.findall(pattern, text)}

    assert len(found) > 2
    assert {words: why for words in found if (why := refused(words.split()))} == {}


@pytest.mark.parametrize(
    "words", ["preflight --htm x", "runs RUN", "rum", "lab foo", "run --renew x"]
)
def test_what_cannot_be_typed_is_refused_here(words):
    """The judge of these tests can say no."""
    assert refused(words.split())
