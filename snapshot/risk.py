"""One reason for care, in this layer's own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """One reason for care. *id* is stable; *subject* is a host or a VM; one sentence each:
    *evidence* is what was seen, *why* what could happen, *advice* the next action.

    Severities are words, because this layer cannot import the repair's; they mean the same.
    """

    id: str
    severity: Literal["blocks", "warns", "informs"]
    subject: str
    evidence: str
    why: str
    advice: str
