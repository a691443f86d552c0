"""Mend the words of a PDF's lines: ligatures, hyphens at line ends, bullets, unknown glyphs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from ingest.loaders.pdf_pages import Line, Page, PageState

# Chosen by hand: a line with a larger share of glyphs without a character may be set in a font
# without a code table; it is if all such lines of the page have a larger share than the second,
# for some parsers know no code table where there is one; and the page can't be read if they are a
# larger share of it than the third.
_MOST_UNMAPPED = 0.1
_MOST_UNMAPPED_OF_SUCH = 0.03
_MOST_UNMAPPED_LINES = 0.05
UNMAPPED = re.compile(r"[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")
# Symbol fonts put their glyphs into the private-use area; one that opens a line is a bullet.
_BULLET = re.compile(r"^(\s*)[\ue000-\uf8ff](?=\s|$)")

# PDFium marks a hyphen at a line end with one of these, depending on the call.
LINE_HYPHENS = "\x02\ufffe"
_LINE_HYPHEN = re.compile(f"[{LINE_HYPHENS}](\\S*)[ \t]*")
_HYPHENATED = re.compile(r"\b[^\W\d_]+-[^\W\d_]+")
_LONGEST_WORD = 50
_WORD_END = re.compile(r"[^\W\d_]+$")
_WORD_START = re.compile(r"[^\W\d_]+")
LETTERS = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
    | dict.fromkeys(map(chr, (0, 0xAD)), "")
    | {"\xa0": " "}
)


def mapped_page(lines: Sequence[Line], unmapped: Collection[int] = ()) -> Page:
    """Return a page without the lines in fonts without a code table.

    Args:
        lines: All its lines.
        unmapped: Indexes of those in a font that seems to have none.
    """
    texts = [_BULLET.sub("", line.text) for line in lines]
    glyphs = [len(UNMAPPED.findall(text)) for text in texts]
    such = {
        i for i, text in enumerate(texts) if i in unmapped or glyphs[i] > len(text) * _MOST_UNMAPPED
    }
    lost = sum(len(texts[i]) for i in such)
    if lost <= _MOST_UNMAPPED_LINES * sum(map(len, texts)):
        return Page(tuple(lines))
    if sum(glyphs[i] for i in such) <= lost * _MOST_UNMAPPED_OF_SUCH:
        return Page(tuple(lines))
    mapped = (line for i, line in enumerate(lines) if i not in such)
    return Page(tuple(mapped), PageState.UNMAPPED)


def tidy(lines: Iterable[Line]) -> list[Line]:
    """Return the visible lines with ligatures expanded and hyphenated words rejoined."""
    lines = list(lines)
    hyphenated = {word for line in lines for word in _HYPHENATED.findall(line.text)}
    return [
        Line(visible, line.height)
        for line in lines
        for text in _rejoin(line.text.translate(LETTERS), hyphenated).splitlines()
        if (visible := UNMAPPED.sub(" ", _BULLET.sub(r"\1•", text)).strip())
    ]


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
