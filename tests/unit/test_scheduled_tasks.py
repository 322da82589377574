"""Scheduled tasks of users are counted, or nobody claims to know how many there are."""

from __future__ import annotations

import pytest

from stsfix.lab.extensions import Psql
from stsfix.lab.shell_streams import Buffer, Streams
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes import scheduled_tasks, vcdb
from stsfix.remediation.nodes.sections import end_of, mark

NONCES = ("0a", "0b")


def answered(nonce, text, code="0", place="first"):
    """Return the output of one question."""
    tried = f"{mark(nonce, 'first')}\n\n{mark(nonce, 'code-first')}\n127\n"
    before = tried if place == "second" else ""
    return (
        f"{before}{mark(nonce, place)}\n{text}\n\n"
        f"{mark(nonce, f'code-{place}')}\n{code}\n{end_of(nonce)}\n"
    )


def parse(*answers):
    """Return what the answers to both questions mean."""
    output = "".join(answered(nonce, *said) for nonce, said in zip(NONCES, answers, strict=False))
    return scheduled_tasks.parse(output, NONCES)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([("1",), ("3",)], 3),
        ([("1",), ("0",)], 0),
        ([("1", "0", "second"), (" 12 ", "0", "second")], 12),
    ],
    ids=["some", "none", "other-psql"],
)
def test_tasks_are_counted(answers, expected):
    """By the first psql that answers."""
    assert parse(*answers) == expected


def test_a_database_without_the_table_is_no_count():
    """No source says that such a release has no tasks with a token."""
    found = parse(("0",), ("ERROR: relation does not exist", "1"))

    assert isinstance(found, UnreadPart)
    assert found.reason == "its database has no such table"


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [("1",)],
        [("could not connect", "2"), ("could not connect", "2")],
        [("1",), ("ERROR: permission denied", "1")],
        [("1",), ("many",)],
        [("",), ("3",)],
        [("-1",), ("3",)],
    ],
)
def test_anything_else_is_not_known(answers):
    """Least of all it is none."""
    assert isinstance(parse(*answers), UnreadPart)


def test_what_is_asked_is_a_statement_that_bash_leaves_alone():
    """It stands between double quotes in the script."""
    script = scheduled_tasks.script(NONCES)

    asked = [line.partition(' -c "')[2] for line in script.split("\n") if " -c " in line]
    assert len(asked) == 4
    assert all(not set(line.partition('" <')[0]) & set('"$`\\') for line in asked)
    assert scheduled_tasks.TABLE in script
    assert script.count(vcdb.PSQL[0]) == 2


@pytest.mark.parametrize(("rows", "said"), [(None, ["0", "1"]), (0, ["1", "0"]), (4, ["1", "4"])])
def test_the_lab_answers_both_questions(rows, said):
    """Its psql knows whether there is the table, and how long it is."""
    psql = Psql({}, running=lambda: True, tasks=lambda: rows)
    lines = [line for line in scheduled_tasks.script(NONCES).split("\n") if vcdb.PSQL[0] in line]

    found = []
    for line in lines:
        out = Buffer()
        statement = line.partition(' -c "')[2].partition('" <')[0]
        words = ["-X", "-A", "-t", "-d", "VCDB", "-c", statement]
        code = psql.run(words, Streams(out=out, err=out))
        found.append(str(code) if code else out.content.decode().strip())

    assert found == said
