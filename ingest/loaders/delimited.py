"""Comma-separated values and their kin: a row is a line of text and a place."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

from ingest.loaders.encodings import Decoded, decode_noted
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.table_rows import Row, RowsText, Table, one_line
from ingest.types import Document

# The first wins a tie.
_DELIMITERS = "\t;|,"
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 200, 200_000
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_NEARLY = 0.02
_LONGEST_CELL = 10_000_000

csv.field_size_limit(_LONGEST_CELL)


def load_csv(content: bytes, options: LoadOptions) -> Document:
    """Return the rows of a file with commas, semicolons, tabs or bars between its cells."""
    return _load(content, _DELIMITERS, options)


def load_tsv(content: bytes, options: LoadOptions) -> Document:
    """Return the rows of a file with tabs between its cells, or what stands there instead."""
    return _load(content, "\t", options) if b"\t" in content else load_csv(content, options)


def _load(content: bytes, delimiters: str, options: LoadOptions) -> Document:
    decoded = decode_noted(content)
    delimiter = _sniff(decoded.text, delimiters)
    # An odd number of quotes means that they are inches, or that one is missing.
    quoted = decoded.text.count('"') % 2 == 0
    try:
        return _read(decoded, delimiter, quoted, options)
    except csv.Error:
        return _read(decoded, delimiter, False, options)


def _read(decoded: Decoded, delimiter: str, quoted: bool, options: LoadOptions) -> Document:
    rows = _rows(decoded.text, delimiter, quoted)
    made = RowsText(options)
    made.add_rows(Table(rows).lines(), "row ")
    problems, unread = decoded.problems, 0.0
    if made.stopped_at:
        read, total = made.stopped_at - 1, decoded.text.count("\n")
        problems = (*problems, f"only the first {read:,} of about {total:,} rows were read")
        unread = max(0.0, 1 - read / total)
    return made.document(decoded.metadata, problems, unread)


def _rows(text: str, delimiter: str, quoted: bool = True) -> Iterator[Row]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        skipinitialspace=True,
    )
    for number, cells in enumerate(reader, 1):
        yield Row(number, [one_line(cell) for cell in cells])


def _sniff(text: str, delimiters: str) -> str:
    """Return the delimiter that cuts the most rows into the same number of cells."""
    sample = "".join(text[:_SAMPLE_CHARACTERS].splitlines(keepends=True)[:_SAMPLE_LINES])
    fits = {one: _fit(sample, one) for one in delimiters if one in sample}
    if len(fits) > 1 and "," not in _DECIMAL_COMMA.sub("", sample):
        fits.pop(",", None)
    best = max((share for share, _ in fits.values()), default=0.0)
    alike = {one: width for one, (share, width) in fits.items() if share >= best - _NEARLY}
    return max(alike, key=lambda one: alike[one], default=",")


def _fit(sample: str, delimiter: str) -> tuple[float, int]:
    """Return the share of the rows with the most common number of cells, and that number."""
    try:
        widths = Counter(len(row.cells) for row in _rows(sample, delimiter) if any(row.cells))
    except csv.Error:
        return 0.0, 0
    total = widths.total()
    del widths[1]
    width, count = max(widths.items(), key=lambda one: one[1], default=(0, 0))
    return count / max(total, 1), width
