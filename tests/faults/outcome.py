"""What a promise was put through and how often it held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often a promise was tried and kept.

    Attributes:
        promise: What is promised, in a few words.
        tried: How many times the fault was injected.
        kept: How many times the promise held.
        breaks: One line for each time it did not.
        facts: What else was counted, such as "refused" or "slowest, s".
    """

    promise: str
    tried: int
    kept: int
    breaks: tuple[str, ...] = ()
    facts: tuple[tuple[str, float], ...] = ()


# Takes how many faults to inject, and an empty folder to do it in.
Trial = Callable[[int, Path], Outcome]
