"""OpenDocument spreadsheets, whose cells hold the text that a person sees."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from itertools import takewhile
from typing import IO, Any

from lxml import etree

from ingest.errors import LoadError
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.sheets import Sheet, sheets_document
from ingest.loaders.table_rows import Row, one_line
from ingest.types import Document

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_SHEET, _ROW = f"{_TABLE}table", f"{_TABLE}table-row"
_CELLS = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
_SPACES = (f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break")
_MOST_COLUMNS = 16_384  # as in Excel and LibreOffice
_MOST_MANIFEST = 10_000_000  # bytes; chosen by hand
_Events = Iterator[tuple[str, Any]]


def load_ods(content: bytes, options: LoadOptions) -> Document:
    """Return the rows of all sheets of an OpenDocument spreadsheet, also of hidden ones.

    Raises:
        LoadError: If it is encrypted, or too large.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if _is_encrypted(archive):
            raise LoadError("is encrypted: save it without a password")
        with archive.open("content.xml") as part:
            events: _Events = etree.iterparse(
                _Bounded(part, options.unpacked_bytes),
                events=("start", "end"),
                tag=(_SHEET, _ROW, f"{_STYLE}style"),
                resolve_entities=False,
                load_dtd=False,
                no_network=True,
                huge_tree=False,
                remove_comments=True,
            )
            return sheets_document(_sheets(events), options)


def _is_encrypted(archive: zipfile.ZipFile) -> bool:
    if "META-INF/manifest.xml" not in archive.namelist():
        return False
    with archive.open("META-INF/manifest.xml") as part:
        return b":encryption-data" in part.read(_MOST_MANIFEST)


class _Bounded:
    """A file that can be read up to a number of bytes."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._most = self._left = most

    def read(self, size: int) -> bytes:
        """Return the next bytes; raises LoadError beyond the limit."""
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise LoadError(f"unpacks to more than {self._most // 1_000_000:,} MB")
        return content


def _sheets(events: _Events) -> Iterator[Sheet]:
    """Yield the sheets; the rows of one have to be read before the next one is taken."""
    hidden: set[str] = set()
    for event, element in events:
        if element.tag == f"{_STYLE}style" and event == "end":
            if element.find(f"{_STYLE}table-properties[@{_TABLE}display='false']") is not None:
                hidden.add(element.get(f"{_STYLE}name"))
        elif element.tag == _SHEET and event == "start":
            is_hidden = element.get(f"{_TABLE}style-name") in hidden
            inside = takewhile(lambda one: one[1].tag != _SHEET, events)
            rows = (row for at, row in inside if at == "end" and row.tag == _ROW)
            yield Sheet(element.get(f"{_TABLE}name") or "", is_hidden, _rows(rows))


def _rows(elements: Iterator[Any]) -> Iterator[Row]:
    number = 1
    merged: dict[int, tuple[int, str]] = {}
    for element in elements:
        cells = _cells(element, merged)
        repeated = _count(element, "number-rows-repeated")
        for at in range(repeated if any(cells) else 1):
            yield Row(number + at, cells)
        number += repeated
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def _cells(row: Any, merged: dict[int, tuple[int, str]]) -> list[str]:
    """Return the cells of a row, a merged one in each of the rows that it covers.

    Args:
        row: The element.
        merged: By column, the rows that a merged cell still covers, and its text.
    """
    cells: list[str] = []
    wide: list[tuple[int, int]] = []
    column = 0
    for element in row.iterchildren(*_CELLS):
        repeated = min(_count(element, "number-columns-repeated"), _MOST_COLUMNS - column)
        text = _shown(element)
        if element.tag == _CELLS[1] and not text:
            text = _covered(column, merged)
        else:
            spanned = _count(element, "number-columns-spanned")
            merged[column] = (_count(element, "number-rows-spanned") - 1, text)
            wide += [(column, column + spanned)] if spanned > 1 else []
        if text:
            cells += [""] * (column - len(cells)) + [text] * repeated
        column += repeated
    _widen(cells, wide)
    return cells


def _covered(column: int, merged: dict[int, tuple[int, str]]) -> str:
    left, text = merged.get(column, (0, ""))
    merged[column] = (left - 1, text)
    return text if left > 0 else ""


def _widen(cells: list[str], wide: list[tuple[int, int]]) -> None:
    """Repeat merged cells in each column that they cover, but for one that is a title."""
    if len(list(filter(None, cells))) < 2:
        return
    for start, stop in wide:
        stop = min(stop, _MOST_COLUMNS)
        if start < len(cells):
            cells += [""] * (stop - len(cells))
            cells[start:stop] = [cells[start]] * (stop - start)


def _shown(cell: Any) -> str:
    paragraphs = []
    for paragraph in cell.iterchildren(f"{_TEXT}p"):
        for space in paragraph.iter(*_SPACES):
            space.text = " "
        paragraphs.append("".join(paragraph.itertext()))
    return one_line(" ".join(paragraphs))


def _count(element: Any, name: str) -> int:
    value = element.get(f"{_TABLE}{name}", "1")
    return max(1, int(value)) if value.isdecimal() else 1
