"""The text of a page of a PDF and where its characters are, as PDFium finds them."""

from __future__ import annotations

import ctypes
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise, starmap
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.loaders.pdf_pages import Box, Line
from ingest.loaders.reading_order import Piece, in_reading_order

# Chosen by hand: a gap of so many times the height of the letters parts two pieces of a line; the
# middles of so many long lines are searched for one, and a third of them has it in columns.
_WIDE_GAP = 0.9
_SAMPLE = 4
_LONG = 50
# A character this many heights higher or lower than another is in another row, and so many heights
# higher at the top of another column. Such a share of the lines goes along the page, not down.
_RISE = 0.5
_BESIDE = 0.7
_STEEP = 5.0
_TO_THE_TOP = 3.0
_MOSTLY = 0.8
_NOWHERE = Box(0.0, 0.0, 0.0, 0.0)
# A part of a line without white space, hyphens at a line end and their second halves.
_WORD = re.compile("[^\\s\x02\ufffe]+[\x02\ufffe]?")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_HYPHENS = "\x02\ufffe"


class Characters:
    """The characters of a page."""

    def __init__(self, text_page: pypdfium2.PdfTextPage) -> None:
        # The call for the text within a box leaves out line breaks, so that offsets do not agree.
        self.text = str(text_page.get_text_range())
        self._astral = [match.start() for match in _ASTRAL.finditer(self.text)]
        self._text_page = text_page
        self._page = text_page.raw
        self._box = pdfium.FS_RECTF()
        self._reference = ctypes.byref(self._box)
        self._is_plain = len(self.text) == text_page.count_chars()

    def is_unmapped(self, offset: int) -> bool:
        """Return whether the font has no code table for the character at an offset."""
        return bool(pdfium.FPDFText_HasUnicodeMapError(self._page, self._index(offset)) == 1)

    def box(self, offset: int) -> Box | None:
        """Return the box of a character, including ascent and descent; None if it has none."""
        index = self._index(offset)
        if index < 0 or not pdfium.FPDFText_GetLooseCharBox(self._page, index, self._reference):
            return None
        return Box(self._box.left, self._box.bottom, self._box.right, self._box.top)

    def _index(self, offset: int) -> int:
        """Return the index of a character: PDFium hides some, and counts UTF-16."""
        if self._is_plain:
            return offset
        units = offset + bisect_left(self._astral, offset)
        return int(pdfium.FPDFText_GetCharIndexFromTextIndex(self._page, units))


class Span(NamedTuple):
    """A visible line: its offsets in the text, and the boxes of its first and last character."""

    start: int
    end: int
    first: Box
    last: Box

    @property
    def is_upright(self) -> bool:
        """Whether it goes down the page instead of along it."""
        along, down = self.last.left - self.first.left, self.last.top - self.first.top
        return abs(down) > max(_STEEP * abs(along), 2 * _height(self.first))


def spans(characters: Characters, page: Box) -> Iterator[Span]:
    """Yield the lines that are seen on a page."""
    offset = 0
    for text in characters.text.split("\r\n"):
        if visible := text.strip():
            start = offset + text.index(visible[0])
            end = start + len(visible)
            first, last = characters.box(start), characters.box(end - 1)
            span = Span(start, end, first or last or _NOWHERE, last or first or _NOWHERE)
            if _is_on(page, span):
                yield span
        offset += len(text) + 2


def _is_on(page: Box, span: Span) -> bool:
    """Return whether a part of a line is on the page; one without a box is."""
    first, last = span.first, span.last
    across = first.left < page.right and last.right > page.left
    along = min(first.bottom, last.bottom) < page.top and max(first.top, last.top) > page.bottom
    return (across and along) or not any(first)


def ordered_lines(characters: Characters, found: Sequence[Span]) -> list[Line] | None:
    """Return the lines in reading order; None if the page draws them in it."""
    along = [span for span in found if not span.is_upright]
    if len(along) < _MOSTLY * len(found):
        return None
    is_ordered = all(starmap(_follows, pairwise(along))) and all(
        _is_row(characters, span) for span in along
    )
    has_gaps = _has_gaps(characters, along)
    if is_ordered and not has_gaps:
        return None
    whole = set() if has_gaps else _alone(along)
    pieces = (_pieces(characters, span, whole=span in whole) for span in along)
    lines = in_reading_order([*chain.from_iterable(pieces)], is_ordered=is_ordered)
    upright = [line(characters, span) for span in found if span.is_upright]
    return lines and [*lines, *upright]


def _alone(found: Sequence[Span]) -> set[Span]:
    """Return the lines in one row with no other line beside them, which need not be split."""
    alone = {span for span in found if abs(_rise(span.first, span.last)) < _RISE}
    for below, above in pairwise(sorted(found, key=lambda span: span.first.bottom)):
        if above.first.bottom < below.first.bottom + _BESIDE * _height(below.first):
            alone -= {below, above}
    return alone


def line(characters: Characters, span: Span) -> Line:
    """Return a line; the smaller of its ends counts, for a drop cap does not make a heading."""
    text = characters.text[span.start : span.end]
    return Line(text, _letters(span.first, span.last), ((span.start, span.end),))


def _follows(before: Span, after: Span) -> bool:
    """Return whether a line is neither the top of another column nor the rest of a row."""
    rise = _rise(before.last, after.first)
    is_rest = abs(rise) < _RISE and after.first.left > before.last.left
    return rise < _TO_THE_TOP and not is_rest


def _is_row(characters: Characters, span: Span) -> bool:
    """Return whether a line ends at the height at which it begins, or below with a hyphen."""
    rise = _rise(span.first, span.last)
    if rise > -1.0:
        return rise < 1.0
    return any(mark in characters.text[span.start : span.end] for mark in _HYPHENS)


def _rise(before: Box, after: Box) -> float:
    """Return how far one character is above another, as a multiple of its height."""
    higher = (after.top + after.bottom - before.top - before.bottom) / 2
    return higher / max(_height(after), 1.0)


def _has_gaps(characters: Characters, found: Sequence[Span]) -> bool:
    """Return whether long lines have wide gaps, as those that go through two columns."""
    long = [span for span in found if span.end - span.start >= _LONG]
    sample = long[:: -(-len(long) // _SAMPLE) or 1]
    return 3 * sum(_has_gap(characters, span) for span in sample) > len(sample)


def _has_gap(characters: Characters, span: Span) -> bool:
    quarter = (span.end - span.start) // 4
    for space in re.finditer(" ", characters.text[span.start + quarter : span.end - quarter]):
        at = span.start + quarter + space.start()
        before, after = characters.box(at - 1), characters.box(at + 1)
        if before and after and _parts(before, after):
            return True
    return False


def _parts(before: Box, after: Box) -> bool:
    """Return whether there is a wide gap or another row between two characters."""
    height = _height(before)
    gap = after.left - before.right
    return not -height < gap < _WIDE_GAP * height or abs(_rise(before, after)) > _RISE


def _pieces(characters: Characters, span: Span, *, whole: bool) -> Iterator[Piece]:
    """Yield the parts of a line between wide gaps, or the whole line."""
    if whole:
        text = characters.text[span.start : span.end]
        yield _piece([text], span.first, span.last, span.start, span.end)
        return
    words: list[str] = []
    first = last = span.first
    begin = stop = span.start
    for match in _WORD.finditer(characters.text, span.start, span.end):
        start = characters.box(match.start()) or last
        end = characters.box(match.end() - 1 - (match[0][-1] in _HYPHENS)) or start
        if words and (_parts(last, start) or words[-1][-1] in _HYPHENS):
            yield _piece(words, first, last, begin, stop)
            words.clear()
        if not words:
            first, begin = start, match.start()
        words.append(match[0])
        last, stop = end, match.end()
    if words:
        yield _piece(words, first, last, begin, stop)


def _piece(words: Sequence[str], first: Box, last: Box, start: int, end: int) -> Piece:
    text = " ".join(words)
    return Piece(
        f"{text[:-1]}-" if text[-1] in _HYPHENS else text,
        _letters(first, last),
        around(first, last),
        (start, end),
    )


def _letters(first: Box, last: Box) -> float:
    """Return the height of letters between two characters."""
    return round(min(_height(first), _height(last)), 1)


def _height(box: Box) -> float:
    return box.top - box.bottom


def around(first: Box, last: Box) -> Box:
    """Return the smallest box around two."""
    lefts, bottoms, rights, tops = zip(first, last, strict=True)
    return Box(min(lefts), min(bottoms), max(rights), max(tops))
