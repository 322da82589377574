"""The commands in a line of a batch file, after its percents were replaced.

Understood: ``&``, ``&&``, ``||``, ``|``, blocks in parentheses, ``if`` with ``else``, quotes,
carets, redirections and labels. Loops (``for``) are a syntax error on purpose: a node that guesses
would let a wrong script pass. Source: as in `stsfix.lab.windows.expansion`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stsfix.lab.windows.expansion import BatchSyntaxError

_BLANK = " \t,;="
_HANDLE = re.compile(r"(?:^|(?<=[\s,;=]))([0-9])$")
_HANDLE_FIRST = re.compile(r"([0-9])?(?=[<>])")
_WORD = re.compile(r"[A-Za-z]+(?=[\s(/])")
_CONDITION = re.compile(
    r"(?P<case>/i\s+)?(?P<negated>not\s+)?"
    r"(?:(?P<word>exist|defined|errorlevel)\s+(?P<operand>\"[^\"]*\"|[^\s()]+)"
    r"|(?P<left>\"[^\"]*\"|[^\s=]*)\s*==\s*(?P<right>\"[^\"]*\"|[^\s()]*))\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """``handle operator target``; operator is one of < > >> >& (a copy of handle *target*)."""

    handle: int
    operator: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    """A command with everything behind its name, as it is written; redirections are taken out."""

    text: str
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Commands in parentheses."""

    body: Sequence
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``if``. *word* is exist, defined, errorlevel or ``==`` with *operand* and *other*."""

    word: str
    operand: str
    other: str
    negated: bool
    any_case: bool
    then: Sequence
    otherwise: Sequence | None


Command = Simple | Block | Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Commands joined by ``|``; *joined* says when it runs: "&" always, else by the last code."""

    commands: tuple[Command, ...]
    joined: str = "&"


Sequence = tuple[Pipeline, ...]


def open_parentheses(text: str) -> int:
    """Return how many blocks are open at the end of *text*; below 0 never happens."""
    parser = _Parser(text)
    parser.parse()
    return parser.depth_left


def parse(text: str) -> Sequence:
    """Return the commands of *text*: one line, or the lines of a block.

    Raises:
        BatchSyntaxError: As cmd.exe's, or outside the subset.
    """
    parser = _Parser(text)
    found = parser.parse()
    if parser.depth_left:
        raise BatchSyntaxError("The syntax of the command is incorrect.")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth_left = 0

    def parse(self) -> Sequence:
        found = self.sequence(depth=0)
        if self.at < len(self.text):
            unexpected = self.text[self.at :].split()[0]
            raise BatchSyntaxError(f"{unexpected} was unexpected at this time.")
        return found

    def sequence(self, *, depth: int, one_line: bool = False) -> Sequence:
        """Read commands up to the end or a closing parenthesis; *one_line* ends with the line."""
        found: list[Pipeline] = []
        joined = "&"
        while True:
            self.skip(" \t" if one_line else " \t\n")
            if self.at >= len(self.text) or (depth and self.text[self.at] == ")"):
                break
            found.append(Pipeline(commands=self.pipeline(depth=depth), joined=joined))
            joined = self.operator(one_line=one_line)
            if not joined:
                break
        return tuple(found)

    def operator(self, *, one_line: bool) -> str:
        self.skip(" \t")
        for operator in ("&&", "||", "&", "\n"):
            if self.text.startswith(operator, self.at):
                if operator == "\n" and one_line:
                    return ""
                self.at += len(operator)
                return "&" if operator == "\n" else operator
        return ""

    def pipeline(self, *, depth: int) -> tuple[Command, ...]:
        commands = [self.command(depth=depth)]
        while self.peek() == "|" and not self.text.startswith("||", self.at):
            self.at += 1
            commands.append(self.command(depth=depth))
        return tuple(commands)

    def command(self, *, depth: int) -> Command:
        self.skip(_BLANK + "@")
        before = self.redirections()
        if self.peek() == "(":
            return self.block(before)
        word = self.word()
        if word == "if":
            return self.condition(depth=depth)
        if word == "for":
            raise BatchSyntaxError("for is not in the lab's subset of cmd.exe")
        if word == "rem":
            self.at = min(i for i in (self.text.find("\n", self.at), len(self.text)) if i >= 0)
            return Simple(text="rem")
        return self.simple(before, depth=depth)

    def word(self) -> str:
        match = _WORD.match(self.text, self.at)
        return match[0].lower() if match else ""

    def block(self, before: list[Redirection]) -> Block:
        self.at += 1
        self.depth_left += 1
        body = self.sequence(depth=1)
        if self.peek() == ")":
            self.at += 1
            self.depth_left -= 1
        return Block(body=body, redirections=(*before, *self.redirections()))

    def condition(self, *, depth: int) -> Condition:
        self.at += len("if")
        self.skip(" \t")
        match = _CONDITION.match(self.text, self.at)
        if match is None:
            raise BatchSyntaxError("The syntax of the command is incorrect.")
        self.at = match.end()
        then = self.branch(depth=depth)
        otherwise: Sequence | None = None
        mark = self.at
        self.skip(" \t")
        if self.word() == "else" and isinstance(then[0].commands[0], Block):
            self.at += len("else")
            otherwise = self.branch(depth=depth)
        else:
            self.at = mark
        word = (match["word"] or "==").lower()
        return Condition(
            word=word,
            operand=match["operand"] if match["word"] else match["left"],
            other=match["right"] or "",
            negated=match["negated"] is not None,
            any_case=match["case"] is not None,
            then=then,
            otherwise=otherwise,
        )

    def branch(self, *, depth: int) -> Sequence:
        """A block, or everything up to the end of the line."""
        self.skip(" \t")
        if self.peek() == "(":
            return (Pipeline(commands=(self.command(depth=depth),)),)
        found = self.sequence(depth=depth, one_line=True)
        if not found:
            raise BatchSyntaxError("The syntax of the command is incorrect.")
        return found

    def simple(self, before: list[Redirection], *, depth: int) -> Simple:
        found: list[str] = []
        redirections = list(before)
        is_quoted = False
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\n" or (not is_quoted and (char in "&|" or (depth and char == ")"))):
                break
            if char == "^" and not is_quoted:
                found.append(self.escaped())
                continue
            if char in "<>" and not is_quoted:
                self.redirect(found, redirections)
                continue
            is_quoted ^= char == '"'
            found.append(char)
            self.at += 1
        text = "".join(found)
        if not text.strip(_BLANK) and not redirections:
            unexpected = self.peek() or "The end"
            raise BatchSyntaxError(f"{unexpected} was unexpected at this time.")
        return Simple(text=text, redirections=tuple(redirections))

    def escaped(self) -> str:
        char = self.text[self.at + 1 : self.at + 2]
        if char in ("", "\n"):
            raise BatchSyntaxError("a line that goes on is not in the lab's subset of cmd.exe")
        self.at += 2
        return char

    def redirect(self, found: list[str], redirections: list[Redirection]) -> None:
        handle = None
        digit = _HANDLE.search("".join(found[-2:]))
        if digit is not None:
            handle = int(digit[1])
            found.pop()
        redirections.append(self.redirection(handle))

    def redirections(self) -> list[Redirection]:
        found: list[Redirection] = []
        while True:
            self.skip(" \t")
            match = _HANDLE_FIRST.match(self.text, self.at)
            if match is None:
                return found
            self.at = match.end()
            found.append(self.redirection(None if match[1] is None else int(match[1])))

    def redirection(self, handle: int | None) -> Redirection:
        operator = ">>" if self.text.startswith(">>", self.at) else self.text[self.at]
        self.at += len(operator)
        if self.peek() == "&":
            self.at += 1
            operator = ">&"
        else:
            self.skip(" \t")
        standard = 0 if operator == "<" else 1
        target = self.target()
        return Redirection(
            handle=standard if handle is None else handle, operator=operator, target=target
        )

    def target(self) -> str:
        found: list[str] = []
        is_quoted = False
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\n" or (not is_quoted and char in " \t,;=&|<>()"):
                break
            is_quoted ^= char == '"'
            found.append(char)
            self.at += 1
        if not found:
            raise BatchSyntaxError("The syntax of the command is incorrect.")
        return "".join(found)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip(self, chars: str) -> None:
        while self.at < len(self.text) and self.text[self.at] in chars:
            self.at += 1
