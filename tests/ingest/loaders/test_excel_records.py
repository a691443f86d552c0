"""The cells of binary sheets are found, so that a claim of too many is refused."""

from __future__ import annotations

import struct

import pytest

from ingest.errors import LoadError
from ingest.loaders.excel_records import xls_cells, xlsb_cells
from ingest.loaders.sheet_sizes import check_records

BOF, NUMBER, NOTE = 0x0809, 0x0203, 0x001C


def record(kind: int, *numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}H", kind, 2 * len(numbers), *numbers)


def binary_record(kind: int, *numbers: int) -> bytes:
    return bytes((kind, 4 * len(numbers))) + struct.pack(f"<{len(numbers)}I", *numbers)


SHEET = record(BOF, 0x600, 0x10) + record(NUMBER, 2, 3, 0) + record(NOTE, 9, 9)


def test_cells_of_old_sheets_are_found_where_they_lie() -> None:
    assert list(xls_cells(SHEET + SHEET)) == [None, (2, 3), None, (2, 3)]
    assert list(xls_cells(SHEET[:-3])) == [None, (2, 3)]


def test_cells_of_binary_sheets_lie_in_the_row_above_them() -> None:
    row, cell, long = binary_record(0, 7), binary_record(2, 4, 0), b"\x81\x01\x80\x01" + bytes(128)
    assert list(xlsb_cells(row + cell + long + binary_record(0, 8) + cell)) == [(7, 4), (8, 4)]
    assert list(xlsb_cells(b"\xff\xff\xff\xff\xff\xff")) == []


def test_cells_too_far_apart_in_one_sheet_are_refused() -> None:
    far = record(NUMBER, 65_535, 60_000, 0)
    check_records(SHEET + record(BOF, 0x600, 0x10) + far)
    with pytest.raises(LoadError, match="65,534 rows and 59,998 columns"):
        check_records(SHEET + far)
