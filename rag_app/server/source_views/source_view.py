"""What the page shows of a source: the cited span, marked, in the part of the file around it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ingest import Document, Place, UsageError
from rag_app.app import RagApp
from rag_app.document_span import Span, find_document, span_of
from rag_app.server.source_views.marked_text import MarkedLine, marked_lines
from rag_app.server.source_views.table_view import RowSpan, TableView, rows_around, table_view

_PART = re.compile(r"(?:^|, )(?:slide|chapter|message|cell|page) \d+(?: \(hidden\))?$")
_SPACE = re.compile(r"\s")
# Most characters of a quote, and of a part on each side of it; chosen by hand.
LONGEST_VIEW = 50_000
_REACH = 4000


class ViewKind(StrEnum):
    """How a source is shown: as a page, as rows, as a whole part, or as the lines around."""

    PAGE = "page"
    TABLE = "table"
    PART = "part"
    LINES = "lines"


@dataclass(frozen=True, slots=True)
class SourceView:
    """A span of a document in its source.

    Attributes:
        source: The document.
        title: Its title; empty if it states none.
        date: Date of its last change as it states it, ISO 8601; empty if it states none.
        language: ISO 639-1 code of its language, or ``und`` if it is not known.
        location: Where the span begins in the file, as in a citation.
        headings: Titles of the sections around it, outermost first.
        start: Offset of the span in the document's text.
        end: Offset after the span.
        kind: How it is shown.
        lines: The text around it; the marked segments, joined, are the span.
        pages: The pages that the span is on, counted from 1; empty in a format without pages.
        has_picture: Whether the pages can be drawn from the file.
        table: The rows around it as cells; None unless it is shown as rows.
    """

    source: str
    title: str
    date: str
    language: str
    location: str | None
    headings: tuple[str, ...]
    start: int
    end: int
    kind: ViewKind
    lines: tuple[MarkedLine, ...]
    pages: tuple[int, ...] = ()
    has_picture: bool = False
    table: TableView | None = None


def source_view(app: RagApp, source: str, start: int, end: int) -> SourceView:
    """Return a span of a document of the index with what is around it.

    The index holds the text, so the file may have changed or be gone since.

    Raises:
        UsageError: The document is not in the index, it is shorter, or the span is too long.
    """
    document = find_document(app, source, start, end)
    if end - start > LONGEST_VIEW:
        raise UsageError(f"a view shows at most {LONGEST_VIEW:,} characters of '{source}'")
    row = app.store.find_documents([source])[0]
    span = span_of(source, document, start, end)
    rows = rows_around(document, start, end)
    kind = ViewKind.TABLE if rows else _kind(document.place_at(start))
    first, last = _window(document, kind, rows, span)
    pages = {place.page: None for place in document.places_between(start, end) if place.page}
    return SourceView(
        source=source,
        title=str(row.metadata.get("title", "")),
        date=str(row.metadata.get("date", "")),
        language=row.language,
        location=span.location,
        headings=span.headings,
        start=start,
        end=end,
        kind=kind,
        lines=tuple(marked_lines(document, first, last, start, end)),
        pages=tuple(pages),
        has_picture=bool(pages) and row.origin == "folder",
        table=table_view(document, rows, start, end) if rows else None,
    )


def _kind(place: Place | None) -> ViewKind:
    if place and place.page is not None:
        return ViewKind.PAGE
    return ViewKind.PART if place and _PART.search(place.name) else ViewKind.LINES


def _window(
    document: Document, kind: ViewKind, rows: Sequence[RowSpan], span: Span
) -> tuple[int, int]:
    """Return the offsets of the text that is shown."""
    if rows:
        return min(span.start, rows[0].first), max(span.end, rows[-1].last)
    if kind is ViewKind.PART:
        return _part(document, span.start, span.end)
    return span.start - len(span.before), span.end + len(span.after)


def _part(document: Document, start: int, end: int) -> tuple[int, int]:
    """Return the offsets of the slides, chapters or other parts of a span, within reach of it."""
    text, places = document.text, document.places
    first = places[bisect_right(places, start, key=_start) - 1].start
    after = bisect_left(places, end, key=_start)
    last = places[after].start if after < len(places) else len(text)
    last = max(end, first + len(text[first:last].rstrip()))
    if first < start - _REACH:
        space = _SPACE.search(text, start - _REACH, start)
        first = space.end() if space else start - _REACH
    if last > end + _REACH:
        gap = max(text.rfind(one, end, end + _REACH) for one in " \n")
        last = gap if gap >= 0 else end + _REACH
    return first, last


def _start(place: Place) -> int:
    return place.start
