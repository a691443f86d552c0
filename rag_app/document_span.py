"""A span of a document with the text around it, as a citation names it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ingest import Document, UsageError
from rag_app.retrieval.expansion import sections_between

if TYPE_CHECKING:
    from rag_app.app import RagApp

_PLACE = re.compile(r"(.+):(\d+)-(\d+)", re.DOTALL)
_LINES, _CHARACTERS = 3, 600  # of context on each side; chosen by hand


@dataclass(frozen=True, slots=True)
class Span:
    """A span of a document's text with its context.

    Attributes:
        source: The document.
        page: Page of the first character, counted from 1; None without pages.
        location: Where it begins in the file, as in a citation.
        headings: Titles of the sections around it, outermost first.
        start: Offset of the first character in the document's text.
        end: Offset after the last character.
        before: The lines before it.
        quote: The characters from ``start`` to ``end``.
        after: The lines after it.
    """

    source: str
    page: int | None
    location: str | None
    headings: tuple[str, ...]
    start: int
    end: int
    before: str
    quote: str
    after: str


def find_place(app: RagApp, place: str) -> Span:
    """Return the span ``SOURCE:START-END`` of the index.

    Raises:
        UsageError: The form is wrong, the document is not in the index, or it is shorter.
    """
    match = _PLACE.fullmatch(place)
    if not match:
        raise UsageError(f"'{place}' is not SOURCE:START-END, as in rag show guide.md:120-180")
    return find_span(app, match[1], int(match[2]), int(match[3]))


def find_span(app: RagApp, source: str, start: int, end: int) -> Span:
    """Return a span of a document of the index with its context.

    Raises:
        UsageError: The document is not in the index, or it is shorter.
    """
    return span_of(source, find_document(app, source, start, end), start, end)


def find_document(app: RagApp, source: str, start: int, end: int) -> Document:
    """Return the document of a span; raises UsageError as :func:`find_span`."""
    document = app.document(source)
    if document is None:
        app.store.check_read(source)
        alike = get_close_matches(source, app.store.sources(), n=1, cutoff=0.4)
        hint = f"did you mean '{alike[0]}'?" if alike else "'rag search' names those it finds"
        raise UsageError(f"the index holds no document '{source}'; {hint}")
    if not 0 <= start < end <= len(document.text):
        raise UsageError(
            f"'{source}' has no place {start}-{end}: its text has {len(document.text)} characters, "
            "and a place ends after its start"
        )
    return document


def span_of(source: str, document: Document, start: int, end: int) -> Span:
    """Return a span with the lines around it."""
    text = document.text
    place = document.place_at(start)
    headings = sections_between(document, start, start + 1)[0].headings
    return Span(
        source=source,
        page=place and place.page,
        location=(place and place.location) or " > ".join(headings) or None,
        headings=headings,
        start=start,
        end=end,
        before=_end_of(text[max(start - _CHARACTERS, 0) : start], whole=start <= _CHARACTERS),
        quote=text[start:end],
        after=_beginning_of(text[end : end + _CHARACTERS], whole=end + _CHARACTERS >= len(text)),
    )


def _end_of(text: str, whole: bool) -> str:
    """Return the last lines of ``text``; unless it is the whole, from the start of a word."""
    lines = text.splitlines(keepends=True)
    partial = bool(lines) and not text.endswith("\n")
    kept = "".join(lines[-(_LINES + partial) :])
    return kept if whole or len(kept) < len(text) else kept.partition(" ")[2]


def _beginning_of(text: str, whole: bool) -> str:
    """Return the first lines of ``text``; unless it is the whole, to the end of a word."""
    kept = "".join(text.splitlines(keepends=True)[: _LINES + 1])
    return kept if whole or len(kept) < len(text) else kept.rpartition(" ")[0]
