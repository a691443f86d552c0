"""Join the blocks of a file, or the documents in it, to one text with headings and places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ingest.types import Document, Heading, Place

_GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, line or table.

    Attributes:
        text: Its text.
        gap: Line breaks before it.
        level: The level of a heading, 0 that of the title; None for other text.
    """

    text: str
    gap: int = 2
    level: int | None = None


def join_blocks(blocks: Iterable[Block]) -> tuple[str, tuple[Heading, ...]]:
    """Return the text of the blocks and its headings."""
    parts: list[str] = []
    headings: list[Heading] = []
    offset = 0
    for block in blocks:
        gap = "\n" * block.gap if parts else ""
        offset += len(gap)
        if block.level is not None:
            headings.append(Heading(offset, block.level, " ".join(block.text.split())))
        parts += (gap, block.text)
        offset += len(block.text)
    return "".join(parts), tuple(headings)


def join_documents(parts: Iterable[tuple[str, Document]]) -> Document:
    """Return the documents in a file, such as the members of an archive, as one.

    Each is a section under its name. Its places are named after it: ``terms.pdf, page 2``.

    Args:
        parts: Each document with its name, which is empty for text of the file itself; one without
            text adds only its problems.
    """
    texts: list[str] = []
    places: list[Place] = []
    headings: list[Heading] = []
    problems: list[str] = []
    offset = read = 0
    unread = 0.0
    for name, document in parts:
        problems += (f"{name}: {problem}" if name else problem for problem in document.problems)
        size = len(document.text)
        unread += size * document.unread / (1 - min(document.unread, 0.999))
        if not size:
            continue
        offset += len(_GAP) if texts else 0
        headings += _headings_in(name, document, offset)
        places += _places_in(name, document, offset)
        texts.append(document.text)
        offset += size
        read += size
    return Document(
        _GAP.join(texts),
        places=tuple(places),
        headings=tuple(headings),
        problems=tuple(problems),
        unread=unread / (read + unread) if unread else 0.0,
    )


def _headings_in(name: str, document: Document, offset: int) -> Iterator[Heading]:
    if name:
        yield Heading(offset, 1, name)
    for one in document.headings:
        yield replace(one, start=one.start + offset, level=one.level + bool(name))


def _places_in(name: str, document: Document, offset: int) -> Iterator[Place]:
    for one in document.places or (Place(0),):
        path = ", ".join(filter(None, (name, one.name)))
        page = None if name else one.page
        yield one._replace(start=one.start + offset, name=path, page=page)
