"""The rows of a table around a quote as cells, from their lines: ``Model: K1 | Capacity: 30 l``."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ingest import Document, Place
from ingest.text.tables import own_head
from rag_app.server.source_views.marked_text import Segment, marked_segments

_ROW = re.compile(r"((?:^|, )row |!)(\d+)$")
_BAR = " | "
# Chosen by hand: rows shown on each side of the quote, most characters around it, rows at the top
# of a table among which its head is searched for, and characters of a name repeated in each row.
_AROUND = 3
_MOST = 20_000
_LOOKED_AT = 30
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table.

    Attributes:
        number: Its number in the file, counted from 1.
        quoted: Whether a part of the quote is in it.
        cells: Its cells, one a column and more if some have no name.
    """

    number: int
    quoted: bool
    cells: tuple[tuple[Segment, ...], ...]


@dataclass(frozen=True, slots=True)
class TableView:
    """The rows of a table around a quote, and the names of its columns; empty if it has none."""

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


class RowSpan(NamedTuple):
    """The number of a row, and the offsets at which its line begins and ends."""

    number: int
    first: int
    last: int


def rows_around(document: Document, start: int, end: int) -> list[RowSpan]:
    """Return the rows of a span and a few on each side, of the same sheet.

    None if it does not begin in a row, as ``row 5`` and ``Prices!5`` are, or they are too long.
    """
    visible = end - len(document.text[start:end].lstrip())
    at = bisect_right(document.places, visible, key=_start) - 1
    stop = bisect_left(document.places, end, key=_start)
    sheet = _sheet(document.places[at]) if at >= 0 else ""
    near = range(max(at - _AROUND, 0), min(stop + _AROUND, len(document.places)))
    rows = [_row(document, i) for i in near if sheet and _sheet(document.places[i]) == sheet]
    if not rows:
        return []
    return rows if rows[-1].last - rows[0].first <= _MOST + end - start else []


def table_view(document: Document, rows: Sequence[RowSpan], start: int, end: int) -> TableView:
    """Return rows as cells, with a span marked."""
    quoted = [row.first < end and row.last > start for row in rows]
    lines = [document.text[row.first : row.last] for row in rows]
    head = _head(document, rows[quoted.index(True)] if any(quoted) else rows[0])
    columns = _cells(document, head) if head else _own_names(lines)
    shown = tuple(
        TableRow(row.number, is_quoted, tuple(_placed(document, row, columns, start, end)))
        for row, is_quoted in zip(rows, quoted, strict=True)
        if is_quoted or row != head
    )
    return TableView(tuple(columns), shown)


def _row(document: Document, at: int) -> RowSpan:
    places = document.places
    first = places[at].start
    next_one = places[at + 1].start if at + 1 < len(places) else len(document.text)
    match = _ROW.search(places[at].name)
    line = document.text[first:next_one].rstrip("\n")
    return RowSpan(int(match[2]) if match else 0, first, first + len(line))


def _sheet(place: Place) -> str:
    """Return the name of a row without its number; that of another place has none."""
    match = _ROW.search(place.name) if place.line is None else None
    return place.name[: match.start(2)] if match else ""


def _cells(document: Document, row: RowSpan) -> list[str]:
    return document.text[row.first : row.last].split(_BAR)


def _head(document: Document, row: RowSpan) -> RowSpan | None:
    """Return the row that has most of the names that the cells of ``row`` begin with."""
    names = [cell.partition(": ")[0] for cell in _cells(document, row) if ": " in cell]
    top = document.text.rfind("\n\n", 0, row.first)
    first = bisect_left(document.places, top + 2 if top >= 0 else 0, key=_start)
    last = bisect_left(document.places, row.first, key=_start)
    for at in range(first, min(last, first + _LOOKED_AT)):
        head = _row(document, at)
        if head.last - head.first > _MOST:
            return None
        known = {cell[:_LONGEST_NAME] for cell in _cells(document, head)}
        if 2 * sum(name in known for name in names) > len(names):
            return head
    return None


def _own_names(lines: Sequence[str]) -> list[str]:
    """Return the names in rows of which each cell begins with one."""
    heads = (own_head(line) for line in lines)
    return list(dict.fromkeys(name for head in heads if head for name in head.split(_BAR)))


def _placed(
    document: Document, row: RowSpan, columns: Sequence[str], start: int, end: int
) -> Iterator[tuple[Segment, ...]]:
    """Yield the cells of a row without their names, an empty one for a column that it lacks."""
    names = [name[:_LONGEST_NAME] for name in columns]
    at, first = 0, row.first
    for cell in _cells(document, row):
        name, colon, _ = cell.partition(": ")
        is_named = bool(colon) and name in names[at:]
        column = names.index(name, at) if is_named else at
        yield from ((),) * (column - at)
        begin = first + len(name) + len(colon) if is_named else first
        yield marked_segments(document.text, begin, first + len(cell), start, end)
        at = column + 1
        first += len(cell) + len(_BAR)
    yield from ((),) * (len(columns) - at)


def _start(place: Place) -> int:
    return place.start
