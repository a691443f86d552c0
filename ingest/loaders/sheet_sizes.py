"""Refuse spreadsheets that would fill the memory: the library keeps every cell between two."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator

from ingest.errors import LoadError
from ingest.loaders.options import LoadOptions

_CELL = re.compile(rb'<(?:\w+:)?c\s[^<>]*?\br="([A-Z]{1,3})(\d{1,7})"')
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml", re.IGNORECASE)
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
            area = _Area()
            for chunk in _chunks(archive, info):
                left -= len(chunk)
                if left < 0:
                    most = options.unpacked_bytes // 1_000_000
                    raise LoadError(f"unpacks to more than {most:,} MB: too much for a spreadsheet")
                if _SHEET.fullmatch(info.filename):
                    area.add(chunk)


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(info) as part:
        while chunk := part.read(_CHUNK_BYTES):
            yield chunk


class _Area:
    """The rectangle around the cells of a sheet."""

    def __init__(self) -> None:
        self._tail = b""
        self._rows: list[int] = []
        self._columns: list[int] = []

    def add(self, chunk: bytes) -> None:
        """Add the cells in the next bytes; raises LoadError if the rectangle becomes too large."""
        found = _CELL.findall(self._tail + chunk)
        self._tail = chunk[-_LONGEST_TAG:]
        if not found:
            return
        rows = {int(row) for _, row in found}
        columns = {_column(letters) for letters in {letters for letters, _ in found}}
        self._rows = [min(rows.union(self._rows)), max(rows.union(self._rows))]
        self._columns = [min(columns.union(self._columns)), max(columns.union(self._columns))]
        height = self._rows[1] - self._rows[0] + 1
        width = self._columns[1] - self._columns[0] + 1
        if height * width > _MOST_CELLS:
            raise LoadError(f"has a sheet of {height:,} rows and {width:,} columns: too large")


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
