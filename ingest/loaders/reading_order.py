"""Put the pieces of a page into reading order: columns one by one, tables row by row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from ingest.loaders.pdf_pages import Box, Line

# The numbers below were chosen by hand. Columns of text have this many lines side by side, of this
# many characters, most of which fill the column; a strip of this width, in points, is between them.
# Columns of a table have as many lines with numbers, or more with single words.
_COLUMN_LINES = 4
_COLUMN_CHARACTERS = 16
_FILLING = 0.7
_MOSTLY = 0.6
_WORD_LINES = 6
_GUTTER = 6.0
_EDGE = 2.0
_CANDIDATES = 6
_MOST_COLUMNS = 6
# Pieces are in one row if they share this much of their height.
_SAME_ROW = 0.5
# They touch if the gap is this share of the height.
_TOUCHING = 0.1
# More than that are a drawing, and take long.
_MOST_PIECES = 1000
_LETTER = re.compile(r"[^\W\d_]")
_CUT_WORD = re.compile(r"[^\W_]-$")


class Piece(NamedTuple):
    """A part of a line, between wide gaps; attributes as of :class:`Line`.

    ``offsets`` are those of its first character and after its last one.
    """

    text: str
    height: float
    box: Box
    offsets: tuple[int, int]


Row = list[Piece]


class _Columns(NamedTuple):
    above: list[Piece]
    left: list[Piece]
    right: list[Piece]
    below: list[Piece]


def in_reading_order(pieces: Sequence[Piece], *, is_ordered: bool) -> list[Line] | None:
    """Return the lines of a page; None if they are best read in the order of the pieces.

    Args:
        pieces: The pieces in the order in which the page draws them, all with a box.
        is_ordered: Whether that goes from top to bottom.
    """
    if len(pieces) > _MOST_PIECES:
        return None
    regions = list(_regions(pieces))
    if is_ordered and len(regions) == 1:
        return None
    return _rejoined([_line(row) for region in regions for row in _rows(region)])


def _regions(pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    """Yield the parts of a page without columns side by side, in reading order."""
    waiting: list[tuple[Sequence[Piece], int]] = [(pieces, _MOST_COLUMNS)]
    while waiting:
        region, depth = waiting.pop()
        if depth and (columns := _widest_columns(region)):
            waiting += [(part, depth - 1) for part in reversed(columns) if part]
        else:
            yield region


def _widest_columns(region: Sequence[Piece]) -> _Columns | None:
    """Return the largest part with two columns, and what is above and below it."""
    found = (columns for edge in _left_edges(region) for columns in _columns(region, edge))
    return max(found, key=lambda columns: len(columns.left) + len(columns.right), default=None)


def _left_edges(region: Sequence[Piece]) -> list[float]:
    """Return the left edges that most pieces share."""
    edges = Counter(round(piece.box.left / _EDGE) * _EDGE for piece in region)
    return [edge for edge, n in edges.most_common(_CANDIDATES) if n >= _COLUMN_LINES]


def _columns(region: Sequence[Piece], edge: float) -> Iterator[_Columns]:
    """Yield each part in which no piece crosses the strip to the left of an edge."""
    right, left = edge - _EDGE, edge - _GUTTER
    order = sorted(range(len(region)), key=lambda i: -_centre(region[i]))
    crossing = [
        at
        for at, i in enumerate(order)
        if region[i].box.left < right and region[i].box.right > left
    ]
    for before, after in pairwise([-1, *crossing, len(order)]):
        if after - before <= 2 * _COLUMN_LINES:
            continue
        inside = [region[i] for i in sorted(order[before + 1 : after])]
        columns = _Columns(
            [region[i] for i in sorted(order[: before + 1])],
            [piece for piece in inside if piece.box.left < right],
            [piece for piece in inside if piece.box.left >= right],
            [region[i] for i in sorted(order[after:])],
        )
        if _is_column(columns.left) and _is_column(columns.right) and _side_by_side(columns):
            yield columns


def _is_column(pieces: Sequence[Piece]) -> bool:
    """Return whether pieces are lines of running text."""
    if len(pieces) < _COLUMN_LINES:
        return False
    widths = sorted(piece.box.right - piece.box.left for piece in pieces)
    filling = sum(width >= _FILLING * widths[int(0.9 * len(widths))] for width in widths)
    characters = median(len(piece.text) for piece in pieces)
    return characters >= _COLUMN_CHARACTERS and filling >= _MOSTLY * len(pieces)


def _side_by_side(columns: _Columns) -> bool:
    heights = [_centre(piece) for piece in columns.left]
    top, bottom = max(heights), min(heights)
    beside = sum(bottom <= _centre(piece) <= top for piece in columns.right)
    return beside >= min(_COLUMN_LINES, _MOSTLY * len(columns.right))


def _rows(region: Sequence[Piece]) -> list[Row]:
    """Return the rows of a part of a page.

    It is drawn in blocks, each from top to bottom. A block goes before the first row below it, and
    the cells of one that is a column of a table into the rows beside them.
    """
    rows: list[Row] = []
    for block in _blocks(region):
        beside = [_beside(row[0], rows) for row in block]
        if sum(at is not None for at in beside) >= _MOSTLY * len(block) and _are_cells(block):
            _fill_in(rows, block)
        else:
            bottom = min(_centre(piece) for row in block for piece in row)
            at = next((i for i, row in enumerate(rows) if _top(row) <= bottom), len(rows))
            rows[at:at] = block
    return rows


def _blocks(region: Sequence[Piece]) -> Iterator[list[Row]]:
    """Yield the rows drawn from top to bottom, up to where the page goes up again."""
    block: list[Row] = []
    for piece in region:
        if block and _same_row(block[-1][-1], piece):
            block[-1].append(piece)
        elif block and _centre(piece) > _centre(block[-1][-1]):
            yield block
            block = [[piece]]
        else:
            block.append([piece])
    if block:
        yield block


def _are_cells(block: Sequence[Row]) -> bool:
    """Return whether each row is a cell of its own; a few words are the lines of one cell."""
    texts = [" ".join(piece.text for piece in row) for row in block]
    numbers = sum(not _LETTER.search(text) for text in texts)
    words = sum(" " not in text for text in texts)
    return (
        len(block) == 1
        or (len(block) >= _COLUMN_LINES and numbers >= _MOSTLY * len(block))
        or (len(block) >= _WORD_LINES and words >= _MOSTLY * len(block))
    )


def _beside(piece: Piece, rows: Sequence[Row]) -> int | None:
    return next((i for i, row in enumerate(rows) if _same_row(row[0], piece)), None)


def _fill_in(rows: list[Row], block: Sequence[Row]) -> None:
    """Put the pieces of a block into the rows of the same height."""
    for row in block:
        at = _beside(row[0], rows)
        if at is None:
            below = (i for i, other in enumerate(rows) if _centre(other[0]) < _centre(row[0]))
            rows.insert(next(below, len(rows)), row)
        else:
            rows[at] = sorted([*rows[at], *row], key=lambda piece: piece.box.left)


def _same_row(first: Piece, second: Piece) -> bool:
    one, other = first.box, second.box
    shared = min(one.top, other.top) - max(one.bottom, other.bottom)
    return shared > _SAME_ROW * min(one.top - one.bottom, other.top - other.bottom)


def _top(row: Row) -> float:
    return max(_centre(piece) for piece in row)


def _centre(piece: Piece) -> float:
    return (piece.box.top + piece.box.bottom) / 2


def _line(row: Row) -> Line:
    text = row[0].text
    for at, (before, piece) in enumerate(pairwise(row)):
        is_mark = at == 0 and text.isdigit()  # of a footnote
        touches = abs(piece.box.left - before.box.right) < _TOUCHING * piece.height
        text += f"{'' if touches and not is_mark else ' '}{piece.text}"
    return Line(text, min(row[0].height, row[-1].height), tuple(piece.offsets for piece in row))


def _rejoined(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with U+0002 for a hyphen that cuts a word, and the next line after it."""
    joined: list[Line] = []
    for line in lines:
        last = joined[-1] if joined else None
        if last and _CUT_WORD.search(last.text) and line.text[:1].isalnum():
            text = f"{last.text[:-1]}\x02{line.text}"
            joined[-1] = Line(text, last.height, last.ranges + line.ranges)
        else:
            joined.append(line)
    return joined
