"""Excel workbooks: a sheet is a section, a row is a line of text and a place."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetMetadata,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from ingest.errors import LoadError
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.number_formats import CellFormats, NumberFormat, cell_formats
from ingest.loaders.sheet_sizes import check_old_sizes, check_sizes
from ingest.loaders.sheets import Sheet, sheets_document
from ingest.loaders.table_rows import Row, one_line
from ingest.types import Document

_Value = int | float | str | bool | time | date | datetime | timedelta
# By row: the first and the last column of its cells that are merged, and the cell that is shown.
_Merged = dict[int, list[tuple[int, int, tuple[int, int]]]]

_OLE = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MOST_MERGED_ROWS = 200_000
_WHOLE = 1e15  # from here on, a float has no fraction


def load_xlsx(content: bytes, options: LoadOptions) -> Document:
    """Return the rows of all sheets of an Excel workbook, also of hidden ones.

    Raises:
        LoadError: If it is encrypted, or too large.
    """
    if content.startswith(_OLE):
        raise LoadError("is encrypted: save it without a password")
    check_sizes(content, options)
    try:
        formats = cell_formats(content)
    except Exception:  # of an unusual writer; the values can be read without them
        formats = {}
    return _load(content, options, formats)


def load_xlsb(content: bytes, options: LoadOptions) -> Document:
    """Return the rows of a binary Excel workbook; see :func:`load_xlsx`."""
    check_sizes(content, options)
    return _load(content, options, {})


def load_xls(content: bytes, options: LoadOptions) -> Document:
    """Return the rows of an Excel workbook of before 2007; see :func:`load_xlsx`."""
    if _ENCRYPTED in content:
        raise LoadError("is encrypted: save it without a password")
    check_old_sizes(content)
    return _load(content, options, {})


def _load(content: bytes, options: LoadOptions, formats: Mapping[str, CellFormats]) -> Document:
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
    except PasswordError as error:
        raise LoadError("is encrypted: save it without a password") from error
    except BaseException as error:
        raise _damage(error) from error
    sheets = [
        Sheet(
            one.name,
            one.visible != SheetVisibleEnum.Visible,
            _rows(workbook, one, formats.get(one.name, {})),
        )
        for one in workbook.sheets_metadata
        if one.typ == SheetTypeEnum.WorkSheet
    ]
    return sheets_document(sheets, options)


def _damage(error: BaseException) -> BaseException:
    """Return what to raise: the library panics on damage, which is no Exception."""
    is_panic = type(error).__name__ == "PanicException"
    if isinstance(error, CalamineError) or is_panic:
        return LoadError("is damaged or not really a spreadsheet")
    return error


def _rows(
    workbook: CalamineWorkbook, metadata: SheetMetadata, formats: CellFormats
) -> Iterator[Row]:
    """Yield the rows of a sheet, a merged cell in each of the rows that it covers."""
    try:
        sheet = workbook.get_sheet_by_name(metadata.name)
        merged, shown = _merged(sheet), dict[tuple[int, int], str]()
        first = sheet.start[1] if sheet.start else 0
        for at, values in enumerate(sheet.iter_rows()):
            cells = [_shown(one, formats.get((at, first + i))) for i, one in enumerate(values)]
            _fill(cells, merged.get(at, ()), shown, at, first)
            yield Row(at + 1, cells)
    except BaseException as error:
        raise _damage(error) from error


def _merged(sheet: CalamineSheet) -> _Merged:
    merged: _Merged = defaultdict(list)
    budget = _MOST_MERGED_ROWS
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        rows = range(top, min(bottom + 1, top + budget))
        budget -= len(rows)
        for row in rows:
            merged[row].append((left, right, (top, left)))
    return merged


def _fill(
    cells: list[str],
    merged: Sequence[tuple[int, int, tuple[int, int]]],
    shown: dict[tuple[int, int], str],
    row: int,
    first: int,
) -> None:
    """Repeat merged cells in each row; in a row of a head also in each column that they cover."""
    for left, right, (top, corner) in merged:
        at, stop = left - first, min(right + 1 - first, len(cells))
        if not 0 <= at < stop:
            continue
        if row == top:
            shown[top, corner] = cells[at]
        cells[at] = shown.get((top, corner), "")
        is_title = not any(cells[:at]) and not any(cells[stop:])
        if row == top and right > left and not is_title:
            cells[at:stop] = [cells[at]] * (stop - at)


def _shown(value: _Value, shown_as: NumberFormat | None) -> str:
    if shown_as and isinstance(value, int | float) and not isinstance(value, bool):
        return shown_as.show(value, _text(value))
    return _text(value)


def _text(value: _Value) -> str:
    """Return a value about as a spreadsheet shows it; dates as in ISO 8601."""
    match value:
        case str():
            return one_line(value)
        case bool():
            return str(value).upper()
        case float():
            return _number(value)
        case datetime():
            return value.isoformat(" ", "seconds").removesuffix(":00")
        case timedelta():
            return _duration(value)
        case date() | time():
            return value.isoformat()
    return str(value)


def _number(value: float) -> str:
    if value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    return f"{value:.15g}"


def _duration(value: timedelta) -> str:
    hours, seconds = divmod(round(value.total_seconds()), 3600)
    return f"{hours}:{seconds // 60:02}:{seconds % 60:02}"
