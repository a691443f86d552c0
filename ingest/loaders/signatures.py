"""The bytes with which binary files begin."""

from __future__ import annotations

import re

_READ: tuple[tuple[bytes, str], ...] = (
    (rb"\{\\rtf", "rtf"),
    (rb"\x1f\x8b\x08|BZh[1-9](?:1AY&SY|\x17rE8P\x90)|\xfd7zXZ\x00", "tar"),
    (rb".{257}ustar[\x00 ]", "tar"),
    (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|II\*\x00|MM\x00\*|RIFF.{4}WEBP", "image"),
    (rb"BM.{4}\x00\x00\x00\x00.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", "image"),
)
# Files that are not read, and what they are called in a message.
_NOT_READ: tuple[tuple[bytes, str], ...] = (
    (
        rb"\x7fELF|MZ|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe",
        "an executable",
    ),
    (rb"\x00asm", "a WebAssembly module"),
    (rb"SQLite format 3\x00", "an SQLite database"),
    (rb"\x00\x01\x00\x00Standard (?:Jet|ACE) DB", "an Access database"),
    (rb"!BDN", "an Outlook data file"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (rb"Rar!\x1a\x07", "a RAR archive"),
    (rb"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (rb"MSCF|!<arch>\n|\xed\xab\xee\xdb|xar!", "a software package"),
    (
        rb"ID3[\x02-\x04]|\xff[\xf1-\xf3\xf9-\xfb]|fLaC|OggS|MThd|RIFF.{4}WAVE|FORM.{4}AIF",
        "an audio file",
    ),
    (rb".{4}ftypM4[AB]", "an audio file"),
    (rb".{4}ftyp(?:heic|heix|mif1|msf1|avif|avis)", "a HEIC or AVIF image"),
    (
        rb".{4}ftyp|\x1aE\xdf\xa3|FLV\x01|\x00\x00\x01[\xb3\xba]|RIFF.{4}AVI |\x30\x26\xb2\x75",
        "a video",
    ),
    (rb"8BPS|gimp xcf|\x00\x00\x00\x0cjP  |\xff\x0a", "an image of a rare format"),
    (rb"\x00\x00\x01\x00", "an icon"),
    (rb"AT&TFORM", "a DjVu document"),
    (rb"OTTO\x00|\x00\x01\x00\x00\x00|wOF[F2]|ttcf", "a font"),
    (rb"\x93NUMPY|\x89HDF|PAR1|ARROW1|CDF[\x01\x02]|GGUF", "a file of numbers"),
    (rb"L\x00\x00\x00\x01\x14\x02\x00", "a Windows shortcut"),
    (rb"\x00\x00\x00\x01Bud1", "a folder view of macOS"),
    (rb"\x85[\x01\x02]\x0c|\x99\x01", "an encrypted message"),
)


def _compile(signs: tuple[tuple[bytes, str], ...]) -> tuple[tuple[re.Pattern[bytes], str], ...]:
    return tuple((re.compile(sign, re.DOTALL), kind) for sign, kind in signs)


_READ_MARKS, _NOT_READ_MARKS = _compile(_READ), _compile(_NOT_READ)


def signed_kind(content: bytes) -> str | None:
    """Return the kind of a file that is read by the bytes at its start; None if they tell none."""
    return next((kind for mark, kind in _READ_MARKS if mark.match(content)), None)


def foreign_kind(content: bytes) -> str | None:
    """Return what a well-known binary file is that is not read, such as ``a font``."""
    if b"\0" not in content[:4096]:
        return None
    return next((what for mark, what in _NOT_READ_MARKS if mark.match(content)), None)
