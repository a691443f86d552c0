"""Decode text: by its mark, as UTF-8, as declared, or by a guess that is noted."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from ingest.errors import LoadError
from ingest.loaders.western import read_western

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The offsets modulo 4 at which bytes are often zero, and those at which they almost never are.
_WIDE = {
    "utf-32-le": ((2, 3), (0,)),
    "utf-32-be": ((0, 1), (3,)),
    "utf-16-le": ((1, 3), (0, 2)),
    "utf-16-be": ((0, 2), (1, 3)),
}
_DETECTION_BYTES = 65_536
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd]")
# Chosen by hand, as are the other limits here.
_MOST_CONTROL = 0.05
_FEWEST_ZEROS, _MOST_OTHER_ZEROS = 0.1, 0.02
_SURE_MARGIN = 0.1
# As a crash may leave them in a log.
_MOST_NULS, _MOST_FOREIGN = 0.01, 0.05

_MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
# As people name them.
_NAMES = {
    "cp1252": "Windows-1252",
    "iso8859_15": "ISO-8859-15",
    "mac_roman": "MacRoman",
    "cp850": "code page 850",
    "cp860": "code page 860",
}
# Of which pages and messages name a part while they mean the whole, as browsers know.
_PARTS_OF_WINDOWS_1252 = frozenset(("ascii", "iso8859-1"))


class Decoded(NamedTuple):
    """A decoded text.

    Attributes:
        text: The text, with line feeds only.
        guess: The encoding, if it was guessed, as people name it.
        problem: What may be wrong in the text; empty if probably nothing is.
    """

    text: str
    guess: str = ""
    problem: str = ""

    @property
    def metadata(self) -> dict[str, str]:
        """The guess as metadata of a document."""
        return {"encoding": f"{self.guess} (guessed)"} if self.guess else {}

    @property
    def problems(self) -> tuple[str, ...]:
        """The problem as one of a document's."""
        return (self.problem,) if self.problem else ()


def decode(content: bytes, declared: str | None = None) -> str:
    """Return the text of :func:`decode_noted` alone."""
    return decode_noted(content, declared).text


def decode_noted(content: bytes, declared: str | None = None) -> Decoded:
    """Return ``content`` decoded; raises LoadError if it is binary.

    It is decoded by its byte order mark, or as UTF-16 or UTF-32 if its zero bytes say so; as UTF-8
    if it is valid but for a few bytes; as declared; or as the most likely encoding.
    """
    text, guess, problem = _decode(content, declared)
    if len(_CONTROL.findall(text)) > len(text) * _MOST_CONTROL:
        raise LoadError("is not text: it is full of control characters, like a binary file")
    return Decoded(text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""), guess, problem)


def _decode(content: bytes, declared: str | None) -> Decoded:
    if encoding := _marked(content):
        return Decoded(content.decode(encoding, errors="replace"))
    if b"\0" in content:
        if wide := _decode_wide(content):
            return wide
        if content.count(0) > len(content) * _MOST_NULS:
            raise LoadError("is not text: it holds NUL bytes, like a binary file")
        content = content.replace(b"\0", b"")
    if (text := _try_decode(content, "utf-8")) is not None:
        return Decoded(text)
    if _is_mostly_utf8(content):
        return _decode_damaged_utf8(content)
    if declared and (text := _try_decode(content, _meant(declared))) is not None:
        return Decoded(text)
    return _decode_guessed(content)


def _marked(content: bytes) -> str:
    """Return the encoding that a byte order mark tells; empty without one."""
    marks = (encoding for mark, encoding in _BYTE_ORDER_MARKS if content.startswith(mark))
    return next(marks, "")


def _decode_wide(content: bytes) -> Decoded | None:
    """Return the text of UTF-16 or UTF-32 without a mark; None if it is neither."""
    sample = content[:_DETECTION_BYTES]
    zeros = [sample[at::4].count(0) / max(1, len(sample[at::4])) for at in range(4)]
    for encoding, (often, never) in _WIDE.items():
        many, few = min(zeros[at] for at in often), max(zeros[at] for at in never)
        if many >= _FEWEST_ZEROS and few <= _MOST_OTHER_ZEROS:
            return Decoded(content.decode(encoding, errors="replace"), encoding.upper())
    return None


def _try_decode(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
        text.encode()
    except (UnicodeError, LookupError, ValueError):
        return None
    return text


def _is_mostly_utf8(content: bytes) -> bool:
    """Return whether most characters beyond ASCII are valid UTF-8, as by chance few would be."""
    valid = _MULTIBYTE.findall(content)
    return len(valid) > _count_foreign(content) - sum(map(len, valid))


def _count_foreign(content: bytes) -> int:
    """Return the number of bytes beyond ASCII."""
    return len(content) - len(content.translate(None, bytes(range(0x80, 0x100))))


def _decode_damaged_utf8(content: bytes) -> Decoded:
    text = content.decode("utf-8", errors="replace")
    lost = text.count("\ufffd") - content.count(b"\xef\xbf\xbd")
    noun = "byte that is" if lost == 1 else "bytes that are"
    return Decoded(text, problem=f"{lost} {noun} not UTF-8")


def _meant(declared: str) -> str:
    try:
        is_part = codecs.lookup(declared).name in _PARTS_OF_WINDOWS_1252
    except LookupError:
        return declared
    return "cp1252" if is_part else declared


def _decode_guessed(content: bytes) -> Decoded:
    if reading := read_western(content):
        text = content.decode(reading.encoding, errors="replace")
        is_likely = reading.encoding == "cp1252" or reading.margin >= _SURE_MARGIN
        is_unsure = reading.score < 0 or not is_likely
        return _guessed(text, _NAMES[reading.encoding], is_unsure)
    from charset_normalizer import from_bytes

    best = from_bytes(content[:_DETECTION_BYTES]).best()
    if best is None and _count_foreign(content) <= len(content) * _MOST_FOREIGN:
        return _decode_damaged_utf8(content)
    if best is None:
        raise LoadError("is not text: no character encoding fits it")
    text = content.decode(best.encoding, errors="replace")
    return _guessed(text, best.encoding.replace("_", "-"), is_unsure=best.coherence == 0)


def _guessed(text: str, name: str, is_unsure: bool) -> Decoded:
    problem = f"some characters may be wrong: the encoding was guessed, {name}"
    return Decoded(text, name, problem if is_unsure else "")
