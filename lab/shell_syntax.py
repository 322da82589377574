"""The syntax of the small shell that a lab node understands.

Understood: command lists with ``;``, newlines, ``&&``, ``||`` and ``&``, pipes, ``( ... )``,
quotes, comments, ``$?``, ``$NAME``, ``${NAME}``, ``$(...)``, ``NAME=value``, here-documents and
redirections. Everything else that bash knows (loops, ``if``, globs) is a syntax error on purpose:
a node that guesses would let a wrong script pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from stsfix.lab.shell_words import (
    Kind,
    Piece,
    ShellIncompleteError,
    ShellSyntaxError,
    Token,
    Word,
    tokenize,
)

__all__ = [
    "Entry",
    "Group",
    "Item",
    "Redirection",
    "Script",
    "ShellIncompleteError",
    "ShellSyntaxError",
    "Simple",
    "Word",
    "parse",
]

RESERVED = frozenset({"if", "for", "while", "until", "case", "function", "select", "{", "[[", "!"})
_ASSIGNMENT = re.compile(r"(\w+)=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """``descriptor operator target``; operator is one of < << <<< > >> >& (a copy
    of *target*). The target of << is the text itself.
    """

    descriptor: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    """A command: assignments, words and redirections."""

    words: tuple[Word, ...] = ()
    assignments: tuple[tuple[str, Word], ...] = ()
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """``( list )`` with redirections."""

    body: Script
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A pipeline; *joined* says when it runs: ";" always, "&&" or "||" by the last code."""

    pipeline: tuple[Simple | Group, ...]
    joined: str = ";"


@dataclass(slots=True, kw_only=True)
class Entry:
    """An and-or list; *background* if it ended with ``&``."""

    items: list[Item] = field(default_factory=list)
    background: bool = False


Script = list[Entry]


def parse(text: str, *, at_end: bool = True) -> Script:
    """Return the commands of *text*; with *at_end* there is no more to read after it.

    Raises:
        ShellIncompleteError: Bash would read on.
        ShellSyntaxError: As bash's, or outside the subset.
    """
    parser = _Parser(tokenize(text, at_end=at_end))
    script = parser.script()
    if parser.peek() is not None:
        raise ShellSyntaxError(f"syntax error near unexpected token `{parser.peek()}'")
    return script


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self) -> Token | None:
        token = self.peek()
        self.at += 1
        return token

    def script(self) -> Script:
        found: Script = []
        while True:
            while self.peek() == "\n":
                self.at += 1
            if self.peek() is None or self.peek() == ")":
                return found
            entry = Entry(items=[Item(pipeline=self.pipeline())])
            while (operator := self.peek()) in ("&&", "||"):
                self.at += 1
                self.skip_newlines()
                entry.items.append(Item(pipeline=self.pipeline(), joined=str(operator)))
            found.append(entry)
            if self.peek() in (";", "\n", "&"):
                entry.background = self.take() == "&"

    def skip_newlines(self) -> None:
        while self.peek() == "\n":
            self.at += 1

    def pipeline(self) -> tuple[Simple | Group, ...]:
        commands = [self.command()]
        while self.peek() == "|":
            self.at += 1
            self.skip_newlines()
            commands.append(self.command())
        return tuple(commands)

    def command(self) -> Simple | Group:
        if self.peek() == "(":
            self.at += 1
            body = self.script()
            if self.take() != ")":
                raise ShellIncompleteError("syntax error: unexpected end of file")
            return Group(body=body, redirections=tuple(self.redirections()))
        return self.simple()

    def simple(self) -> Simple:
        words: list[Word] = []
        assignments: list[tuple[str, Word]] = []
        redirections = self.redirections()
        while isinstance(word := self.peek(), Word):
            self.at += 1
            assigned = _ASSIGNMENT.match(word.literal) if not words else None
            if assigned is not None and word.pieces[0].kind is Kind.TEXT:
                assignments.append((assigned[1], _without(word, assigned.end())))
            else:
                words.append(word)
            redirections += self.redirections()
        if not words and not assignments and not redirections:
            if self.peek() is None:
                raise ShellIncompleteError("syntax error: unexpected end of file")
            raise ShellSyntaxError(f"syntax error near unexpected token `{self.peek()}'")
        if words and not words[0].quoted and words[0].literal in RESERVED:
            raise ShellSyntaxError(f"`{words[0].literal}' is not in the lab's subset of bash")
        return Simple(
            words=tuple(words),
            assignments=tuple(assignments),
            redirections=tuple(redirections),
        )

    def redirections(self) -> list[Redirection]:
        found: list[Redirection] = []
        while isinstance(token := self.peek(), str) and token.rstrip("&").endswith((">", "<")):
            self.at += 1
            target = self.take()
            if not isinstance(target, Word):
                raise ShellSyntaxError("syntax error near unexpected token `newline'")
            found += _redirections(token, target)
        return found


def _without(word: Word, count: int) -> Word:
    """Return *word* without its first *count* characters, all of them literal."""
    pieces = list(word.pieces)
    while count and pieces:
        first = pieces.pop(0)
        if len(first.text) > count:
            pieces.insert(0, Piece(first.text[count:]))
        count -= min(count, len(first.text))
    return Word(pieces=tuple(pieces), quoted=word.quoted)


def _redirections(token: str, target: Word) -> list[Redirection]:
    if token == "&>":  # noqa: S105 - an operator, no password
        out = Redirection(descriptor=1, operator=">", target=target)
        copy = Redirection(descriptor=2, operator=">&", target=Word(pieces=(Piece("1"),)))
        return [out, copy]
    digits = token.rstrip("<>&")
    operator = token[len(digits) :]
    descriptor = int(digits) if digits else int(not operator.startswith("<"))
    return [Redirection(descriptor=descriptor, operator=operator, target=target)]
