"""The numbers of lists and clauses, counted as a word processor does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

BULLET = "-"
_MOST_LEVELS = 10
_LONGEST_LABEL = 100  # no label is longer but in attacks; chosen by hand, as are the next two
_LARGEST_ROMAN = 3999
_LARGEST_LETTER = 26 * 5
_PLACEHOLDER = re.compile(r"%(\d)")
_ROMAN = tuple(
    zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        "m cm d cd c xc l xl x ix v iv i".split(),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class NumberLevel:
    """How the items of one level of a list are numbered.

    Attributes:
        format: ``decimal``, ``lowerRoman``, ``upperLetter``, … as in ECMA-376, 17.18.59;
            ``bullet`` or ``none``.
        text: The label: ``%1.%2.`` stands for the numbers of the first two levels.
        start: The first number.
        restart: The level, counted from 1, whose items restart the count, as do those above it;
            by default each level above. 0: it never restarts.
        legal: Whether all numbers in the label are decimal.
    """

    format: str = "decimal"
    text: str = ""
    start: int = 1
    restart: int | None = None
    legal: bool = False


class ListCounter:
    """The counts of one list, by level."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def reset(self, depth: int) -> None:
        """Restart a level, counted from 0, and those below it."""
        self._counts = {level: n for level, n in self._counts.items() if level < depth}

    def set_next(self, depth: int, number: int) -> None:
        """Let the next item of a level have this number."""
        self._counts[depth] = number - 1

    def next_label(self, levels: Mapping[int, NumberLevel], depth: int) -> str:
        """Count an item; return its label, ``-`` for a bullet, empty for none."""
        depth = min(depth, _MOST_LEVELS - 1)
        level = levels.get(depth)
        if level is None:
            return BULLET
        self._counts[depth] = self._counts.get(depth, level.start - 1) + 1
        for below, one in levels.items():
            if below > depth and (one.restart is None or depth < one.restart):
                self._counts.pop(below, None)
        if level.format == "bullet":
            return BULLET
        return self._fill(levels, level)[:_LONGEST_LABEL].strip()

    def _fill(self, levels: Mapping[int, NumberLevel], level: NumberLevel) -> str:
        def number(match: re.Match[str]) -> str:
            depth = int(match[1]) - 1
            one = levels.get(depth, NumberLevel())
            count = self._counts.get(depth, one.start)
            return format_number(count, "decimal" if level.legal else one.format)

        return _PLACEHOLDER.sub(number, level.text)


def format_number(number: int, kind: str) -> str:
    """Return a number in a format of ECMA-376; in decimal if it is too large or unknown.

    >>> format_number(14, "lowerRoman"), format_number(28, "upperLetter")
    ('xiv', 'BB')
    """
    if kind == "none":
        return ""
    if kind == "decimalZero":
        return f"{number:02}"
    if kind in ("lowerRoman", "upperRoman") and 0 < number <= _LARGEST_ROMAN:
        text = _roman(number)
    elif kind in ("lowerLetter", "upperLetter") and 0 < number <= _LARGEST_LETTER:
        text = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
    else:
        return str(number)
    return text.upper() if kind.startswith("upper") else text


def _roman(number: int) -> str:
    parts: list[str] = []
    for value, letters in _ROMAN:
        parts.append(letters * (number // value))
        number %= value
    return "".join(parts)
