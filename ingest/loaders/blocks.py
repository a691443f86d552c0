"""Join the blocks of a file to one text with headings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ingest.types import Heading


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
