"""The sheets of a spreadsheet as text: their tables are divided by rows without a cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from ingest.errors import LoadError
from ingest.loaders.options import LoadOptions
from ingest.loaders.table_rows import Row, RowsText, Table
from ingest.types import Document


class Sheet(NamedTuple):
    """A sheet.

    Attributes:
        name: Its name.
        is_hidden: Whether a person does not see it.
        rows: Its rows, read one by one.
    """

    name: str
    is_hidden: bool
    rows: Iterable[Row]


def sheets_document(sheets: Sequence[Sheet], options: LoadOptions) -> Document:
    """Return a section for each sheet that has a cell; a row's place is ``Sheet!row``."""
    made = RowsText(options)
    problems: list[str] = []
    for at, sheet in enumerate(sheets):
        try:
            _add_sheet(made, sheet)
        except LoadError as error:
            problems.append(f"sheet '{sheet.name}': {error}")
        if made.stopped_at:
            problems.append(f"sheet '{sheet.name}' was not read from row {made.stopped_at:,} on")
            problems += (f"sheet '{one.name}' was not read" for one in sheets[at + 1 :])
            break
    # How much the others hold is not known: each counts as one that was read.
    return made.document({}, problems, len(problems) / max(1, len(sheets)))


def _add_sheet(made: RowsText, sheet: Sheet) -> None:
    names: Sequence[str] | None = None
    for is_filled, rows in groupby(sheet.rows, key=lambda row: any(row.cells)):
        if not is_filled:
            continue
        if names is None:
            made.add_heading(sheet.name + " (hidden)" * sheet.is_hidden, sheet.name)
        table = Table(rows, names or ())
        made.add_rows(table.lines(), f"{sheet.name}!")
        if made.stopped_at:
            return
        names = table.names
