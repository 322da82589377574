"""Words and operators of the small shell that a lab node understands.

Quotes, comments, ``$NAME``, ``${NAME}``, ``${NAME:-WORD}``, ``$?``, ``$$``, ``$#``, ``$@``, ``$1``,
``$(...)``, ``$((...))``, here-documents, and ``*`` and ``?`` in absolute paths. Other patterns and
back quotes are syntax errors on purpose: a node that guesses would let a wrong script pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OPERATORS = ("&&", "||", "&>", ">>", ";;", ";", "&", "|", "(", ")", "<", ">", "\n")
_VARIABLE = re.compile(r"\$(?:\{(\w+|[?#@])(?:(:?-)([^{}\"'$`\\]*))?\}|([A-Za-z_]\w*|[0-9?#@$]))")
_ARITHMETIC = re.compile(r"\$\(\(([\w\s+*-]*)\)\)")
_ORDINARY = re.compile(r"[^\s\\'\"$`\[#;&|()<>]+")
_BETWEEN_QUOTES = re.compile(r'[^"\\$`]+')
_HERE = re.compile(r"<<(-?)[ \t]*")


class ShellSyntaxError(Exception):
    """Bash would refuse the line, or it is outside the subset."""


class ShellIncompleteError(ShellSyntaxError):
    """A quote, a compound command or a here-document is open: bash would read on."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A parameter. *default* replaces an unset one; with *also_empty* an empty one, too."""

    name: str
    quoted: bool = False
    default: str | None = None
    also_empty: bool = False


@dataclass(frozen=True, slots=True)
class Substitution:
    """``$( script )``; *script* is what the parser made of it."""

    script: Any
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``$(( expression ))``."""

    expression: str
    quoted: bool = False


Piece = Literal | Variable | Substitution | Arithmetic


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word; *quoted* is true if any part was, so that it is no operator and no keyword."""

    pieces: tuple[Piece, ...]
    quoted: bool = False

    @property
    def literal(self) -> str:
        """The text, what is expanded left out."""
        return "".join(p.text for p in self.pieces if isinstance(p, Literal))

    @property
    def keyword(self) -> str:
        """The text of a word that may be a reserved word, else an empty one."""
        plain = not self.quoted and all(isinstance(p, Literal) for p in self.pieces)
        return self.literal if plain else ""


@dataclass(slots=True)
class HereDocument:
    """A here-document; *word* is set when the lexer has come to its body."""

    end: str
    quoted: bool
    strip_tabs: bool
    word: Word | None = None


Token = Word | str | HereDocument


def tokenize(
    text: str, parse: Callable[[Sequence[Token]], Any], *, at_end: bool = True
) -> list[Token]:
    """Return words and operators of *text*; a descriptor number becomes "2>" and the like.

    Args:
        text: Lines of a script.
        parse: Makes a script of the tokens inside ``$(...)``.
        at_end: There is no more to read: a here-document ends with the text, as bash lets it.

    Raises:
        ShellIncompleteError: A quote or a here-document is open.
        ShellSyntaxError: Something is outside the subset.
    """
    return Lexer(text, parse, at_end=at_end).run()


class Lexer:
    """One pass over *text* from *at* on."""

    def __init__(
        self,
        text: str,
        parse: Callable[[Sequence[Token]], Any],
        *,
        at: int = 0,
        at_end: bool = True,
        inner: bool = False,
    ) -> None:
        self.text = text
        self.at = at
        self.tokens: list[Token] = []
        self._parse = parse
        self._at_end = at_end
        self._inner = inner
        self._depth = 0
        self._closed = False
        self._pieces: list[Piece] = []
        self._quoted = False
        self._in_word = False
        self._pending: list[HereDocument] = []

    def run(self) -> list[Token]:
        """Return the tokens up to the end, or up to the parenthesis that closes ``$(``."""
        while self.at < len(self.text) and not self._closed:
            self._step()
        if self._inner and not self._closed:
            raise ShellIncompleteError("unexpected EOF while looking for matching `)'")
        self._end_word()
        self._bodies()
        return self.tokens

    def _step(self) -> None:
        char = self.text[self.at]
        if self.text.startswith("\\\n", self.at):
            self.at += 2
            if self.at == len(self.text) and not self._at_end:
                raise ShellIncompleteError("unexpected EOF after `\\'")
        elif char in " \t\r":
            if char == "\r":
                raise ShellSyntaxError("$'\\r': command not found")
            self._end_word()
            self.at += 1
        elif char == "#" and not self._in_word:
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif char in "'\"\\":
            self._quote(char)
        elif char == "$":
            self._dollar(quoted=False)
        elif char == "[" and not self._in_word and self.text[self.at + 1 : self.at + 2] == " ":
            self._add(char)
            self.at += 1
        elif char in "`[":
            raise ShellSyntaxError(f"`{char}' is not in the lab's subset of bash")
        else:
            self._plain(char)

    def _plain(self, char: str) -> None:
        if (run := _ORDINARY.match(self.text, self.at)) is not None:
            self._add(run[0])
            self.at = run.end()
            return
        for operator in OPERATORS:
            if self.text.startswith(operator, self.at):
                self._operator(operator)
                return
        self._add(char)
        self.at += 1

    def _operator(self, operator: str) -> None:
        if operator == "<" and self.text.startswith("<<", self.at):
            self._here()
            return
        self.at += len(operator)
        descriptor = self._descriptor() if operator in (">", ">>", "<") else ""
        self._end_word()
        if operator == ")" and self._inner and self._depth == 0:
            self._closed = True
            return
        self._depth += {"(": 1, ")": -1}.get(operator, 0)
        if operator == ">" and self.text.startswith("&", self.at):
            self.at += 1
            operator = ">&"
        self.tokens.append(descriptor + operator)
        if operator == "\n":
            self._bodies()

    def _descriptor(self) -> str:
        if not self._in_word or self._quoted:
            return ""
        text = "".join(p.text for p in self._pieces if isinstance(p, Literal))
        if not text.isdigit():
            return ""
        self._pieces, self._in_word = [], False
        return text

    def _here(self) -> None:
        self._end_word()
        if self.text.startswith("<<<", self.at):
            self.at += 3
            self.tokens.append("<<<")
            return
        match = _HERE.match(self.text, self.at)
        self.at = len(self.text) if match is None else match.end()
        before = len(self.tokens)
        while self.at < len(self.text) and self.text[self.at] not in " \t\n;&|()<>":
            self._step()
        self._end_word()
        found = self.tokens.pop() if len(self.tokens) > before else None
        if not isinstance(found, Word):
            raise ShellSyntaxError("syntax error near unexpected token `newline'")
        here = HereDocument(
            end=found.literal, quoted=found.quoted, strip_tabs=match is not None and bool(match[1])
        )
        self._pending.append(here)
        self.tokens += ["<<", here]

    def _bodies(self) -> None:
        """Read the bodies of the here-documents that began on the line before."""
        pending, self._pending = self._pending, []
        for here in pending:
            lines: list[str] = []
            while True:
                if self.at >= len(self.text):
                    if not self._at_end:
                        raise ShellIncompleteError(f"here-document without its `{here.end}'")
                    break
                end = self.text.find("\n", self.at)
                line = self.text[self.at :] if end < 0 else self.text[self.at : end + 1]
                self.at += len(line)
                line = line.lstrip("\t") if here.strip_tabs else line
                if line.removesuffix("\n") == here.end:
                    break
                lines.append(line)
            body = "".join(lines)
            pieces = (Literal(body, quoted=True),) if here.quoted else self._expandable(body)
            here.word = Word(pieces=pieces, quoted=True)

    def _expandable(self, body: str) -> tuple[Piece, ...]:
        inner = Lexer(body, self._parse)
        inner.double(closed=False)
        return tuple(inner._pieces)

    def _quote(self, char: str) -> None:
        self._quoted = True
        if char == "\\":
            self._add(self.text[self.at + 1 : self.at + 2], quoted=True)
            self.at += 2
        elif char == "'":
            end = self.text.find("'", self.at + 1)
            if end < 0:
                raise ShellIncompleteError("unexpected EOF while looking for matching `''")
            self._add(self.text[self.at + 1 : end], quoted=True)
            self.at = end + 1
        else:
            self.at += 1
            self._add("", quoted=True)
            self.double(closed=True)

    def double(self, *, closed: bool) -> None:
        """Read what is expanded as between double quotes: up to one, or to the end."""
        escaped = tuple('"\\$`') if closed else tuple("\\$`")
        while self.at < len(self.text):
            if (run := _BETWEEN_QUOTES.match(self.text, self.at)) is not None:
                self._add(run[0], quoted=True)
                self.at = run.end()
                continue
            char = self.text[self.at]
            if char == '"' and closed:
                self.at += 1
                return
            if char == "$":
                self._dollar(quoted=True)
            elif char == "`":
                raise ShellSyntaxError("back quotes are not in the lab's subset of bash")
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            elif char == "\\" and self.text[self.at + 1 : self.at + 2] in escaped:
                self._add(self.text[self.at + 1], quoted=True)
                self.at += 2
            else:
                self._add(char, quoted=True)
                self.at += 1
        if closed:
            raise ShellIncompleteError("unexpected EOF while looking for matching `\"'")

    def _dollar(self, *, quoted: bool) -> None:
        match = _VARIABLE.match(self.text, self.at)
        if match is not None:
            self._in_word = True
            name = match[1] or match[4]
            also_empty = match[2] == ":-"
            self._pieces.append(Variable(name, quoted, match[3], also_empty))
            self.at = match.end()
        elif (match := _ARITHMETIC.match(self.text, self.at)) is not None:
            self._in_word = True
            self._pieces.append(Arithmetic(match[1], quoted))
            self.at = match.end()
        elif self.text.startswith("$(", self.at) and not self.text.startswith("$((", self.at):
            self._in_word = True
            inner = Lexer(self.text, self._parse, at=self.at + 2, at_end=self._at_end, inner=True)
            self._pieces.append(Substitution(self._parse(inner.run()), quoted))
            self.at = inner.at
        elif self.text[self.at + 1 : self.at + 2] in tuple("({'\"`!*-"):
            raise ShellSyntaxError("this expansion is not in the lab's subset of bash")
        else:
            self._add("$", quoted=quoted)
            self.at += 1

    def _add(self, text: str, *, quoted: bool = False) -> None:
        self._in_word = True
        self._pieces.append(Literal(text, quoted))

    def _end_word(self) -> None:
        if self._in_word:
            word = Word(pieces=tuple(self._pieces), quoted=self._quoted)
            if _is_relative_pattern(word):
                raise ShellSyntaxError("a relative pattern is not in the lab's subset of bash")
            self.tokens.append(word)
        self._pieces, self._quoted, self._in_word = [], False, False


def has_pattern(piece: Piece) -> bool:
    """Tell whether *piece* has a ``*`` or ``?`` that stands for file names."""
    return (
        isinstance(piece, Literal) and not piece.quoted and ("*" in piece.text or "?" in piece.text)
    )


def _is_relative_pattern(word: Word) -> bool:
    for piece in word.pieces:
        if has_pattern(piece):
            break
    else:
        return False
    first = next((p for p in word.pieces if not isinstance(p, Literal) or p.text), None)
    return isinstance(first, Literal) and not first.text.startswith("/")
