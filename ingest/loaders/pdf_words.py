"""Mend the words of a PDF's lines: ligatures, hyphens at line ends, bullets, unknown glyphs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.loaders.pdf_pages import Line

# A line with a larger share of unmapped glyphs is set in a font without a code table. Chosen by
# hand.
MOST_UNMAPPED = 0.1
UNMAPPED = re.compile(r"[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")
# Symbol fonts put their glyphs into the private-use area; one that opens a line is a bullet.
_BULLET = re.compile(r"^(\s*)[\ue000-\uf8ff](?=\s|$)")

# PDFium marks a hyphen at a line end with one of these, depending on the call.
_LINE_HYPHEN = re.compile("[\x02\ufffe](\\S*)[ \t]*")
_HYPHENATED = re.compile(r"\b[^\W\d_]+-[^\W\d_]+")
_LONGEST_WORD = 50
_WORD_END = re.compile(r"[^\W\d_]+$")
_WORD_START = re.compile(r"[^\W\d_]+")
LETTERS = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
    | dict.fromkeys(map(chr, (0, 0xAD)), "")
    | {"\xa0": " "}
)


def tidy(lines: Iterable[Line]) -> list[Line]:
    """Return the lines with ligatures expanded and hyphenated words rejoined.

    Lines in a font without a code table are left out.
    """
    lines = list(lines)
    hyphenated = {word for line in lines for word in _HYPHENATED.findall(line.text)}
    return [
        Line(UNMAPPED.sub(" ", text).strip(), line.height, line.box)
        for line in lines
        for text in _rejoin(line.text.translate(LETTERS), hyphenated).splitlines()
        if text.strip() and not is_unmapped(text)
        for text in (_BULLET.sub(r"\1•", text),)
    ]


def is_unmapped(text: str) -> bool:
    """Return whether too many glyphs of a line have no character; a bullet does not count."""
    if not UNMAPPED.search(text):
        return False
    return len(UNMAPPED.findall(_BULLET.sub("", text))) > len(text) * MOST_UNMAPPED


def _rejoin(text: str, hyphenated: set[str]) -> str:
    """Return the text with the line break moved behind the rejoined word.

    The hyphen is kept in a number, before a capital, and in a word that occurs with one elsewhere.
    """

    def join(match: re.Match[str]) -> str:
        before = _WORD_END.search(text, max(0, match.start() - _LONGEST_WORD), match.start())
        after = _WORD_START.match(match[1])
        word = f"{before[0]}-{after[0]}" if before and after else ""
        drop = word and word not in hyphenated and match[1][0].islower()
        return ("" if drop else "-") + match[1] + "\n"

    return _LINE_HYPHEN.sub(join, text)
