"""Make a catalog that SQLite refuses to open one whose rows can be looked at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAGIC = b"SQLite format 3\x00"
_PAGE_BYTES = 4096


@contextmanager
def mended_copy(catalog: Path) -> Iterator[Path]:
    """Give a copy with a right file header and size; its tables may be damaged all the same.

    The header is that of https://sqlite.org/fileformat.html, section 1.3, with the values that
    every catalog has.
    """
    copy = catalog.with_name(f"{catalog.name}.tmp")
    try:
        shutil.copyfile(catalog, copy)
        with copy.open("r+b") as file:
            header = file.read(100).ljust(100, b"\x00")
            pages = -(-copy.stat().st_size // _PAGE_BYTES)
            file.truncate(pages * _PAGE_BYTES)
            file.seek(0)
            file.write(_header(header[24:28], pages))
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _header(changes: bytes, pages: int) -> bytes:
    """Return the header of a file of ``pages``; ``changes`` is its counter of changes."""
    numbers = {16: (_PAGE_BYTES, 2), 28: (pages, 4), 44: (4, 4), 56: (1, 4)}
    header = bytearray(100)
    header[:16] = _MAGIC
    header[18:24] = bytes((1, 1, 0, 64, 32, 32))  # no log, nothing reserved, payload fractions
    for at, (number, size) in numbers.items():
        header[at : at + size] = number.to_bytes(size, "big")
    header[24:28] = header[92:96] = changes
    return bytes(header)
