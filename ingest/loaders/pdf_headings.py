"""The headings of a PDF: its bookmarks, or else the lines in larger letters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ingest.loaders.pdf_pages import Bookmark, Line
from ingest.types import Heading

# The numbers below were chosen by hand. A heading is this much larger than the text; if more than a
# share of _MOST_HEADINGS of the text is that large, sizes say nothing.
_HEADING_SIZE = 1.15
_LONGEST_HEADING = 120
_DEEPEST_LEVEL = 4
_MOST_HEADINGS = 0.2


def outlined(outline: Sequence[Bookmark], text: str, starts: list[int]) -> list[Heading]:
    """Return a heading for each bookmark whose title starts a line of its page."""
    headings: list[Heading] = []
    position = 0
    for bookmark in outline:
        if not 0 <= bookmark.page < len(starts):
            continue
        first = max(position, starts[bookmark.page])
        last = starts[bookmark.page + 1] if bookmark.page + 1 < len(starts) else len(text)
        words = r"\s+".join(re.escape(word) for word in bookmark.title.split())
        line = re.compile(rf"^[\d.]*[^\S\n]*{words}", re.MULTILINE | re.IGNORECASE)
        if found := line.search(text, first, last):
            headings.append(Heading(found.start(), bookmark.level, bookmark.title))
            position = found.end()
    return headings


def enlarged(pages: Sequence[Sequence[Line]], starts: list[int]) -> list[Heading]:
    """Return the lines in a larger size than most of the text, the largest as level 1."""
    sizes = Counter[float]()
    for page in pages:
        for line in page:
            sizes[line.height] += len(line.text)
    del sizes[0.0]
    if not sizes:
        return []
    body = max(sizes, key=lambda size: sizes[size])
    larger = sorted((size for size in sizes if size >= body * _HEADING_SIZE), reverse=True)
    if sum(sizes[size] for size in larger) > sizes.total() * _MOST_HEADINGS:
        return []
    levels = {size: min(i, _DEEPEST_LEVEL) for i, size in enumerate(larger, 1)}
    return [
        heading
        for page, start in zip(pages, starts, strict=True)
        for heading in _page_headings(page, start, levels)
    ]


def _page_headings(
    page: Sequence[Line], offset: int, levels: dict[float, int]
) -> Iterator[Heading]:
    """Yield the headings of a page; consecutive lines of one size are one heading."""
    heading: Heading | None = None
    size = 0.0
    for line in page:
        is_heading = line.height in levels and sum(map(str.isalpha, line.text)) > 1
        if heading and not (is_heading and line.height == size):
            if len(heading.title) <= _LONGEST_HEADING:
                yield heading
            heading = None
        if is_heading and heading:
            heading = Heading(heading.start, heading.level, f"{heading.title} {line.text.strip()}")
        elif is_heading:
            heading = Heading(offset, levels[line.height], line.text.strip())
        size = line.height
        offset += len(line.text) + 1
    if heading and len(heading.title) <= _LONGEST_HEADING:
        yield heading
