"""Name numbered parts of a file in few words."""

from __future__ import annotations

from collections.abc import Iterable

_MOST_RANGES = 10  # a longer list helps nobody; chosen by hand


def numbered(part: str, numbers: Iterable[int]) -> str:
    """Return the parts of these numbers, ascending, in words.

    >>> numbered("slide", [2, 3, 4, 7])
    'slides 2–4, 7'
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    texts = [f"{a}–{b}" if b > a else str(a) for a, b in ranges[:_MOST_RANGES]]
    if len(ranges) > _MOST_RANGES:
        texts.append("…")
    plural = len(texts) > 1 or "–" in texts[0]
    return f"{part}{'s' * plural} {', '.join(texts)}"
