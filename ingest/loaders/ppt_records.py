"""The records of a PowerPoint 97–2003 file ([MS-PPT] 2.3.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEADER = struct.Struct("<HHI")
_CONTAINER_VERSION = 0xF


class Record(NamedTuple):
    """A record of a stream: its type and instance, and the bounds of its body."""

    kind: int
    instance: int
    is_container: bool
    start: int
    end: int


def record_at(data: bytes, offset: int, end: int) -> Record | None:
    """Return the record at an offset, cut at ``end``; None if there is no room for one."""
    start = offset + _HEADER.size
    if offset < 0 or start > end:
        return None
    version, kind, length = _HEADER.unpack_from(data, offset)
    is_container = version & 0xF == _CONTAINER_VERSION
    return Record(kind, version >> 4, is_container, start, min(start + length, end))


def children(data: bytes, record: Record) -> Iterator[Record]:
    """Yield the records in a container."""
    offset = record.start
    while child := record_at(data, offset, record.end):
        yield child
        offset = child.end


def descendants(data: bytes, record: Record) -> Iterator[Record]:
    """Yield the records in a container at any depth, in order."""
    stack = [record]
    while stack:
        current = stack.pop()
        if current is not record:
            yield current
        if current.is_container:
            stack += reversed(list(children(data, current)))


def numbers(data: bytes, record: Record, layout: str) -> tuple[int, ...]:
    """Return the integers at the beginning of the body of a record, as :mod:`struct` reads them.

    Raises:
        struct.error: If it is shorter.
    """
    size = struct.calcsize(f"<{layout}")
    return struct.unpack(f"<{layout}", data[record.start : min(record.start + size, record.end)])
