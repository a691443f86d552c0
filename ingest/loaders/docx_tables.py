"""Tables of Word documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ingest.loaders.blocks import LONGEST_REPEAT
from ingest.loaders.docx_styles import value
from ingest.loaders.docx_text import contents
from ingest.loaders.ooxml import qn

_MOST_SPAN = 1000  # Word has 63 columns


def table_rows(table: Any) -> list[list[Any]]:
    """Return the cells of each row, without rows that were deleted with changes tracked."""
    return [
        [cell for cell in contents(row) if cell.tag == qn("w:tc")]
        for row in contents(table)
        if row.tag == qn("w:tr") and row.find(f"{qn('w:trPr')}/{qn('w:del')}") is None
    ]


def is_layout(row: list[Any], rows: list[list[Any]]) -> bool:
    """Return whether a row only arranges text: the table has one column, or a cell a table."""
    if all(len(cells) <= 1 for cells in rows):
        return True
    return any(part.tag == qn("w:tbl") for cell in row for part in contents(cell))


def row_texts(
    row: list[Any], above: dict[int, str], cell_text: Callable[[Any], str]
) -> Iterator[str]:
    """Yield the texts of the cells of a row; one that is merged with cells above has their text.

    Args:
        row: Its cells.
        above: The texts of the vertically merged cells by column; updated.
        cell_text: Returns the text of a cell; called once for each that is not merged.
    """
    column = 0
    for cell in row:
        properties = cell.find(qn("w:tcPr"))
        if _merge(properties, "w:hMerge") == "continue":
            column += 1
            continue
        merge = _merge(properties, "w:vMerge")
        if merge == "continue":
            text = above.get(column, "")
        else:
            text = cell_text(cell)
            above[column] = text if merge and len(text) <= LONGEST_REPEAT else ""
        yield text
        column += _span(properties)


def _merge(properties: Any, name: str) -> str:
    """Return ``restart``, ``continue``, or nothing for a cell that is not merged."""
    found = None if properties is None else properties.find(qn(name))
    return "" if found is None else found.get(qn("w:val")) or "continue"


def _span(properties: Any) -> int:
    span = value(properties, "w:gridSpan")
    return min(int(span), _MOST_SPAN) if span.isdecimal() else 1
