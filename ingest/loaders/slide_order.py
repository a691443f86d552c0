"""The order in which the shapes of a slide are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

Shape = TypeVar("Shape")
_SAME_ROW = 0.5  # part of the height by which shapes side by side may differ; chosen by hand


class Box(NamedTuple):
    """Where a shape lies, in any unit, from the upper left corner of the slide."""

    left: float = 0
    top: float = 0
    height: float = 0


def reading_order(shapes: Iterable[tuple[Box, Shape]]) -> list[Shape]:
    """Return the shapes row by row, those side by side from left to right."""
    rows: list[list[tuple[Box, Shape]]] = []
    for box, shape in sorted(shapes, key=lambda one: one[0].top):
        first = rows[-1][0][0] if rows else None
        if first and box.top <= first.top + _SAME_ROW * min(first.height, box.height):
            rows[-1].append((box, shape))
        else:
            rows.append([(box, shape)])
    return [shape for row in rows for _, shape in sorted(row, key=lambda one: one[0].left)]
