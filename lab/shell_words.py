"""Words and operators of the small shell that a lab node understands."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

OPERATORS = ("&&", "||", "&>", ">>", ";", "&", "|", "(", ")", "<", ">", "\n")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|([?$]))")


class ShellSyntaxError(Exception):
    """Bash would refuse the line, or it is outside the subset."""


class ShellIncompleteError(ShellSyntaxError):
    """A quote, a group or a here-document is open: bash would read on."""


class Kind(enum.Enum):
    """What a piece of a word stands for."""

    TEXT = "text"
    VARIABLE = "variable"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a word: literal text, a variable's name ("?": the last exit code) or a command."""

    text: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word; *quoted* is true if any part was, so that it is no operator and no keyword."""

    pieces: tuple[Piece, ...]
    quoted: bool = False

    @property
    def literal(self) -> str:
        """The text, variables and commands left out."""
        return "".join(p.text for p in self.pieces if p.kind is Kind.TEXT)


Token = Word | str


def tokenize(text: str, *, at_end: bool = True) -> list[Token]:
    """Return words and operators of *text*; a descriptor number becomes "2>" and the like.

    Args:
        text: What was read.
        at_end: There is no more to read: a here-document ends with the text, as bash lets it.

    Raises:
        ShellIncompleteError: A quote or a here-document is open.
        ShellSyntaxError: Something is outside the subset.
    """
    return _Lexer(text, at_end=at_end).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class _HereDocument:
    """Where its delimiter is in the tokens, to be replaced by the content."""

    index: int
    strip_tabs: bool


class _Lexer:
    def __init__(self, text: str, *, at_end: bool, nested: bool = False) -> None:
        self.text = text
        self.at = 0
        self.tokens: list[Token] = []
        self.pieces: list[Piece] = []
        self.quoted = False
        self.in_word = False
        self.at_end = at_end
        self.nested = nested
        self.depth = 0
        self.documents: list[_HereDocument] = []
        self.awaited = ""

    def run(self) -> list[Token]:
        while self.at < len(self.text) and not self.closes():
            self.step()
        self.end_word()
        if self.documents and not self.nested:
            self.read_documents()
        return self.tokens

    def closes(self) -> bool:
        """True at the bracket that ends a nested command."""
        return self.nested and self.depth == 0 and self.text[self.at] == ")"

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
        self.depth += {"(": 1, ")": -1}.get(operator, 0)
        descriptor = ""
        if operator in (">", ">>", "<") and self.in_word and not self.quoted:
            text = "".join(p.text for p in self.pieces)
            if text.isdigit():
                descriptor, self.pieces, self.in_word = text, [], False
        self.end_word()
        if operator == "<" and self.text.startswith("<", self.at):
            operator = self.here()
        elif operator == ">" and self.text.startswith("&", self.at):
            self.at += 1
            operator = ">&"
        self.tokens.append(descriptor + operator)
        if operator == "\n":
            self.read_documents()

    def here(self) -> str:
        """Return the operator of a here-string or a here-document, whose text comes later."""
        self.at += 1
        if self.text.startswith("<", self.at):
            self.at += 1
            return "<<<"
        self.awaited = "<<"
        if self.text.startswith("-", self.at):
            self.at += 1
            self.awaited = "<<-"
        return "<<"

    def read_documents(self) -> None:
        """Replace the delimiters of all here-documents so far by what is between the lines."""
        pending, self.documents = self.documents, []
        for document in pending:
            delimiter = self.tokens[document.index]
            if isinstance(delimiter, str):
                raise ShellSyntaxError("syntax error near unexpected token `newline'")
            body = self.document(delimiter.literal, strip_tabs=document.strip_tabs)
            if delimiter.quoted:
                pieces: tuple[Piece, ...] = (Piece(body),)
            else:
                lexer = _Lexer(body, at_end=self.at_end)
                lexer.expansions(closing="")
                pieces = tuple(lexer.pieces)
            self.tokens[document.index] = Word(pieces=pieces, quoted=True)

    def document(self, delimiter: str, *, strip_tabs: bool) -> str:
        lines: list[str] = []
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            line = self.text[self.at :] if end < 0 else self.text[self.at : end + 1]
            self.at += len(line)
            line = line.lstrip("\t") if strip_tabs else line
            if line.removesuffix("\n") == delimiter:
                return "".join(lines)
            lines.append(line)
        if not self.at_end:
            raise ShellIncompleteError(f"here-document without its `{delimiter}'")
        return "".join(lines)

    def quote(self, char: str) -> None:
        if self.text.startswith("\\\n", self.at):
            self.at += 2
            if self.at == len(self.text) and not self.at_end:
                raise ShellIncompleteError("unexpected EOF after `\\'")
            return
        self.quoted = self.in_word = True
        if char == "\\":
            self.add(self.text[self.at + 1 : self.at + 2])
            self.at += 2
            return
        if char == "'":
            end = self.text.find("'", self.at + 1)
            if end < 0:
                raise ShellIncompleteError("unexpected EOF while looking for matching `''")
            self.add(self.text[self.at + 1 : end])
            self.at = end + 1
            return
        self.at += 1
        self.expansions(closing='"')

    def expansions(self, *, closing: str) -> None:
        """Read text in which only ``$`` and backslashes are special, up to *closing*."""
        escaped = (*closing, "\\", "$", "`")
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == closing:
                self.at += 1
                return
            if char == "$":
                self.variable()
            elif char == "`":
                raise ShellSyntaxError("backquotes are not in the lab's subset of bash")
            elif char == "\\" and self.text[self.at + 1 : self.at + 2] in (*escaped, "\n"):
                self.add(self.text[self.at + 1].replace("\n", ""))
                self.at += 2
            else:
                self.add(char)
                self.at += 1
        if closing:
            raise ShellIncompleteError(f"unexpected EOF while looking for matching `{closing}'")

    def variable(self) -> None:
        match = _VARIABLE.match(self.text, self.at)
        if match is not None:
            self.in_word = True
            self.pieces.append(Piece(match[1] or match[2] or match[3], Kind.VARIABLE))
            self.at = match.end()
            return
        if self.text.startswith("$(", self.at) and not self.text.startswith("$((", self.at):
            self.command()
            return
        if self.text[self.at + 1 : self.at + 2] in tuple("({'\"`!#@*"):
            raise ShellSyntaxError("this expansion is not in the lab's subset of bash")
        self.add("$")
        self.at += 1

    def command(self) -> None:
        """Read ``$( list )``."""
        inner = _Lexer(self.text[self.at + 2 :], at_end=self.at_end, nested=True)
        inner.run()
        if inner.at >= len(inner.text):
            raise ShellIncompleteError("unexpected EOF while looking for matching `)'")
        if inner.documents:
            raise ShellSyntaxError("here-documents in $() are not in the lab's subset of bash")
        self.in_word = True
        self.pieces.append(Piece(inner.text[: inner.at], Kind.COMMAND))
        self.at += 2 + inner.at + 1

    def add(self, text: str) -> None:
        self.in_word = True
        self.pieces.append(Piece(text))

    def end_word(self) -> None:
        if self.in_word:
            if self.awaited:
                document = _HereDocument(
                    index=len(self.tokens), strip_tabs=self.awaited.endswith("-")
                )
                self.documents.append(document)
                self.awaited = ""
            self.tokens.append(Word(pieces=tuple(self.pieces), quoted=self.quoted))
        self.pieces, self.quoted, self.in_word = [], False, False
