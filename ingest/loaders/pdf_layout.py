"""Turn the lines of PDF pages into a document: tell headings from text, drop running lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.loaders.metadata import stated
from ingest.types import Document, Heading, Place

# One line break, so that a sentence may continue on the next page.
_PAGE_BREAK = "\n"
# The numbers below were chosen by hand. A heading is this much larger than the text; if more than a
# share of _MOST_HEADINGS of the text is that large, sizes say nothing.
_HEADING_SIZE = 1.15
_LONGEST_HEADING = 120
_DEEPEST_LEVEL = 4
_MOST_HEADINGS = 0.2

# A first or last line that recurs on this share of the pages is a running header or footer.
_RUNNING_SHARE = 0.5
_RUNNING_PAGES = 3
_RUNNING_LINES = 2
_DIGITS = re.compile(r"\d+")
# A line with a larger share of unmapped glyphs is set in a font without a code table.
_MOST_UNMAPPED = 0.1
_UNMAPPED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff]")

# PDFium marks a hyphen at a line end with one of these, depending on the call.
_LINE_HYPHEN = re.compile("[\x02\ufffe](\\S*)[ \t]*")
_HYPHENATED = re.compile(r"\b[^\W\d_]+-[^\W\d_]+")
_LONGEST_WORD = 50
_WORD_END = re.compile(r"[^\W\d_]+$")
_WORD_START = re.compile(r"[^\W\d_]+")
_LETTERS = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
    | dict.fromkeys(map(chr, (0, 0xAD)), "")
    | {"\xa0": " "}
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page and the height of its letters, in points; 0 if unknown."""

    text: str
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of the outline; ``page`` counts from 0, ``level`` from 1."""

    title: str
    page: int
    level: int


@dataclass(frozen=True, slots=True)
class PdfPages:
    """The output of a parser: lines by page (None if it failed), outline, title and date."""

    pages: list[list[Line] | None]
    outline: tuple[Bookmark, ...] = ()
    title: str = ""
    changed: str = ""

    @property
    def has_text(self) -> bool:
        """Whether any page has a visible character."""
        return any(line.text.strip() for page in self.pages for line in page or ())


def pdf_document(pdf: PdfPages) -> Document:
    """Return the text of the pages with its headings; failed pages are listed as problems."""
    pages = _without_running_lines([_tidy(page or []) for page in pdf.pages])
    text = _PAGE_BREAK.join("\n".join(line.text for line in page) for page in pages)
    starts: list[int] = []
    offset = 0
    for page in pages:
        starts.append(offset)
        offset += sum(len(line.text) + 1 for line in page) - bool(page) + len(_PAGE_BREAK)
    title = " ".join(pdf.title.translate(_LETTERS).split())
    return Document(
        text,
        places=tuple(Place(at, f"page {n}", n) for n, at in enumerate(starts, 1)),
        headings=tuple(_outlined(pdf.outline, text, starts) or _enlarged(pages, starts)),
        metadata=stated(title, pdf.changed),
        problems=tuple(
            f"page {number} could not be read"
            for number, page in enumerate(pdf.pages, 1)
            if page is None
        ),
    )


def _tidy(lines: list[Line]) -> list[Line]:
    """Return the lines with ligatures expanded and hyphenated words rejoined."""
    hyphenated = {word for line in lines for word in _HYPHENATED.findall(line.text)}
    return [
        Line(_UNMAPPED.sub(" ", text).strip(), line.height)
        for line in lines
        for text in _rejoin(line.text.translate(_LETTERS), hyphenated).splitlines()
        if text.strip() and len(_UNMAPPED.findall(text)) <= len(text) * _MOST_UNMAPPED
    ]


def _rejoin(text: str, hyphenated: set[str]) -> str:
    """Return the text with the line break moved behind the rejoined word.

    The hyphen is kept in a number, before a capital, and in a word that occurs with one elsewhere.
    """

    def join(match: re.Match[str]) -> str:
        before = _WORD_END.search(text, max(0, match.start() - _LONGEST_WORD), match.start())
        after = _WORD_START.match(match[1])
        word = f"{before[0]}-{after[0]}" if before and after else ""
        drop = word and word not in hyphenated and match[1][0].islower()
        return ("" if drop else "-") + match[1] + "\n"

    return _LINE_HYPHEN.sub(join, text)


def _without_running_lines(pages: list[list[Line]]) -> list[list[Line]]:
    """Return the pages without page numbers and repeated headers and footers.

    The first occurrence of a repeated line is kept, so that no information is lost.
    """
    for edge in (0, -1):
        for _ in range(_RUNNING_LINES):
            shapes = Counter(_shape(page[edge]) for page in pages if page)
            running = {shape for shape, n in shapes.items() if n > len(pages) * _RUNNING_SHARE}
            if len(pages) < _RUNNING_PAGES or not running:
                break
            pages = list(_drop(running, pages, edge))
    return pages


def _shape(line: Line) -> str:
    return _DIGITS.sub("#", line.text)


def _drop(running: set[str], pages: list[list[Line]], edge: int) -> Iterator[list[Line]]:
    seen = {"#"}
    for page in pages:
        shape = _shape(page[edge]) if page else ""
        yield (page[1:] if edge == 0 else page[:-1]) if shape in running & seen else page
        seen.add(shape)


def _outlined(outline: tuple[Bookmark, ...], text: str, starts: list[int]) -> list[Heading]:
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


def _enlarged(pages: list[list[Line]], starts: list[int]) -> list[Heading]:
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


def _page_headings(page: list[Line], offset: int, levels: dict[float, int]) -> Iterator[Heading]:
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
