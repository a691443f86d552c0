"""Leave out the lines that return page by page: headers, footers and page numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ingest.loaders.pdf_pages import Line

# Chosen by hand: lines at each edge of a page that may be running, pages on which a line has to
# return, and how many pages further it may do so, for left and right pages differ.
_RUNNING_LINES = 2
_RUNNING_PAGES = 3
_FURTHEST = 2
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
    """Return of each page whether its line repeats one on a page before."""
    shapes = [set(_shapes(text, page)) for page, text in enumerate(texts)]
    chains: dict[_Shape, list[int]] = {}
    running = [False] * len(texts)
    for page, found in enumerate(shapes):
        for shape in found:
            chain = chains.setdefault(shape, [])
            if chain and page - chain[-1] > _FURTHEST:
                _mark(shape, chain, running)
                chain.clear()
            chain.append(page)
    for shape, chain in chains.items():
        _mark(shape, chain, running)
    return running


def _mark(shape: _Shape, chain: Sequence[int], running: list[bool]) -> None:
    """Mark the pages of a running line, the first one only if it is nothing but a page number."""
    if len(chain) >= _RUNNING_PAGES:
        bare = shape.ahead is not None and not re.search(r"[^\W\d_]", shape.text)
        for page in chain if bare else chain[1:]:
            running[page] = True


def _shapes(text: str, page: int) -> Iterator[_Shape]:
    if not text:
        return
    yield _Shape(text)
    for number in _NUMBER.finditer(text):
        shape = f"{text[: number.start()]}\0{text[number.end() :]}"
        if len(number[0]) <= 6 and (_PAGE_WORDS.fullmatch(shape) or _PARTED.search(shape)):
            yield _Shape(shape, int(number[0]) - page)
