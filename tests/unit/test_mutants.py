"""Every seeded mistake still has its place in the code, and a test that is there to see it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from all_mutants import MUTANTS, ROOT
from mutant import MisplacedError, Mutant, mutated

NAMES = [mutant.name for mutant in MUTANTS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_a_mistake_can_be_made_and_its_tests_are_there(mutant):
    """Its text is in its file once; the mutated file is still Python; each test exists by name."""
    source = (ROOT / mutant.file).read_text("utf-8")

    made = mutated(mutant, source)

    compile(made, mutant.file, "exec")
    assert made != source
    for test in mutant.tests:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert f"def {name}(" in text or not name


def undefined(folder, sources):
    """Return which of *sources*, by name, use a name that nobody defines."""
    for number, source in enumerate(sources.values()):
        (folder / f"mutant_{number}.py").write_text(source, "utf-8")
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        "F821,F823",
        "--quiet",
    ]
    command += ["--target-version", "py311", "--output-format", "concise", str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode in (0, 1), told.stderr
    return [name for n, name in enumerate(sources) if f"mutant_{n}.py:" in told.stdout]


def test_no_mistake_is_one_that_any_test_would_see(tmp_path):
    """A name that nobody defines ends whatever comes along: that proves nothing of its tests."""
    sources = {
        mutant.name: mutated(mutant, (ROOT / mutant.file).read_text("utf-8")) for mutant in MUTANTS
    }
    void = {"void": "def f(a: int) -> int:\n    del a\n    return a\n"}

    assert undefined(tmp_path, sources | void) == ["void"]


def test_each_has_a_name_of_its_own():
    """A table of outcomes names each once."""
    assert len(set(NAMES)) == len(NAMES)


def test_code_that_moved_is_told():
    """A text that is not there, or twice, is no place for a mistake."""
    mutant = Mutant(name="x", file="f.py", old="a", new="b", tests=("t",))

    assert mutated(mutant, "1a2") == "1b2"
    for text in ("none", "a a"):
        with pytest.raises(MisplacedError, match=r"f\.py"):
            mutated(mutant, text)
