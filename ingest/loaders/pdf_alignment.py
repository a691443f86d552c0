"""Find the characters of a page of a PDF that its text in a document was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ingest.loaders.pdf_pages import Line
from ingest.loaders.pdf_words import LETTERS, LINE_HYPHENS, UNMAPPED


class _Glyph(NamedTuple):
    """A character of the page: its offset, what it is in the text, and if it may be left out."""

    offset: int
    letters: str
    is_optional: bool


def characters_between(
    lines: Sequence[Line], characters: str, text: str, start: int, end: int
) -> list[int]:
    """Return the offsets of the characters that a span of a page's text shows.

    The text has the characters of the lines in their order, but for white space, running lines at
    the top and the bottom, and what :func:`ingest.loaders.pdf_words.tidy` changes. So each
    occurrence of a quote has its own characters. Empty if the text was made from others, as that
    of a recognised page.

    Args:
        lines: The lines of the page in reading order, as PDFium gives them.
        characters: The text in which their ranges count.
        text: The text of the page in the document.
        start: Offset of the span in ``text``.
        end: Offset after the span.
    """
    glyphs = [glyph for line in lines for glyph in _glyphs(line, characters)]
    places = _places(glyphs, text)
    shown = [at for at in places[start:end] if at is not None]
    return [glyph.offset for glyph in glyphs[shown[0] : shown[-1] + 1]] if shown else []


def _glyphs(line: Line, characters: str) -> Iterator[_Glyph]:
    for start, end in line.ranges:
        for offset in range(start, end):
            character = characters[offset]
            if character in LINE_HYPHENS:
                yield _Glyph(offset, "-", True)
            elif UNMAPPED.match(character):
                yield _Glyph(offset, "•", True)
            else:
                yield _Glyph(offset, "".join(character.translate(LETTERS).split()), False)


def _places(glyphs: Sequence[_Glyph], text: str) -> list[int | None]:
    """Return of each character of the text the index of its glyph; empty if they disagree."""
    visible = [at for at, character in enumerate(text) if not character.isspace()]
    if not visible:
        return []
    for first, glyph in enumerate(glyphs):
        if glyph.letters.startswith(text[visible[0]]) and (
            found := _matched(glyphs, first, text, visible)
        ):
            return found
    return []


def _matched(
    glyphs: Sequence[_Glyph], first: int, text: str, visible: Sequence[int]
) -> list[int | None]:
    places: list[int | None] = [None] * len(text)
    left = iter(visible)
    at = next(left, None)
    for n, glyph in enumerate(islice(glyphs, first, None), first):
        for letter in glyph.letters:
            if at is None:
                return places
            if text[at] == letter:
                places[at] = n
                at = next(left, None)
            elif not glyph.is_optional:
                return []
    return places if at is None else []
