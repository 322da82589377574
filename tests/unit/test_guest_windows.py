"""How scripts and output cross to a Windows guest and back."""

from __future__ import annotations

import pytest

from stsfix.snapshot.guest_windows import arguments, decode, encode

FOLDER = "C:\\Windows\\stsfix-1"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Active code page: 437\r\na\r\nb\r\n", "a\nb\n"),
        (b"Aktive Codepage: 850.\r\n\x81ber\r\n", "über\n"),
        (b"Active code page: 932\r\n\x83\x54\r\n", "サ\n"),
        (b"Active code page: 65001\r\n\xc3\xbc\r\n", "ü\n"),
        (b"Active code page: 31337\r\nx\r\n", "x\n"),
        (b"Active code page: 0\r\nno console\r\n", "no console\n"),
        (b"Active code page: 437\r\nwmic\r\r\n", "wmic\n"),
        (b"Active code page: 437\r\n\xff\r\n", "\xa0\n"),
        (b"\xff no banner", "\ufffd no banner"),
        (b"", ""),
    ],
)
def test_output_is_read_in_the_code_page_it_names(raw, text):
    """The first line names it; what cannot be read costs a character, never the whole."""
    assert decode(raw) == text


def test_a_script_gets_the_line_ends_of_windows():
    """Every line ends with CR LF."""
    assert encode("@echo off\necho a\n") == b"@echo off\r\necho a\r\n"


@pytest.mark.parametrize("script", ["echo ü", "echo \0"])
def test_a_script_that_would_be_misread_is_refused(script):
    """Only ASCII means the same in every code page."""
    with pytest.raises(ValueError, match="ASCII"):
        encode(script)


def test_the_command_line_names_files_only():
    """Two cmd.exe: one for the line, one for the script; the exit code is read late."""
    line = arguments(
        "C:\\Windows\\System32\\cmd.exe",
        f"{FOLDER}\\a.cmd",
        f"{FOLDER}\\a.out",
        f"{FOLDER}\\a.rc",
        FOLDER,
    )

    assert line == (
        '/d /v:on /s /c "chcp > "C:\\Windows\\stsfix-1\\a.out"'
        ' & "C:\\Windows\\System32\\cmd.exe" /d /v:off /s /c ""C:\\Windows\\stsfix-1\\a.cmd""'
        ' >> "C:\\Windows\\stsfix-1\\a.out" 2>&1 < nul'
        ' & > "C:\\Windows\\stsfix-1\\a.rc" echo !errorlevel!'
        ' & if not exist "C:\\Windows\\stsfix-1\\a.cmd" rd /s /q "C:\\Windows\\stsfix-1""'
    )
