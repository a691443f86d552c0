"""Rows of a table as lines of text, in which each cell follows the name of its column.

``Model: K1 | Capacity: 30 l``: a row that is found alone still says what its cells are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

from ingest.loaders.load_options import LoadOptions
from ingest.types import Document, Heading, Place

_BAR = " | "
# Chosen by hand, as are the other numbers here.
MOST_ROWS = 1_000_000
_MOST_CHARACTERS = 50_000_000
_ROWS_BETWEEN_CHECKS = 1000
_LOOKED_AT = 30  # rows
_FULL = 0.6  # share of the cells of the fullest row that a head has
_DISTINCT = 0.8
_LONGEST_NAME = 80

# A number, amount, date or time.
_VALUE = re.compile(
    r"[-+−(]?\s*(?:[A-Z]{0,3}[$€£]\s?)?[-+−]?\d[\d\s.,:/\-]*(?:[eE][-+]?\d+|T\d[\d:.]*Z?|[AaPp][Mm])?"
    r"\s?[%)€]?\)?|true|false",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)\d\d(?:[/-]\d\d(?:\d\d)?)?")


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        number: Its number in the file, counted from 1.
        cells: Its cells as they are shown, each on one line.
    """

    number: int
    cells: Sequence[str]


def one_line(cell: str) -> str:
    """Return a cell without line breaks and runs of spaces."""
    return " ".join(cell.split())


class Table:
    """A table.

    Attributes:
        names: The names of its columns; until a line is read, those of the table above, which count
            if this one has none of its own.
    """

    def __init__(self, rows: Iterable[Row], names: Sequence[str] = ()) -> None:
        self.names = names
        self._rows = iter(rows)

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the number and the line of each row that is not empty."""
        first = list(islice(self._rows, _LOOKED_AT))
        start, end = find_head(first)
        for row in first[:end]:
            yield from _line(row, ())
        self.names = head_names(first[start:end]) or self.names
        for row in chain(first[end:], self._rows):
            yield from _line(row, self.names)


def find_head(rows: Sequence[Row]) -> tuple[int, int]:
    """Return the range of the rows that name the columns; both ends are 0 if none does."""
    sizes = [sum(map(bool, row.cells)) for row in rows]
    fullest = max(sizes, default=0)
    first = next((at for at, size in enumerate(sizes) if size >= max(2, _FULL * fullest)), None)
    if first is None:
        return 0, 0
    for end in (first + 1, first + 2):
        if end < len(rows) and _is_head(head_names(rows[first:end]), rows[end:]):
            return first, end
    return 0, 0


def head_names(rows: Sequence[Row]) -> list[str]:
    """Return the names of the columns that one row or more give together."""
    width = max((len(row.cells) for row in rows), default=0)
    columns = ([row.cells[at] for row in rows if at < len(row.cells)] for at in range(width))
    return [" ".join(dict.fromkeys(filter(None, column))) for column in columns]


def _is_head(names: Sequence[str], below: Sequence[Row]) -> bool:
    filled = [name for name in names if name]
    if len(set(filled)) < _DISTINCT * len(filled):
        return False
    columns = [[row.cells[at] for row in below if at < len(row.cells)] for at in range(len(names))]
    pairs = [(name, columns[at]) for at, name in enumerate(names) if name]
    if not all(_is_name(*pair) for pair in pairs[1:]):
        return False
    # Where the first column numbers the rows, its head may be a number too.
    return _is_name(*pairs[0]) or any(_holds_values(column) for _, column in pairs[1:])


def _holds_values(column: Sequence[str]) -> bool:
    filled = list(filter(None, column))
    return bool(filled) and all(map(_VALUE.fullmatch, filled))


def _is_name(name: str, below: Sequence[str]) -> bool:
    """Return whether a cell may name the column below: it is no value, nor like the others."""
    if name in below:
        return False
    if not _VALUE.fullmatch(name):
        return True
    filled = list(filter(None, below))
    return bool(_YEAR.fullmatch(name) and filled) and not all(map(_YEAR.fullmatch, filled))


def _line(row: Row, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    if not any(row.cells):
        return
    if not any(row.cells[1:]) and not _VALUE.fullmatch(row.cells[0]):
        names = ()  # a title of the rows below
    cells = (
        f"{names[at][:_LONGEST_NAME]}: {cell}" if at < len(names) and names[at] else cell
        for at, cell in enumerate(row.cells)
        if cell
    )
    if line := _BAR.join(cells):
        yield row.number, line


class RowsText:
    """The text of a file of rows while it grows, with a place for each row.

    Attributes:
        stopped_at: The number of the first row that was left out; None if none was.
    """

    def __init__(self, options: LoadOptions) -> None:
        self.stopped_at: int | None = None
        self._options = options
        self._parts: list[str] = []
        self._places: list[Place] = []
        self._headings: list[Heading] = []
        self._size = 0

    def add_heading(self, title: str, place: str) -> None:
        """Add a heading, such as the name of a sheet."""
        self._add(title, place, "\n\n")
        self._headings.append(Heading(self._size - len(title), 1, title))

    def add_rows(self, rows: Iterable[tuple[int, str]], place: str) -> None:
        """Add lines, the first after a blank line, until the limits are reached.

        Args:
            rows: Each line with its number.
            place: What a place is called before its number, such as ``row``.
        """
        gap = "\n\n"
        for number, line in rows:
            if self._is_full():
                self.stopped_at = number
                return
            # A line without a bar could be taken for a part of a wrapped paragraph.
            self._add(line, f"{place}{number}", gap if _BAR in line else "\n\n")
            gap = "\n"

    def document(
        self, facts: Mapping[str, str], problems: Iterable[str], unread: float
    ) -> Document:
        """Return the document."""
        text, places, headings = "".join(self._parts), tuple(self._places), tuple(self._headings)
        return Document(text, places, headings, facts, tuple(problems), unread)

    def _add(self, text: str, place: str, gap: str) -> None:
        if self._parts:
            self._parts.append(gap)
            self._size += len(gap)
        self._places.append(Place(self._size, place))
        self._parts.append(text)
        self._size += len(text)

    def _is_full(self) -> bool:
        count = len(self._places)
        if count >= MOST_ROWS or self._size >= _MOST_CHARACTERS:
            return True
        return count % _ROWS_BETWEEN_CHECKS == 0 and self._options.expired
