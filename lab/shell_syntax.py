"""The syntax of the small shell that a lab node understands.

Understood: command lists with ``;``, newlines, ``&&``, ``||`` and ``&``, pipes, ``!``, subshells,
``{ ...; }``, ``if``, ``for``, ``while``, ``until``, ``NAME=value``, redirections, here-documents
and the words of `shell_words`. Everything else that bash knows (``case``, functions, ``[[``,
globs) is a syntax error on purpose: a node that guesses would let a wrong script pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.lab.shell_words import (
    HereDocument,
    Literal,
    ShellIncompleteError,
    ShellSyntaxError,
    Word,
    tokenize,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.lab.shell_words import Piece, Token

RESERVED = frozenset({"case", "function", "select", "[[", "time", "coproc"})
CLOSING = frozenset({"then", "elif", "else", "fi", "do", "done", "}", "in", "esac"})
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """``descriptor operator target``; operator is one of < << <<< > >> >& (a copy of *target*)."""

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
    """``( list )``, or ``{ list; }`` when it is no *subshell*; with redirections."""

    body: Script
    subshell: bool = True
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class If:
    """``if``; *branches* are conditions with what follows, *otherwise* is the ``else``."""

    branches: tuple[tuple[Script, Script], ...]
    otherwise: Script
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class For:
    """``for name in words``."""

    name: str
    words: tuple[Word, ...]
    body: Script
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class While:
    """``while``, or ``until``."""

    condition: Script
    body: Script
    until: bool
    redirections: tuple[Redirection, ...] = ()


Compound = Group | If | For | While
Command = Simple | Compound


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A pipeline; *joined* says when it runs: ";" always, "&&" or "||" by the last code."""

    pipeline: tuple[Command, ...]
    joined: str = ";"
    negated: bool = False


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
    return parse_tokens(tokenize(text, parse_tokens, at_end=at_end))


def parse_tokens(tokens: Sequence[Token]) -> Script:
    """Return the commands that *tokens* are.

    Raises:
        ShellSyntaxError: They are none.
    """
    parser = _Parser(tokens)
    script = parser.script()
    if (token := parser.peek()) is not None:
        raise _unexpected(token)
    return script


def _unexpected(token: Token | None) -> ShellSyntaxError:
    if token is None:
        return ShellIncompleteError("syntax error: unexpected end of file")
    shown = token.literal if isinstance(token, Word) else str(token)
    shown = "newline" if shown == "\n" else shown
    return ShellSyntaxError(f"syntax error near unexpected token `{shown}'")


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def keyword(self) -> str:
        token = self.peek()
        return token.keyword if isinstance(token, Word) else ""

    def take(self) -> Token | None:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, keyword: str) -> None:
        if self.keyword() != keyword:
            raise _unexpected(self.peek())
        self.at += 1

    def script(self) -> Script:
        """Read up to the end, a closing parenthesis or a word that closes a compound."""
        found: Script = []
        while True:
            self.skip_newlines()
            if self.peek() is None or self.peek() == ")" or self.keyword() in CLOSING:
                return found
            entry = Entry(items=[self.item(";")])
            while (operator := self.peek()) in ("&&", "||"):
                self.at += 1
                self.skip_newlines()
                entry.items.append(self.item(str(operator)))
            found.append(entry)
            if self.peek() in (";", "\n", "&"):
                entry.background = self.take() == "&"
            elif self.peek() not in (None, ")"):
                raise _unexpected(self.peek())

    def body(self) -> Script:
        """Read a list that must not be empty."""
        found = self.script()
        if not found:
            raise _unexpected(self.peek())
        return found

    def skip_newlines(self) -> None:
        while self.peek() == "\n":
            self.at += 1

    def item(self, joined: str) -> Item:
        negated = False
        while self.keyword() == "!":
            self.at += 1
            negated = not negated
        commands = [self.command()]
        while self.peek() == "|":
            self.at += 1
            self.skip_newlines()
            commands.append(self.command())
        return Item(pipeline=tuple(commands), joined=joined, negated=negated)

    def command(self) -> Command:
        if self.peek() == "(":
            self.at += 1
            body = self.body()
            if self.peek() != ")":
                raise _unexpected(self.peek())
            self.at += 1
            return Group(body=body, redirections=self.redirections())
        match self.keyword():
            case "{":
                self.at += 1
                body = self.body()
                self.expect("}")
                return Group(body=body, subshell=False, redirections=self.redirections())
            case "if":
                return self.branches()
            case "for":
                return self.loop_over()
            case "while" | "until" as word:
                self.at += 1
                condition = self.body()
                return While(
                    condition=condition,
                    body=self.do_body(),
                    until=word == "until",
                    redirections=self.redirections(),
                )
            case _:
                return self.simple()

    def branches(self) -> If:
        found: list[tuple[Script, Script]] = []
        while self.keyword() in ("if", "elif"):
            self.at += 1
            condition = self.body()
            self.expect("then")
            found.append((condition, self.body()))
        otherwise: Script = []
        if self.keyword() == "else":
            self.at += 1
            otherwise = self.body()
        self.expect("fi")
        return If(branches=tuple(found), otherwise=otherwise, redirections=self.redirections())

    def loop_over(self) -> For:
        self.at += 1
        name = self.keyword()
        if not _NAME.fullmatch(name):
            raise _unexpected(self.peek())
        self.at += 1
        self.skip_newlines()
        self.expect("in")
        words: list[Word] = []
        while isinstance(word := self.peek(), Word):
            words.append(word)
            self.at += 1
        return For(
            name=name,
            words=tuple(words),
            body=self.do_body(),
            redirections=self.redirections(),
        )

    def do_body(self) -> Script:
        if self.peek() == ";":
            self.at += 1
        self.skip_newlines()
        self.expect("do")
        body = self.body()
        self.expect("done")
        return body

    def simple(self) -> Simple:
        words: list[Word] = []
        assignments: list[tuple[str, Word]] = []
        redirections = list(self.redirections())
        while isinstance(word := self.peek(), Word):
            self.at += 1
            assigned = None if words else assignment(word)
            if assigned is not None:
                assignments.append(assigned)
            else:
                words.append(word)
            redirections += self.redirections()
        if not words and not assignments and not redirections:
            raise _unexpected(self.peek())
        if words and (reserved := words[0].keyword) in RESERVED:
            raise ShellSyntaxError(f"`{reserved}' is not in the lab's subset of bash")
        return Simple(
            words=tuple(words),
            assignments=tuple(assignments),
            redirections=tuple(redirections),
        )

    def redirections(self) -> tuple[Redirection, ...]:
        found: list[Redirection] = []
        while isinstance(token := self.peek(), str) and token.rstrip("&").endswith((">", "<")):
            self.at += 1
            target = self.take()
            if isinstance(target, HereDocument):
                target = target.word
            if not isinstance(target, Word):
                raise ShellSyntaxError("syntax error near unexpected token `newline'")
            found += _redirections(token, target)
        return tuple(found)


def assignment(word: Word) -> tuple[str, Word] | None:
    """Return name and value of a word that is an assignment, else None."""
    text = ""
    for piece in word.pieces:
        if not isinstance(piece, Literal) or piece.quoted:
            break
        text += piece.text
    match = _ASSIGNMENT.match(text)
    return None if match is None else (match[1], _without(word, match.end()))


def _without(word: Word, count: int) -> Word:
    """Return *word* without its first *count* characters, all of them literal."""
    pieces: list[Piece] = list(word.pieces)
    while count and pieces:
        first = pieces.pop(0)
        text = first.text if isinstance(first, Literal) else ""
        if len(text) > count:
            pieces.insert(0, Literal(text[count:]))
        count -= min(count, len(text))
    return Word(pieces=tuple(pieces), quoted=word.quoted)


def _redirections(token: str, target: Word) -> list[Redirection]:
    if token == "&>":  # noqa: S105 - an operator, no password
        out = Redirection(descriptor=1, operator=">", target=target)
        copy = Redirection(descriptor=2, operator=">&", target=Word(pieces=(Literal("1"),)))
        return [out, copy]
    digits = token.rstrip("<>&")
    operator = token[len(digits) :]
    descriptor = int(digits) if digits else int(not operator.startswith("<"))
    return [Redirection(descriptor=descriptor, operator=operator, target=target)]
