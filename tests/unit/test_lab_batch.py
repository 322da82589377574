"""The small cmd.exe of a Windows node does what Microsoft documents, or says that it cannot.

What Wine's cmd.exe can confirm is in tests/contract/test_batch_contract.py.
"""

from __future__ import annotations

import pytest

from windows_node import FOLDER, BareWindows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cmd /c exit 1 && echo a || echo b", (1, "b\n")),
        ("> C:\\t\\u.cmd echo @exit /b 3\ncall C:\\t\\u.cmd\necho %errorlevel%", (3, "3\n")),
        ('echo hello| findstr "ell"', (0, "hello\n")),
        ('echo hello| findstr "xyz"\necho %errorlevel%', (1, "1\n")),
        ('echo ab> C:\\t\\f\nfindstr /b /i /c:"A" C:\\t\\f', (0, "ab\n")),
        ('echo ab> C:\\t\\f\nfindstr /b /c:"b" C:\\t\\f', (1, "")),
        ("type C:\\t\\none", (1, "The system cannot find the file specified.\n")),
        ("nosuch", (9009, None)),
        ("C:\\t\\nosuch.exe", (1, "The system cannot find the path specified.\n")),
        ("echo on> C:\\none\\f", (1, "The system cannot find the path specified.\n")),
        ('set "x="\nset nosuch', (1, "Environment variable nosuch not defined\n")),
        ("(echo a& type C:\\t\\none) > nul 2>&1\necho %errorlevel%", (1, "1\n")),
        ("cd C:\\t& cd", (0, "C:\\t\n")),
        ("md C:\\t\\d\nmd C:\\t\\d", (1, "A subdirectory or file C:\\t\\d already exists.\n")),
        ("md C:\\t\\d\necho a> C:\\t\\d\\f\nrd C:\\t\\d", (145, "The directory is not empty.\n")),
        ("del C:\\t\\none", (0, "Could Not Find C:\\t\\none\n")),
    ],
)
def test_lines_do_what_is_documented(text, expected):
    """Lists, redirections, pipes and exit codes are cmd.exe's."""
    code, output = BareWindows().batch("@echo off\n" + text)

    assert code == expected[0]
    assert expected[1] is None or output.replace("\r\n", "\n") == expected[1]


@pytest.mark.parametrize(
    "text",
    [
        "for %%i in (1 2) do echo %%i",
        "set /a x=1",
        "goto here",
        "call :here",
        "echo %path:a=b%",
        "echo a ^",
        "(echo a",
        "echo a | | echo b",
        "if exist",
        "&& echo a",
    ],
)
def test_what_is_outside_the_subset_is_refused(text):
    """A node that guesses would let a wrong script pass."""
    code, output = BareWindows().batch("@echo off\n" + text)

    assert code == 255
    assert output


def test_a_script_with_the_line_ends_of_unix_is_refused():
    """cmd.exe misreads such files in ways nobody can foresee: the lab takes none."""
    node = BareWindows()
    node.files.write(f"{FOLDER}\\u.cmd", b"@echo off\necho a\n")

    assert node.cmd(f"{FOLDER}\\u.cmd")[0] == 255


def test_a_batch_file_that_is_deleted_while_it_runs_ends_at_its_next_line():
    """What stands in the line that deletes it is still done."""
    script = "@echo off\ndel C:\\t\\t.cmd & echo same line\necho next line"

    assert BareWindows().batch(script) == (1, "same line\r\nThe batch file cannot be found.\r\n")


def test_a_bat_file_without_call_does_not_come_back():
    """The one that called is over; and one with a plain exit ends its cmd.exe too."""
    node = BareWindows()
    control = '"%VMWARE_CIS_HOME%\\bin\\service-control.bat" --status vpxd'

    plain = node.batch(f"@echo off\n{control}\necho back")
    called = node.batch(f"@echo off\ncall {control}\necho back")
    own = node.batch(f'@echo off\ncmd /d /s /c "{control}"\necho back')

    assert "back" not in plain[1]
    assert "back" not in called[1]
    assert own[1].endswith("back\r\n")


@pytest.mark.parametrize(
    ("line", "delayed", "expected"),
    [
        ("cmd /c exit 4& echo !errorlevel!", True, "4\r\n"),
        ("cmd /c exit 4& echo %errorlevel%", True, "0\r\n"),
        ("echo %nosuch% 5%", False, "%nosuch% 5%\r\n"),
        ("echo a!b!c", True, "ac\r\n"),
    ],
    ids=["late", "too early", "unknown ones stay", "exclamation marks"],
)
def test_variables_of_a_command_line(line, delayed, expected):
    """On a command line percents are replaced before anything runs, exclamation marks after."""
    assert BareWindows().cmd(line, delayed=delayed)[1] == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('/d /s /c "echo "a b""', '"a b"\r\n'),
        ('/d /s /c ""C:\\t\\u.cmd" x > C:\\t\\f & type C:\\t\\f"', "got x\r\n"),
        ('/c "C:\\t\\with space\\u.cmd"', "spaced\r\n"),
        ('/c "echo a&echo b"', "a\r\nb\r\n"),
    ],
    ids=["first and last quote go", "a quoted program", "quotes stay", "quotes go"],
)
def test_cmd_takes_quotes_as_its_help_says(arguments, expected):
    """``cmd /?``: with /s, or unless a few conditions hold, the first and the last quote go."""
    node = BareWindows()
    node.files.write("C:\\t\\u.cmd", b"@echo got %1")
    node.files.make_folder("C:\\t\\with space")
    node.files.write("C:\\t\\with space\\u.cmd", b"@echo spaced")

    assert node.cmd(f"cmd {arguments}")[1] == expected
