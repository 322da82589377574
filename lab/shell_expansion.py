"""Expands the words of a script in a shell: parameters, substitutions, splitting, file names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.shell_arithmetic import evaluate
from stsfix.lab.shell_builtins import ExitShell
from stsfix.lab.shell_fields import Fields
from stsfix.lab.shell_syntax import assignment
from stsfix.lab.shell_words import Arithmetic, Literal, Substitution, Variable, has_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.lab.shell import Shell
    from stsfix.lab.shell_streams import Streams
    from stsfix.lab.shell_words import Piece, Word

_DECLARING = frozenset({"export", "readonly", "local", "declare"})
_UNBOUND = 127


def words_of(shell: Shell, words: Sequence[Word], streams: Streams) -> list[str]:
    """Return the fields that *words* expand to.

    Raises:
        ExitShell: A parameter is unset under ``set -u``.
    """
    declaring = bool(words) and words[0].keyword in _DECLARING
    found: list[str] = []
    for word in words:
        if declaring and assignment(word) is not None:
            found.append(text_of(shell, word, streams))
        else:
            found += _fields(shell, word, streams)
    return found


def text_of(shell: Shell, word: Word, streams: Streams) -> str:
    """Return what *word* expands to, without splitting.

    Raises:
        ExitShell: A parameter is unset under ``set -u``.
    """
    return "".join(_value(shell, piece, streams) for piece in word.pieces)


def _fields(shell: Shell, word: Word, streams: Streams) -> list[str]:
    """Expand *word*; what comes of unquoted expansions is split at blanks."""
    fields = Fields(shell.environment.files)
    for piece in word.pieces:
        if isinstance(piece, Variable) and piece.name == "@":
            fields.add_each(shell.arguments[1:])
        elif has_pattern(piece):
            fields.add_pattern(_value(shell, piece, streams))
        elif piece.quoted or isinstance(piece, Literal):
            fields.add(_value(shell, piece, streams))
        else:
            fields.split(_value(shell, piece, streams))
    return fields.end()


def _value(shell: Shell, piece: Piece, streams: Streams) -> str:
    match piece:
        case Literal(text):
            return text
        case Substitution(script):
            return shell.substitute(script, streams)
        case Arithmetic(expression):
            return str(evaluate(expression, lambda name: _find(shell, name)))
        case Variable():
            return _parameter(shell, piece, streams)


def _parameter(shell: Shell, piece: Variable, streams: Streams) -> str:
    value = _find(shell, piece.name)
    if piece.default is not None and (value is None or (piece.also_empty and not value)):
        return piece.default
    if value is None and "u" in shell.options:
        streams.complain(f"bash: {piece.name}: unbound variable")
        # As measured with bash -c: 127, and 1 under -e.
        raise ExitShell(1 if "e" in shell.options else _UNBOUND)
    return value or ""


def _find(shell: Shell, name: str) -> str | None:
    special = {
        "?": str(shell.code),
        "$": str(shell.pid),
        "#": str(len(shell.arguments) - 1),
        "@": " ".join(shell.arguments[1:]),
    }
    special |= {str(number): value for number, value in enumerate(shell.arguments)}
    return special.get(name, shell.variables.get(name))
