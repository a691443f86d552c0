"""Read where the cells of binary Excel sheets lie, without reading the cells.

The records are those of [MS-XLS] 2.3 (.xls, in a stream of an OLE file) and of [MS-XLSB] 2.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

Cell = tuple[int, int]

_BOF = 0x0809
# BLANK, NUMBER, LABEL, BOOLERR, RK, LABELSST, MULRK, MULBLANK, RSTRING and FORMULA.
_XLS_CELLS = frozenset(
    (0x0201, 0x0203, 0x0204, 0x0205, 0x027E, 0x00FD, 0x00BD, 0x00BE, 0x00D6, 0x0006)
)
_XLSB_ROW = 0
_XLSB_CELLS = range(1, 12)
_FEWEST_BYTES = 4


def xls_cells(stream: bytes) -> Iterator[Cell | None]:
    """Yield the row and column of each cell, counted from 0, and None where a sheet begins."""
    at = 0
    while at + 8 <= len(stream):
        kind, length, row, column = struct.unpack_from("<4H", stream, at)
        if kind == _BOF:
            yield None
        elif kind in _XLS_CELLS and length >= _FEWEST_BYTES:
            yield row, column
        at += 4 + length


def xlsb_cells(part: bytes) -> Iterator[Cell]:
    """Yield the row and column of each cell of one sheet, counted from 0."""
    at = row = 0
    while at < len(part):
        kind, at = _number(part, at, 2)
        length, at = _number(part, at, 4)
        if (kind == _XLSB_ROW or kind in _XLSB_CELLS) and length >= _FEWEST_BYTES:
            first = int.from_bytes(part[at : at + 4], "little")
            if kind == _XLSB_ROW:
                row = first
            else:
                yield row, first
        at += length


def _number(part: bytes, at: int, most: int) -> tuple[int, int]:
    """Return the number in up to ``most`` bytes of 7 bits each, and where it ends."""
    number = 0
    for shift in range(most):
        byte = part[at] if at < len(part) else 0
        number |= (byte & 0x7F) << (7 * shift)
        at += 1
        if byte < 0x80:
            break
    return number, at
