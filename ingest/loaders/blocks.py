"""Join the blocks of a file, or the documents in it, to one text with headings and places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ingest.types import Document, Heading, Place

_GAP = "\n\n"
LONGEST_REPEAT = 300  # a longer cell is not repeated in each row it spans; chosen by hand


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


def join_parts(
    parts: Iterable[tuple[str, Iterable[Block]]], *, name_untitled: bool = False
) -> tuple[str, tuple[Heading, ...], tuple[Place, ...]]:
    """Return the text of the parts of a file, its headings, and a place for each part with text.

    Args:
        parts: The blocks of each part with its name, such as ``slide 2``.
        name_untitled: Whether a part that does not begin with a heading is a section of its name.
    """
    texts: list[str] = []
    headings: list[Heading] = []
    places: list[Place] = []
    offset = 0
    for name, blocks in parts:
        text, found = join_blocks(blocks)
        if not text:
            continue
        offset += len(_GAP) if texts else 0
        places.append(Place(offset, name))
        if name_untitled and not (found and found[0].start == 0):
            headings.append(Heading(offset, 1, name))
        headings += (replace(one, start=one.start + offset) for one in found)
        texts.append(text)
        offset += len(text)
    return _GAP.join(texts), tuple(headings), tuple(places)


def lines_block(lines: Iterable[str]) -> list[Block]:
    """Return a block of lines in a list, empty if they have no text."""
    text = "\n".join(lines)
    return [Block(text)] if text.strip() else []


def row_line(cells: Iterable[str]) -> list[str]:
    """Return the line of a table row in a list, empty if the row has no text."""
    line = " | ".join(" ".join(cell.split()) for cell in cells).strip()
    return [line] if line.strip(" |") else []


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
