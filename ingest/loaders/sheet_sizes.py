"""Refuse spreadsheets that would fill the memory: the library keeps every cell between two."""

from __future__ import annotations

import io
import re
import zipfile
from typing import IO

from olefile import OleFileIO

from ingest.errors import LoadError
from ingest.loaders.excel_records import xls_cells, xlsb_cells
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.number_formats import column_number

_CELL = re.compile(rb'<(?:\w+:)?c\s[^<>]*?\br="([A-Z]{1,3})(\d+)"')
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
_BINARY_SHEET = re.compile(r"xl/worksheets/[^/]+\.bin", re.IGNORECASE)
_CHUNK_BYTES = 1 << 20
_LONGEST_TAG = 300  # bytes
# Chosen by hand: a cell takes some 40 bytes.
_MOST_CELLS = 12_000_000
_ENCRYPTED = 1


def check_sizes(content: bytes, options: LoadOptions) -> None:
    """Check what the parts of a workbook unpack to, and how far apart the cells of a sheet are.

    Raises:
        LoadError: If it is too much, or if a part is encrypted.
    """
    left = options.unpacked_bytes
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            if info.flag_bits & _ENCRYPTED:
                raise LoadError("is encrypted: save it without a password")
            with archive.open(info) as part:
                left = _check_part(part, info.filename, left)
            if left < 0:
                most = options.unpacked_bytes // 1_000_000
                raise LoadError(f"unpacks to more than {most:,} MB: too much for a spreadsheet")


def check_old_sizes(content: bytes) -> None:
    """Check the same of a workbook in an OLE file.

    Raises:
        LoadError: If the cells of a sheet are too far apart.
    """
    try:
        with OleFileIO(io.BytesIO(content)) as file:
            names = filter(file.exists, ("Workbook", "Book"))
            streams = [file.openstream(name).read() for name in names]
    except Exception:  # olefile raises anything on damaged files, which reading will tell
        return
    for stream in streams:
        check_records(stream)


def check_records(stream: bytes) -> None:
    """Check the cells in the stream of an old workbook; see :func:`check_old_sizes`."""
    area = _Area()
    for cell in xls_cells(stream):
        if cell is None:
            area = _Area()
        else:
            area.add(*cell)


def _check_part(part: IO[bytes], name: str, left: int) -> int:
    """Return how many bytes may still be unpacked after a part; negative if it was too large."""
    if _BINARY_SHEET.fullmatch(name):
        content = part.read(left + 1)
        area = _Area()
        for cell in xlsb_cells(content):
            area.add(*cell)
        return left - len(content)
    area, tail = _Area(), b""
    while left >= 0 and (chunk := part.read(_CHUNK_BYTES)):
        left -= len(chunk)
        if _SHEET.fullmatch(name):
            _add_cells(area, tail + chunk)
            tail = chunk[-_LONGEST_TAG:]
    return left


def _add_cells(area: _Area, xml: bytes) -> None:
    found = _CELL.findall(xml)
    if not found:
        return
    rows = [int(row) for _, row in found]
    columns = [column_number(letters) for letters in {letters for letters, _ in found}]
    area.add(min(rows), min(columns))
    area.add(max(rows), max(columns))


class _Area:
    """The rectangle around the cells of a sheet."""

    def __init__(self) -> None:
        self._edges: tuple[int, int, int, int] | None = None

    def add(self, row: int, column: int) -> None:
        """Add a cell; raises LoadError if the rectangle becomes too large."""
        top, bottom, left, right = self._edges or (row, row, column, column)
        if self._edges and top <= row <= bottom and left <= column <= right:
            return
        top, bottom, left, right = self._edges = (
            min(top, row),
            max(bottom, row),
            min(left, column),
            max(right, column),
        )
        height, width = bottom - top + 1, right - left + 1
        if height * width > _MOST_CELLS:
            raise LoadError(f"has a sheet of {height:,} rows and {width:,} columns: too large")
