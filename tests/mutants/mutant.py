"""What a seeded mistake is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake: *old*, which is in *file* exactly once, becomes *new*; *tests* must see it.

    *also* are further such pairs in the same file, where two lines guard the same thing. *tests*
    are files or node ids without parameters, as few as see it; they skip themselves where the
    program *needs* is missing.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = ()
    needs: str = ""

    @property
    def edits(self) -> tuple[tuple[str, str], ...]:
        """All pairs."""
        return ((self.old, self.new), *self.also)


class MisplacedError(Exception):
    """The code a mutant changes is not there exactly once: the mutant must be rewritten."""


def mutated(mutant: Mutant, text: str) -> str:
    """Return *text*, the content of the mutant's file, with the mistake in it.

    Raises:
        MisplacedError: There is no place, or more than one, to make it.
    """
    for old, new in mutant.edits:
        if text.count(old) != 1:
            raise MisplacedError(f"{mutant.file}: {text.count(old)} places for {old.strip()!r}")
        text = text.replace(old, new)
    return text
