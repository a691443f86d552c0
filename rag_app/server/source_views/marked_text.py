"""Text in which a span is marked, cut so that nobody has to count characters to show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ingest import Document


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text, and whether it belongs to the quote."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class MarkedLine:
    """A line of a document with its line break.

    ``number`` is its number in the file, counted from 1; None if the text is not the file's own.
    """

    number: int | None
    segments: tuple[Segment, ...]


def marked_segments(text: str, first: int, last: int, start: int, end: int) -> tuple[Segment, ...]:
    """Return ``text[first:last]``, cut where the span from ``start`` to ``end`` begins and ends."""
    begin, stop = (min(max(at, first), last) for at in (start, end))
    parts = ((first, begin, False), (begin, stop, True), (stop, last, False))
    return tuple(Segment(text[a:b], marked) for a, b, marked in parts if a < b)


def marked_lines(
    document: Document, first: int, last: int, start: int, end: int
) -> Iterator[MarkedLine]:
    """Yield the lines of ``document.text[first:last]`` with a span marked."""
    text = document.text
    while first < last:
        stop = min(text.find("\n", first, last) + 1 or last, last)
        place = document.place_at(first)
        yield MarkedLine(place and place.line, marked_segments(text, first, stop, start, end))
        first = stop
