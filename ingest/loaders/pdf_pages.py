"""The parts of a PDF as a parser gives them, and what is said of the pages that it can't read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from ingest.loaders.ranges import numbered


class Box(NamedTuple):
    """A rectangle on a page, in points from its lower left corner."""

    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page.

    Attributes:
        text: Its text.
        height: Height of its letters, in points; 0 if unknown.
        ranges: The parser's characters that it shows, in order, as offsets of the first and after
            the last one; empty if unknown.
    """

    text: str
    height: float = 0.0
    ranges: tuple[tuple[int, int], ...] = ()


class PageState(Enum):
    """How a page was read, or why it was not."""

    READ = auto()
    RECOGNISED = auto()
    SCANNED = auto()
    PICTURE = auto()
    UNMAPPED = auto()
    LATE = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Page:
    """The lines of a page."""

    lines: tuple[Line, ...] = ()
    state: PageState = PageState.READ

    @property
    def has_text(self) -> bool:
        """Whether a character is visible."""
        return any(line.text.strip() for line in self.lines)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of the outline; ``page`` counts from 0, ``level`` from 1."""

    title: str
    page: int
    level: int


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A page as it is shown, with a quote highlighted.

    Attributes:
        png: The picture.
        width: Width of the page, in points.
        height: Height of the page, in points.
        boxes: A rectangle for each line of the quote, in points from the lower left corner of the
            page as it is shown; none if the page has no characters, as a scanned one.
    """

    png: bytes
    width: float
    height: float
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class PdfPages:
    """The output of a parser.

    Attributes:
        pages: The first pages, all but those after ``pages`` that could not be read either.
        count: Number of pages that the file claims to have.
        outline: Its bookmarks.
        title: Its title; empty if it states none.
        changed: When it was changed, as the file writes it.
        unrecognised: Why the text in scanned pages was not recognised.
    """

    pages: tuple[Page, ...]
    count: int
    outline: tuple[Bookmark, ...] = ()
    title: str = ""
    changed: str = ""
    unrecognised: str = ""

    @property
    def has_text(self) -> bool:
        """Whether any page has a visible character."""
        return any(page.has_text for page in self.pages)

    def ranges(self, state: PageState) -> str:
        """Return the numbers of the pages in a state, as ``pages 2–3, 7``; empty if none is."""
        numbers = [n for n, page in enumerate(self.pages, 1) if page.state is state]
        last = PageState.LATE if self.pages and self.pages[-1].state is PageState.LATE else None
        rest = [(len(self.pages) + 1, self.count)] if state is (last or PageState.FAILED) else []
        return numbered("page", numbers, rest if self.count > len(self.pages) else (), most=None)

    def problems(self) -> Iterator[str]:
        """Yield what could not be read, one sentence a cause."""
        for state, problem in {
            PageState.FAILED: "could not be read",
            PageState.LATE: "were not read within the time limit",
            PageState.SCANNED: f"of {self.count} look scanned: {self.unrecognised}",
            PageState.PICTURE: f"of {self.count} look scanned: no text was recognised there",
        }.items():
            if pages := self.ranges(state):
                yield f"{pages} {_agreeing(problem, pages)}"
        if pages := self.ranges(PageState.UNMAPPED):
            yield f"{pages}: text in a font without a code table"

    def unread(self, size: int, most: int) -> float:
        """Return the estimated share of text in the pages that could not be read.

        Such a page has as much text as the others, and all of them no more than ``most``.

        Args:
            size: Characters of the text that was read.
            most: Characters that the file could hold.
        """
        lost = {PageState.FAILED, PageState.LATE, PageState.SCANNED, PageState.UNMAPPED}
        missing = self.count - sum(page.state not in lost for page in self.pages)
        if not missing:
            return 0.0
        if missing == self.count:
            return 1.0
        unread = min(size * missing / (self.count - missing), most)
        return unread / (size + unread)


def _agreeing(problem: str, pages: str) -> str:
    """Return the problem in the singular if there is one page."""
    if pages.startswith("pages"):
        return problem
    return problem.replace("were not", "was not").replace("look ", "looks ")
