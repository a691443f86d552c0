"""Write small OLE2 files, [MS-CFB], as Office did until 2003."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

# Streams of less than 4096 bytes and storages by name.
Tree: TypeAlias = Mapping[str, "bytes | Tree"]

_NONE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR, _SMALL = 512, 64
_RIGHT, _CHILD = 72, 76  # offsets of links in an entry


def compound_file(tree: Tree) -> bytes:
    """Return a file with the streams in the mini stream; its tables fill one sector each."""
    small, chain, entries = bytearray(), [], [_entry("Root Entry", 5)]
    _add(tree, 0, small, chain, entries)
    directory = _padded(b"".join(entries))
    table = _padded(_words(chain), b"\xff")
    data = _padded(bytes(small))
    sizes = [len(part) // _SECTOR for part in (table, directory, data)]
    starts = [1, 1 + sizes[0], 1 + sizes[0] + sizes[1]]
    links = [_FAT]
    for start, size in zip(starts, sizes, strict=True):
        links += [*range(start + 1, start + size), _END][:size]
    root = bytearray(directory[:128])
    root[116:124] = _words([starts[2] if data else _END, len(small)])
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b"\x3e\0\3\0\xfe\xff\x09\0\6\0"
    header += bytes(6) + _words([0, 1, starts[1], 0, 4096, starts[0], sizes[0], _END, 0, 0])
    fat = _padded(_words(links), b"\xff")
    assert len(fat) == _SECTOR
    return _padded(header, b"\xff") + fat + table + bytes(root) + directory[128:] + data


def _add(tree: Tree, parent: int, small: bytearray, chain: list[int], entries: list[bytes]) -> None:
    """Add the entries of a storage, each with the next as its right sibling."""
    previous = None
    for name, value in tree.items():
        at = len(entries)
        before, link = (parent, _CHILD) if previous is None else (previous, _RIGHT)
        entries[before] = _linked(entries[before], link, at)
        if isinstance(value, bytes):
            entries.append(_entry(name, 2, len(chain) if value else _END, len(value)))
            count = -(-len(value) // _SMALL)
            chain += [*range(len(chain) + 1, len(chain) + count), _END][:count]
            small += value.ljust(count * _SMALL, b"\0")
        else:
            entries.append(_entry(name, 1))
            _add(value, at, small, chain, entries)
        previous = at


def _entry(name: str, kind: int, start: int = 0, size: int = 0) -> bytes:
    encoded = (name + "\0").encode("utf-16-le")
    head = encoded.ljust(64, b"\0") + len(encoded).to_bytes(2, "little") + bytes((kind, 1))
    return head + _words([_NONE] * 3) + bytes(36) + _words([start, size, 0])


def _linked(entry: bytes, at: int, target: int) -> bytes:
    return entry[:at] + _words([target]) + entry[at + 4 :]


def _words(numbers: list[int]) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def _padded(content: bytes, fill: bytes = b"\0") -> bytes:
    return content.ljust(-(-len(content) // _SECTOR) * _SECTOR, fill)
