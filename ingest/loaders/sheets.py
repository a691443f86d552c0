"""The sheets of a spreadsheet as text: their tables are divided by rows without a cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from ingest.errors import LoadError
from ingest.loaders.load_options import LoadOptions
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


def sheets_document(sheets: Iterable[Sheet], options: LoadOptions) -> Document:
    """Return a section for each sheet that has a cell; a row's place is ``Sheet!row``."""
    made = RowsText(options)
    problems: list[str] = []
    count = 0
    for sheet in sheets:
        count += 1
        try:
            _add_sheet(made, sheet)
        except LoadError as error:
            problems.append(f"sheet '{sheet.name}': {error}")
        if made.stopped_at:
            problems.append(
                f"sheet '{sheet.name}' was not read from row {made.stopped_at:,} on, nor were "
                "sheets after it"
            )
            break
    # What was not read counts as a sheet of the usual size.
    return made.document({}, problems, len(problems) / (count + 1))


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
