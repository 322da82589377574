"""Data goes to stdout, notes to stderr; JSON is stable and safe."""

from __future__ import annotations

import enum
import errno
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from stsfix.plugin.cli.session import Session
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.errors import ConfigError, ReportFileError
from stsfix.plugin.exit_codes import EXIT_CODES
from stsfix.plugin.interrupt import StopFlag
from stsfix.plugin.output import Output, json_document
from stsfix.plugin.redaction import Redactor
from stsfix.plugin.terminal.runs import Line
from stsfix.snapshot.secret import Secret

ROOT = Path(__file__).parents[2]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Colour(enum.Enum):
    """An enum that is no string."""

    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A value inside a value."""

    when: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """One field of every kind that has a JSON form."""

    inner: tuple[Inner, ...]
    took: timedelta | None
    colour: Colour
    names: frozenset[str]
    der: bytes
    path: Path
    day: date
    by_colour: dict[Colour, int]
    password: Secret[str] = field(default_factory=lambda: Secret("hunter2"))


def test_json_form_of_every_kind_of_value():
    """Dataclasses become objects, times UTC, durations seconds, secrets stars."""
    ahead = timezone(timedelta(hours=2))
    value = Outer(
        inner=(Inner(when=datetime(2026, 1, 2, 3, 4, 5, tzinfo=ahead)),),
        took=timedelta(minutes=1, milliseconds=500),
        colour=Colour.RED,
        names=frozenset({"b", "a"}),
        der=b"\x00\xff",
        path=Path("/tmp/x"),
        day=date(2026, 1, 2),
        by_colour={Colour.RED: 1},
    )

    found = json.loads(json_document(value))

    assert found == {
        "schema_version": 1,
        "inner": [{"when": "2026-01-02T01:04:05Z"}],
        "took": 60.5,
        "colour": "red",
        "names": ["a", "b"],
        "der": "AP8=",
        "path": "/tmp/x",
        "day": "2026-01-02",
        "by_colour": {"red": 1},
        "password": "***",
    }


def test_list_is_put_under_items():
    """A document is always an object, so that it can carry its version."""
    text = json_document([Inner(when=datetime(2026, 1, 2, tzinfo=UTC))])

    assert json.loads(text) == {
        "schema_version": 1,
        "items": [{"when": "2026-01-02T00:00:00Z"}],
    }


def test_json_is_ascii():
    """Escape sequences and bidi marks in data are escaped in JSON by their numbers."""
    text = json_document({"text": "\x1b[2J\u202e\x9b"})

    assert text.isascii()
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (object(), TypeError),
        (Inner, TypeError),
        (datetime(2026, 1, 2), ValueError),  # noqa: DTZ001 - the case under test
        (float("nan"), ValueError),
    ],
    ids=["object", "class", "naive", "nan"],
)
def test_value_without_a_json_form_is_a_bug(value, error):
    """What has no stable form is refused instead of being written somehow."""
    with pytest.raises(error):
        json_document({"x": value})


def test_data_and_notes_go_to_their_streams():
    """Lines are data on stdout, notes are on stderr, both without control characters."""
    out, err = io.StringIO(), io.StringIO()
    output = Output(out, err, {})

    output.line("one\ntwo\x1b")
    output.note("working\r")
    output.json({})

    assert out.getvalue() == 'one\ntwo\\x1b\n{\n  "schema_version": 1\n}\n'
    assert err.getvalue() == "working\\r\n"


def test_table_without_a_terminal_is_plain_lines():
    """Columns are aligned by cells, nothing is cut or wrapped, no line ends in blanks."""
    out = io.StringIO()
    long = "x" * 300

    Output(out, io.StringIO(), {}).table(["Node", "Ends"], [["vc1", "a"], ["証明", long], ["", ""]])

    assert out.getvalue().splitlines() == ["Node  Ends", "vc1   a", f"証明  {long}", ""]


def test_table_on_a_terminal_keeps_to_its_width():
    """On a terminal long cells are folded to its width and markup in data stays text."""
    out = Terminal()
    environ = {"COLUMNS": "40", "TERM": "xterm-256color", "NO_COLOR": "1"}

    Output(out, Terminal(), environ).table(["Node", "Text"], [["[red]vc1", "word " * 20]])

    lines = out.getvalue().splitlines()
    assert len(lines) > 3
    assert max(len(line) for line in lines[1:]) <= 40
    assert "[red]vc1" in out.getvalue()


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_honoured(environ, coloured):
    """A terminal gets colours unless NO_COLOR is set."""
    out = Terminal()
    output = Output(out, Terminal(), {"TERM": "xterm-256color", **environ})

    output.out.print("text", style="red")

    assert ("\x1b[31m" in out.getvalue()) is coloured


def test_console_without_a_terminal_is_plain():
    """Through a pipe rich writes neither colours nor line breaks of its own."""
    err = io.StringIO()

    Output(io.StringIO(), err, {"TERM": "xterm-256color"}).err.print("word " * 60, style="red")

    assert err.getvalue().rstrip() == ("word " * 60).rstrip()


def test_character_the_stream_lacks_is_spelled_out():
    """A terminal that knows ASCII only does not end the command."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")

    Output(stream, io.StringIO(), {}).line("gültig")

    assert raw.getvalue() == b"g\\xfcltig\n"


def test_rich_is_not_imported_before_it_draws():
    """Importing the module and writing a plain table leaves rich out: --help stays fast."""
    program = (
        "import sys; sys.path.insert(0, '.dev')\n"
        "from stsfix.plugin.output import Output\n"
        "Output(sys.stdout, sys.stderr, {}).table(['a'], [['b']])\n"
        "print('rich' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert done.stdout == "a\nb\nFalse\n"


def test_lone_surrogate_is_replaced():
    """Text that has no UTF-8 form is mended; strict readers of JSON take the document."""
    text = json_document({"a\ud800": "b\udcff", "c": "\U0001f600 büro"})

    assert json.loads(text) == {"schema_version": 1, "a\ufffd": "b\ufffd", "c": "\U0001f600 büro"}


def test_only_a_huge_document_is_not_indented():
    """People read small documents; a huge one is the same object on one line."""
    small, huge = json_document({"x": [1]}), json_document({"x": ["y" * 1000] * 1000})

    assert small == '{\n  "schema_version": 1,\n  "x": [\n    1\n  ]\n}'
    assert "\n" not in huge
    assert len(json.loads(huge)["x"]) == 1000


class Dead(io.StringIO):
    """A stream whose other end is gone."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_nobody_who_listens_to_progress_is_no_error():
    """The terminal was closed in the middle of a run: the run is what counts."""
    output = Output(io.StringIO(), Dead(), {})

    output.note("done")


@pytest.mark.parametrize(
    "trouble", [RuntimeError("reentrant call"), BlockingIOError()], ids=["signal", "slow"]
)
def test_a_note_that_cannot_be_written_now_silences_no_other(trouble):
    """A signal in the middle of a write, a terminal that is stopped: what follows is heard."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as heard, os.fdopen(writer, "w") as stream:
        troubles = [trouble]

        class Busy(io.StringIO):
            def write(self, text: str) -> int:
                if troubles:
                    raise troubles.pop()
                return stream.write(text)

            def flush(self) -> None:
                stream.flush()

            def fileno(self) -> int:
                return stream.fileno()

        output = Output(io.StringIO(), Busy(), {})
        output.note("lost")
        output.note("what to do next")
        stream.close()
        assert heard.read() == "what to do next\n"


def test_data_that_nobody_got_is_an_error():
    """A script must not take nothing for an answer."""
    output = Output(Dead(), io.StringIO(), {})

    with pytest.raises(ReportFileError, match="standard output: Input/output error"):
        output.json({"x": 1})


def test_an_error_whose_document_is_lost_is_still_told(tmp_path):
    """The exit code is the error's own, and people read what happened and what to do."""
    state = {"STSFIX_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "stsfix.plugin", "preflight", "--json", "-c", "missing.toml"],
            env={**os.environ, **state, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == EXIT_CODES[ConfigError]
    assert "Traceback" not in done.stderr
    assert "The JSON document is lost" in done.stderr
    assert "missing.toml" in done.stderr
    assert "stsfix lab up" in done.stderr


@pytest.mark.parametrize(
    ("target", "code"), [("/dev/full", 5), ("closed pipe", 5)], ids=["full", "pipe"]
)
def test_a_command_whose_output_is_lost_says_so_and_nothing_else(tmp_path, target, code):
    """Exit code 5 and one message; Python adds neither a traceback nor a code of its own."""
    reader, writer = os.pipe()
    os.close(reader)
    out = writer if target == "closed pipe" else os.open(target, os.O_WRONLY)
    state = {"STSFIX_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "stsfix.plugin", "runs", "--json"],
            env={**os.environ, **state, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(out)
        if out != writer:
            os.close(writer)

    assert done.returncode == code
    assert done.stderr.startswith("Standard output: ")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_secret_that_a_peer_says_is_not_repeated():
    """In no stream, no table, no document."""
    out, err = io.StringIO(), io.StringIO()
    redactor = Redactor()
    redactor.register(Secret('hunter"2'))
    output = Output(out, err, {}, redactor.redact)

    output.line('bad password hunter"2')
    output.note('hunter"2 is wrong')
    output.table(["Said"], [['hunter"2']])
    output.json({"heard": ['hunter"2', {"said": 'no hunter"2'}, 2, None]})

    assert "2" not in err.getvalue()
    assert "hunter" not in out.getvalue()
    assert json.loads(out.getvalue()[out.getvalue().index("{") :]) == {
        "schema_version": 1,
        "heard": ["***", {"said": "no ***"}, 2, None],
    }


def test_a_name_makes_no_line_of_its_own(tmp_path, capsys):
    """What is one line to us is one line to the reader, whatever is in the names on it."""
    session = Session(
        config=tmp_path / "domain.toml",
        state_dir=tmp_path,
        as_json=False,
        yes=True,
        output=Output(sys.stdout, sys.stderr, {}),
        redactor=Redactor(),
        context=RunContext(),
        flag=StopFlag(),
    )

    session.show([Line("VM vc1\nok sts-token: proven"), Line("next")])

    assert capsys.readouterr().out == "VM vc1\\nok sts-token: proven\nnext\n"
