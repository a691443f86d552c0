"""Expand a retrieved chunk to the text around it, still one verbatim span of its document."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Literal

from ingest import Document, split_sentences
from rag_app.types import ScoredChunk, Section

Width = Literal["chunk", "neighbours", "section"]

# Characters; both chosen by hand.
_REACH = 800
_MAX_SECTION = 4000


def widen(
    chunks: Iterable[ScoredChunk], width: Width, document: Callable[[str], Document | None]
) -> list[ScoredChunk]:
    """Return the chunks with more of their documents; a chunk inside another is dropped.

    Args:
        chunks: Best first.
        width: ``neighbours`` adds whole sentences, about 800 characters on each side; ``section``
            takes the section under the chunk's heading, if it has at most 4,000 characters.
        document: Returns the document of a source.
    """
    wide: list[ScoredChunk] = []
    for chunk in chunks:
        found = None if width == "chunk" else document(chunk.source)
        if found and any(_inside(chunk, other) for other in wide):
            continue
        wide.append(_widened(chunk, found, width) if found else chunk)
    return wide


def sections_between(document: Document, start: int, end: int) -> tuple[Section, ...]:
    """Return the sections that a span of a document covers, with offsets in the span."""
    begins = [start, *(one.start for one in document.headings if start < one.start < end)]
    return tuple(
        Section(at - start, tuple(heading.title for heading in document.headings_at(at)))
        for at in begins
    )


def _widened(chunk: ScoredChunk, document: Document, width: Width) -> ScoredChunk:
    find = _section if width == "section" else _neighbourhood
    start, end = find(chunk, document)
    return ScoredChunk(
        text=document.text[start:end],
        source=chunk.source,
        start=start,
        end=end,
        places=document.places_between(start, end),
        headings=chunk.headings,
        language=chunk.language,
        score=chunk.score,
        dense=chunk.dense,
        lexical=chunk.lexical,
        title=chunk.title,
        sections=sections_between(document, start, end),
    )


def _section(chunk: ScoredChunk, document: Document) -> tuple[int, int]:
    """Return the span of the innermost section around the chunk's start, or the chunk's own."""
    at = bisect_right([heading.start for heading in document.headings], chunk.start) - 1
    if at < 0:
        return chunk.start, chunk.end
    heading, *later = document.headings[at:]
    end = next((h.start for h in later if h.level <= heading.level), len(document.text))
    end = heading.start + len(document.text[heading.start : end].rstrip())
    fits = chunk.end <= end <= heading.start + _MAX_SECTION
    return (heading.start, end) if fits else (chunk.start, chunk.end)


def _neighbourhood(chunk: ScoredChunk, document: Document) -> tuple[int, int]:
    """Return the span of the chunk with the whole sentences within reach on each side."""
    low = max(chunk.start - _REACH, 0)
    before = [low + start for start, _ in split_sentences(document.text[low : chunk.start])]
    after = [
        chunk.end + end for _, end in split_sentences(document.text[chunk.end : chunk.end + _REACH])
    ]
    whole_before = before if low == 0 else before[1:]
    whole_after = after if chunk.end + _REACH >= len(document.text) else after[:-1]
    return min([*whole_before, chunk.start]), max([*whole_after, chunk.end])


def _inside(chunk: ScoredChunk, other: ScoredChunk) -> bool:
    same = chunk.source == other.source
    return same and other.start <= chunk.start and chunk.end <= other.end
