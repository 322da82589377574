"""The lab's cmd.exe and Wine's give the same exit codes and the same output.

Wine's is not Microsoft's: Wine 8 has no working findstr, takes ``||`` after ``&&`` in another
way, and has 1 for ``exit /b 3`` of a called file. There the lab follows Microsoft's documentation,
and no line is here.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from stsfix.remediation.nodes.node_facts import MARK
from stsfix.remediation.nodes.service_status import STARTING_LINE, STOPPED_LINE
from stsfix.remediation.nodes.windows_scripts import facts_script, parse_facts, restart_script
from stsfix.snapshot.guest_windows import arguments, decode
from windows_node import BareWindows
from wine_peer import WINE, running_wine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wine_peer import WineCmd

pytestmark = [pytest.mark.peer, pytest.mark.skipif(WINE is None, reason="wine64 is not installed")]

SCRIPTS = {
    "echo": "echo a b  c",
    "several in a line": "echo a& echo b&echo c",
    "trailing blank": "echo a & echo b",
    "empty line": "echo.",
    "equal signs": "echo == stsfix:clock",
    "caret": "echo a^&b ^| c",
    "quotes keep": 'echo "a & b" ^& c',
    "percent": "echo 100%% done",
    "lost percent": "echo 100% done",
    "set and use": "set a=1\necho [%a%]",
    "set with quotes": 'set "a=b c"\necho [%a%]',
    "set in a block is too late": "set a=1\n(set a=2\necho %a%)\necho %a%",
    "unknown variable": "echo [%nosuch%]",
    "variables in any case": "set Abc=1\necho %aBC% %ABC%",
    "slice": 'set "a=C:\\x"\necho %a:~0,2% %a:~3% %a:~-1%',
    "setlocal": "set a=1\nsetlocal\nset a=2\nendlocal\necho %a%",
    "exit /b": "exit /b 7\necho no",
    "exit": "exit 9\necho no",
    "errorlevel of a program": "cmd /c exit 5\necho %errorlevel%",
    "errorlevel stays over echo": "cmd /c exit 5\necho x\necho %errorlevel%",
    "if exist": "if exist C:\\t\\t.cmd (echo yes) else (echo no)",
    "if not exist": "if not exist C:\\t\\none (echo none) else (echo some)",
    "if exist a folder": "if exist C:\\t (echo yes)",
    "if exist quoted": 'if exist "C:\\t\\t.cmd" echo yes',
    "if defined": "set a=1\nif defined a echo a\nif not defined b echo no b",
    "if equal": 'if "a"=="a" echo same\nif "a"=="A" echo no\nif /i "a"=="A" echo any case',
    "if errorlevel": "cmd /c exit 2\nif errorlevel 2 echo two\nif errorlevel 3 echo three",
    "if with several commands": "if 1==2 echo a& echo b\necho c",
    "block": "(\necho a\necho b\n) > C:\\t\\f\ntype C:\\t\\f",
    "else on the next line": "if 1==2 (\necho a\n) else (\necho b\n)",
    "redirect": "echo a> C:\\t\\f\necho b>> C:\\t\\f\ntype C:\\t\\f",
    "redirect in front": "> C:\\t\\f echo a\ntype C:\\t\\f",
    "redirect with quotes": 'echo a> "C:\\t\\f g"\ntype "C:\\t\\f g"',
    "digit before redirect": "echo a 1> C:\\t\\f\ntype C:\\t\\f",
    "error into output": "type C:\\t\\none > C:\\t\\f 2>&1\necho %errorlevel%",
    "everything of a program": (
        'cmd /c "echo a& exit 3" > C:\\t\\f 2>&1 < nul\necho %errorlevel%\ntype C:\\t\\f'
    ),
    "more of a program": (
        'echo a> C:\\t\\f\ncmd /c "echo b" >> C:\\t\\f 2>&1 < nul\ntype C:\\t\\f'
    ),
    "output into errors": "echo a>&2",
    "errors away": "type C:\\t\\none 2> nul\necho %errorlevel%",
    "nothing in": "type C:\\t\\t.cmd < nul > nul\necho ok",
    "and, or": "cmd /c exit 0 && echo yes\ncmd /c exit 1 || echo no",
    "pipe": 'echo hello| find "ell"',
    "pipe without a hit": 'echo hello| find "xyz"\necho %errorlevel%',
    "pipe to find": 'echo hello| find "ell" > nul && echo found',
    "del": "echo a> C:\\t\\f\ndel /q C:\\t\\f\nif not exist C:\\t\\f echo gone",
    "rd": "md C:\\t\\d\necho a> C:\\t\\d\\f\nrd /s /q C:\\t\\d\nif not exist C:\\t\\d echo gone",
    "rem": "rem a & echo no\necho yes",
    "label": ":here\necho a",
    "call comes back": "echo echo in> C:\\t\\u.cmd\ncall C:\\t\\u.cmd\necho out",
    "without call it does not": "echo echo in> C:\\t\\u.cmd\nC:\\t\\u.cmd\necho out",
    "call with exit ends it all": "> C:\\t\\u.cmd echo @exit 3\ncall C:\\t\\u.cmd\necho no",
    "cmd /c of an exit comes back": (
        '> C:\\t\\u.cmd echo @exit 3\ncmd /d /s /c ""C:\\t\\u.cmd""\necho %errorlevel%'
    ),
    "arguments": 'echo echo %%1 %%2 %%~nx0> C:\\t\\u.cmd\ncall C:\\t\\u.cmd "a b" c',
    "all arguments": 'echo echo %%*> C:\\t\\u.cmd\ncall C:\\t\\u.cmd "a b" c',
    "delayed": "setlocal enabledelayedexpansion\nset a=1\n(set a=2\necho !a!)",
    "exclamation marks are plain": "echo a!b!c",
    "goto :eof": "echo a\ngoto :eof\necho b",
}


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WineCmd]:
    """A Wine for everything here."""
    with running_wine(tmp_path_factory.mktemp("wine")) as peer:
        yield peer


@pytest.fixture(scope="module")
def by_wine(wine: WineCmd) -> dict[str, tuple[int, str]]:
    """What Wine says of every script."""
    return wine.batches({name: f"@echo off\n{text}" for name, text in SCRIPTS.items()})


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_labs_cmd_does_what_wines_does(by_wine, name):
    """Exit code and output of Wine's cmd.exe equal the lab's."""
    result = BareWindows().batch("@echo off\n" + SCRIPTS[name])

    assert result == by_wine[name]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("last", ["exit /b 3", "exit 3", "cmd /c exit 3"])
def test_wine_understands_our_command_line(wine, last):
    """Output in one file, its code page first; the exit code in another; the folder stays."""
    shutil.rmtree(wine.folder / "run", ignore_errors=True)
    (wine.folder / "run").mkdir()
    wine.write("run/a.cmd", f"@echo off\necho out!x!\ntype C:\\t\\none\n{last}")

    _start(wine)

    assert (wine.folder / "run" / "a.rc").read_text().split() == ["3"]
    output = decode((wine.folder / "run" / "a.out").read_bytes())
    assert output.startswith("out!x!\n")
    assert "none" in output or "not" in output.lower()


@pytest.mark.timeout(600)
def test_a_command_line_that_nobody_waits_for_removes_its_folder(wine):
    """The script is gone when it ends, as after a limit: so is everything else."""
    shutil.rmtree(wine.folder / "run", ignore_errors=True)
    (wine.folder / "run").mkdir()
    wine.write("run/a.cmd", "@echo off\ndel C:\\t\\run\\a.cmd & echo done> C:\\t\\done")

    _start(wine)

    assert (wine.folder / "done").is_file()
    assert not (wine.folder / "run").exists()


@pytest.mark.timeout(600)
def test_wine_runs_the_script_that_reads_a_node(wine):
    """Every section is reached in order, and what Wine has is read; its findstr finds nothing."""
    _install(wine)
    (wine.folder / "home" / "cfg" / "deployment.node.type").write_text("management")

    _, output = wine.batches({"facts": _HOME + facts_script()})["facts"]

    sections = [line for line in output.splitlines() if line.startswith(MARK)]
    expected = [line for line in facts_script().splitlines() if line.startswith(f"echo {MARK}")]
    assert [f"echo {line}" for line in sections] == expected
    facts = parse_facts(output)
    assert facts.node_type == "management"
    assert facts.vmdird_installed is False
    assert facts.services == "--status --all"
    assert "C:" in output.partition(f"{MARK}drives")[2].splitlines()[1]


@pytest.mark.timeout(600)
def test_wine_stops_and_starts_in_order(wine):
    """The mark is there during the work, and each call comes back although the file exits."""
    _install(wine)

    _, output = wine.batches({"restart": _HOME + restart_script()})["restart"]

    calls = (wine.folder / "calls.txt").read_text().split("\n")
    assert [call.split() for call in calls if call] == [
        ["--stop", "--all", "marked"],
        ["--status", "--all", "marked"],
        ["--start", "--all", "marked"],
        ["--status", "--all"],
    ]
    assert [line.strip() for line in output.splitlines()] == [
        "--stop --all",
        STOPPED_LINE,
        "--status --all",
        STARTING_LINE,
        "--start --all",
        "--status --all",
    ]
    assert not (wine.folder.parent / "windows" / "stsfix-restart.running").exists()


_HOME = "@set VMWARE_CIS_HOME=C:\\t\\home\n@set VMWARE_CFG_DIR=C:\\t\\home\\cfg\n"
_CONTROL = """@echo off
set "state="
if exist "%SystemRoot%\\stsfix-restart.running" set "state= marked"
echo %*%state%>> C:\\t\\calls.txt
echo %*
exit 5
"""


def _install(wine: WineCmd) -> None:
    """Put a service-control.bat where Windows would have it, one that ends with ``exit``."""
    for folder in ("home/bin", "home/cfg"):
        (wine.folder / folder).mkdir(parents=True, exist_ok=True)
    (wine.folder / "calls.txt").unlink(missing_ok=True)
    wine.write("home/bin/service-control.bat", _CONTROL)


def _start(wine: WineCmd) -> None:
    """Start what VMware Tools would: the program and our arguments, as one line."""
    shell, run = "C:\\windows\\system32\\cmd.exe", "C:\\t\\run"
    files = (f"{run}\\a.cmd", f"{run}\\a.out", f"{run}\\a.rc")
    wine.write("start.cmd", f'@"{shell}" {arguments(shell, *files, run)}')
    wine.cmd("/d", "/c", "C:\\t\\start.cmd")
