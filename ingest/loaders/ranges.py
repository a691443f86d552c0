"""Name numbered parts of a file in few words."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

_MOST_RANGES = 10  # a longer list helps nobody; chosen by hand


def numbered(
    part: str,
    numbers: Iterable[int],
    rest: Iterable[tuple[int, int]] = (),
    most: int | None = _MOST_RANGES,
) -> str:
    """Return the parts of these numbers in words; empty without any.

    >>> numbered("slide", [2, 3, 4, 7])
    'slides 2–4, 7'

    Args:
        part: What is numbered.
        numbers: The numbers, ascending.
        rest: More ranges, first and last number, after those.
        most: Ranges that are named; None for all.
    """
    ranges: list[tuple[int, int]] = []
    for first, last in chain(((number, number) for number in numbers), rest):
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))
    texts = [f"{first}–{last}" if first < last else str(first) for first, last in ranges[:most]]
    if len(texts) < len(ranges):
        texts.append("…")
    plural = len(texts) > 1 or any("–" in text for text in texts)
    return f"{part}{'s' * plural} {', '.join(texts)}" if texts else ""
