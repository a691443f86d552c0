"""Leave out the lines that return page by page: headers, footers and page numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ingest.loaders.pdf_pages import Line

# Chosen by hand: lines at each edge of a page that may be running, share of the pages that then
# have one, pages on which a line has to return, and how many pages further it may do so, for left
# and right pages differ.
_RUNNING_LINES = 2
_RUNNING_SHARE = 0.5
_RUNNING_PAGES = 3
_FURTHEST = 2
_LETTER = re.compile(r"[^\W\d_]")
_NUMBER = re.compile(r"\d+")
# What a page number may stand beside: words for it, or a sign that parts it from other words.
_PAGE_WORDS = re.compile(
    r"(?:\W|\d|\b(?:page|p|pg|of|página|pagina|pág|pag|de|seite|von|folha|fl|fls)\b)*",
    re.IGNORECASE,
)
_PARTED = re.compile(r"[|•·–—/]\s*\0|\0\s*[|•·–—/]")


class _Shape(NamedTuple):
    """A line; a page number in it is replaced by NUL, and ``ahead`` is it less the page's index."""

    text: str
    ahead: int | None = None


class _Chain(NamedTuple):
    """A line that returns page by page, and the pages that it is on."""

    shape: _Shape
    pages: list[int]

    @property
    def is_bare_number(self) -> bool:
        """Whether it is a page number without words."""
        return self.shape.ahead is not None and not _LETTER.search(self.shape.text)


def without_running_lines(pages: Sequence[Sequence[Line]]) -> list[Sequence[Line]]:
    """Return the pages without page numbers and repeated headers and footers.

    The first occurrence of a repeated line is kept, so that no information is lost, and so is a
    page that has nothing else.
    """
    kept = list(pages)
    for edge in (0, -1):
        for _ in range(_RUNNING_LINES):
            running = _running([page[edge].text if page else "" for page in kept])
            if not any(running):
                break
            kept = [
                (page[1:] if edge == 0 else page[:-1]) if drop else page
                for page, drop in zip(kept, running, strict=True)
            ]
    return [page or whole for page, whole in zip(kept, pages, strict=True)]


def _running(texts: Sequence[str]) -> list[bool]:
    """Return of each page whether to leave out its line, which repeats one on a page before."""
    chains = [chain for chain in _chains(texts) if len(chain.pages) >= _RUNNING_PAGES]
    pages = {page for chain in chains for page in chain.pages}
    if len(pages) <= len(texts) * _RUNNING_SHARE:
        return []
    repeated = {page for chain in chains for page in chain.pages[not chain.is_bare_number :]}
    return [page in repeated for page in range(len(texts))]


def _chains(texts: Sequence[str]) -> list[_Chain]:
    """Return the lines of the same shape that follow each other."""
    chains: list[_Chain] = []
    last: dict[_Shape, _Chain] = {}
    for page, text in enumerate(texts):
        for shape in _shapes(text, page):
            chain = last.get(shape)
            if chain is None or page - chain.pages[-1] > _FURTHEST:
                chain = last[shape] = _Chain(shape, [])
                chains.append(chain)
            chain.pages.append(page)
    return chains


def _shapes(text: str, page: int) -> Iterator[_Shape]:
    if not text:
        return
    yield _Shape(text)
    for number in _NUMBER.finditer(text):
        shape = f"{text[: number.start()]}\0{text[number.end() :]}"
        if len(number[0]) <= 6 and (_PAGE_WORDS.fullmatch(shape) or _PARTED.search(shape)):
            yield _Shape(shape, int(number[0]) - page)
