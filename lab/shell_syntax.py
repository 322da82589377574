"""The syntax of the small shell that a lab node understands.

Understood: command lists with ``;``, newlines, ``&&``, ``||`` and ``&``, pipes, ``( ... )``,
quotes, comments, ``$?``, ``$NAME``, ``${NAME}``, ``NAME=value`` and redirections. Everything else
that bash knows (loops, ``if``, globs, ``$(...)``, here-documents) is a syntax error on purpose:
a node that guesses would let a wrong script pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

OPERATORS = ("&&", "||", "&>", ">>", ";", "&", "|", "(", ")", "<", ">", "\n")
RESERVED = frozenset({"if", "for", "while", "until", "case", "function", "select", "{", "[[", "!"})
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\?))")
_ASSIGNMENT = re.compile(r"(\w+)=")


class ShellSyntaxError(Exception):
    """Bash would refuse the line, or it is outside the subset."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a word: literal text, or the name of a variable ("?" is the last exit code)."""

    text: str
    variable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word; *quoted* is true if any part was, so that it is no operator and no keyword."""

    pieces: tuple[Piece, ...]
    quoted: bool = False

    @property
    def literal(self) -> str:
        """The text, variables left out."""
        return "".join(p.text for p in self.pieces if not p.variable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """``descriptor operator target``; operator is one of < > >> >& (a copy of *target*)."""

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
Token = Word | str


def tokenize(text: str) -> list[Token]:
    """Return words and operators of *text*; a descriptor number becomes "2>" and the like.

    Raises:
        ShellSyntaxError: A quote is open, or something is outside the subset.
    """
    return _Lexer(text).run()


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\\\n", "")
        self.at = 0
        self.tokens: list[Token] = []
        self.pieces: list[Piece] = []
        self.quoted = False
        self.in_word = False

    def run(self) -> list[Token]:
        while self.at < len(self.text):
            self.step()
        self.end_word()
        return self.tokens

    def step(self) -> None:
        char = self.text[self.at]
        if char in " \t\r":
            if char == "\r":
                raise ShellSyntaxError("$'\\r': command not found")
            self.end_word()
            self.at += 1
        elif char == "#" and not self.in_word:
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif char in "'\"\\":
            self.quote(char)
        elif char == "$":
            self.variable()
        elif char in "`*?[":
            raise ShellSyntaxError(f"`{char}' is not in the lab's subset of bash")
        else:
            self.plain(char)

    def plain(self, char: str) -> None:
        for operator in OPERATORS:
            if self.text.startswith(operator, self.at):
                self.operator(operator)
                return
        self.add(char)
        self.at += 1

    def operator(self, operator: str) -> None:
        self.at += len(operator)
        descriptor = ""
        if operator in (">", ">>", "<") and self.in_word and not self.quoted:
            text = "".join(p.text for p in self.pieces)
            if text.isdigit():
                descriptor, self.pieces, self.in_word = text, [], False
        self.end_word()
        if operator == "<" and self.text.startswith("<", self.at):
            raise ShellSyntaxError("here-documents are not in the lab's subset of bash")
        if operator == ">" and self.text.startswith("&", self.at):
            self.at += 1
            operator = ">&"
        self.tokens.append(descriptor + operator)

    def quote(self, char: str) -> None:
        self.quoted = self.in_word = True
        if char == "\\":
            self.add(self.text[self.at + 1 : self.at + 2])
            self.at += 2
            return
        if char == "'":
            end = self.text.find("'", self.at + 1)
            if end < 0:
                raise ShellSyntaxError("unexpected EOF while looking for matching `''")
            self.add(self.text[self.at + 1 : end])
            self.at = end + 1
            return
        self.at += 1
        self.double()

    def double(self) -> None:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return
            if char == "$":
                self.variable()
            elif char == "`":
                raise ShellSyntaxError("command substitution is not in the lab's subset of bash")
            elif char == "\\" and self.text[self.at + 1 : self.at + 2] in tuple('"\\$`'):
                self.add(self.text[self.at + 1])
                self.at += 2
            else:
                self.add(char)
                self.at += 1
        raise ShellSyntaxError("unexpected EOF while looking for matching `\"'")

    def variable(self) -> None:
        match = _VARIABLE.match(self.text, self.at)
        if match is not None:
            self.in_word = True
            self.pieces.append(Piece(match[1] or match[2] or match[3], variable=True))
            self.at = match.end()
            return
        if self.text[self.at + 1 : self.at + 2] in tuple("({'\"`!#@*"):
            raise ShellSyntaxError("this expansion is not in the lab's subset of bash")
        self.add("$")
        self.at += 1

    def add(self, text: str) -> None:
        self.in_word = True
        self.pieces.append(Piece(text))

    def end_word(self) -> None:
        if self.in_word:
            self.tokens.append(Word(pieces=tuple(self.pieces), quoted=self.quoted))
        self.pieces, self.quoted, self.in_word = [], False, False


def parse(text: str) -> Script:
    """Return the commands of *text*.

    Raises:
        ShellSyntaxError: As bash's, or outside the subset.
    """
    parser = _Parser(tokenize(text))
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
                raise ShellSyntaxError("syntax error: unexpected end of file")
            return Group(body=body, redirections=tuple(self.redirections()))
        return self.simple()

    def simple(self) -> Simple:
        words: list[Word] = []
        assignments: list[tuple[str, Word]] = []
        redirections = self.redirections()
        while isinstance(word := self.peek(), Word):
            self.at += 1
            assigned = _ASSIGNMENT.match(word.literal) if not words else None
            if assigned is not None and not word.pieces[0].variable:
                assignments.append((assigned[1], _without(word, assigned.end())))
            else:
                words.append(word)
            redirections += self.redirections()
        if not words and not assignments and not redirections:
            raise ShellSyntaxError(f"syntax error near unexpected token `{self.peek() or 'EOF'}'")
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
    descriptor = int(digits) if digits else int(operator != "<")
    return [Redirection(descriptor=descriptor, operator=operator, target=target)]
