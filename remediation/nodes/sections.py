"""Output of a script in marked sections, so that what one command prints is no other's. Pure.

The marks hold a random number, made anew for each script: whatever stands in a file or an alias
cannot begin a section.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stsfix.snapshot.words import first_words, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping

_END: Final = "end"
_LINE: Final = 4000
"""Characters of a line that are kept, so that no pattern has much to search."""


def mark(nonce: str, name: str) -> str:
    """Return the line that begins section *name*; *nonce* is of letters and digits."""
    return f"== stsfix:{nonce}:{name}"


def end_of(nonce: str) -> str:
    """Return the line that ends the last section."""
    return mark(nonce, _END)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """Sections by name. *complete* tells whether the end was reached; the last section of an
    output that is not may be cut off, and is left out.
    """

    texts: Mapping[str, str]
    complete: bool

    @classmethod
    def of(cls, output: str, nonce: str) -> Sections:
        """Return the sections of *output*; of two with one name the first counts."""
        found: dict[str, list[str]] = {}
        last, current = "", None
        for line in output.replace("\r\n", "\n").split("\n"):
            begun = line.startswith(mark(nonce, ""))
            if begun:
                last = line.removeprefix(mark(nonce, "")).strip()
                current = [] if last in found else found.setdefault(last, [])
            elif current is not None:
                current.append(shortened(line, _LINE))
        complete = _END in found
        texts = {name: "\n".join(lines) for name, lines in found.items() if name != _END}
        if not complete:
            texts.pop(last, None)
        return cls(texts=texts, complete=complete)

    def text(self, name: str) -> str | None:
        """Return section *name*, None if it is not there whole."""
        return self.texts.get(name)

    def why(self, name: str) -> str:
        """Return why section *name* says nothing usable: one clause."""
        if name not in self.texts:
            return "the node's answer ends before it" if not self.complete else "no such section"
        words = first_words(self.texts[name], 120)
        printable = "".join(c if c.isprintable() else "?" for c in words)
        return f"the node said {printable!r}" if printable else "the node said nothing"
