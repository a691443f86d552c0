"""The content of signed data, as S/MIME keeps a message that is signed as a whole (RFC 5652)."""

from __future__ import annotations

_DATA = bytes.fromhex("06092a864886f70d010701")  # the object identifier of plain content
_EXPLICIT, _CHUNKS, _CHUNK = 0xA0, 0x24, 0x04


def signed_content(data: bytes) -> bytes:
    """Return what was signed, of which no signature is checked; empty if there is nothing."""
    found = data.find(_DATA)
    at = found + len(_DATA)
    chunks: list[bytes] = []
    while found >= 0 and at + 2 <= len(data):
        tag = data[at]
        start, size = _length(data, at + 1)
        if tag == _CHUNK:
            chunks.append(data[start : start + size])
            at = start + size
        elif tag in (_EXPLICIT, _CHUNKS) and not chunks:
            at = start
        else:
            break
    return b"".join(chunks)


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return where a value begins, and its length; 0 if that is marked at its end."""
    first = data[at]
    if first < 0x80:
        return at + 1, first
    count = first & 0x7F
    return at + 1 + count, int.from_bytes(data[at + 1 : at + 1 + count])
