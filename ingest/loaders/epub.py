"""EPUB books (EPUB 3.3; OCF 3.3)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ingest.errors import LoadError
from ingest.loaders.blocks import Block, join_parts
from ingest.loaders.html import html_blocks, parse_html
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.metadata import stated
from ingest.loaders.ranges import numbered
from ingest.loaders.zip_parts import DAMAGED, ZipParts
from ingest.types import Document

_PAGES = frozenset(("application/xhtml+xml", "text/html", "application/x-dtbook+xml"))


def load_epub(content: bytes, options: LoadOptions) -> Document:
    """Return the chapters in reading order, each a place.

    Raises:
        LoadError: If the text is encrypted, or the file can't be read.
    """
    book = _Book(ZipParts(content, options))
    text, headings, places = join_parts(book.chapters(options))
    return Document(
        text,
        places,
        headings,
        book.metadata(),
        tuple(book.problems),
        book.unread,
    )


class _Book:
    """Reads the documents of a book in the order of its spine."""

    def __init__(self, parts: ZipParts) -> None:
        self.parts = parts
        self.problems: list[str] = []
        self.unread = 0.0
        name = _package_name(parts)
        self.package = parts.xml(name)
        self.folder = posixpath.dirname(name)

    def chapters(self, options: LoadOptions) -> Iterator[tuple[str, list[Block]]]:
        """Yield the name and the blocks of each document."""
        pages = self._pages()
        self._refuse_encrypted(pages)
        unread: list[int] = []
        for number, page in enumerate(pages, 1):
            blocks = None if options.expired else self._blocks(page)
            if blocks is None:
                unread.append(number)
            yield f"chapter {number}", blocks or []
        if unread:
            why = "in time" if options.expired else ""
            self.problems.append(f"{numbered('chapter', unread)} could not be read {why}".rstrip())
        self.unread = len(unread) / max(len(pages), 1)

    def _pages(self) -> list[str]:
        """Return the names of the documents in reading order; all if the order is not stated."""
        pages: dict[str, str] = {}
        for item in self.package.iter("{*}item"):
            if item.get("media-type", "").lower() in _PAGES:
                path = posixpath.join(self.folder, unquote(item.get("href", "")))
                pages[item.get("id", "")] = posixpath.normpath(path)
        spine = [one.get("idref", "") for one in self.package.iter("{*}itemref")]
        listed = [pages[name] for name in dict.fromkeys(spine) if name in pages]
        return listed or list(pages.values())

    def _blocks(self, page: str) -> list[Block] | None:
        """Return the blocks of a document; None if it can't be read."""
        try:
            return html_blocks(parse_html(self.parts.read(page)))
        except (KeyError, LoadError, *DAMAGED):
            return None

    def _refuse_encrypted(self, pages: list[str]) -> None:
        """Raise LoadError if a document is encrypted; fonts may be."""
        if "META-INF/encryption.xml" not in self.parts:
            return
        references = self.parts.xml("META-INF/encryption.xml").iter("{*}CipherReference")
        encrypted = {unquote(one.get("URI", "")) for one in references}
        if encrypted & set(pages):
            raise LoadError("is protected (DRM): its text is encrypted")

    def metadata(self) -> dict[str, str]:
        """Return the title and the date of the last change, or of publication."""
        changed = [
            one.text or ""
            for one in self.package.iter("{*}meta")
            if one.get("property") == "dcterms:modified"
        ]
        return stated(self._stated("title"), (changed or [self._stated("date")])[0])

    def _stated(self, name: str) -> str:
        found: Any = self.package.find(f".//{{http://purl.org/dc/elements/1.1/}}{name}")
        return "" if found is None else " ".join("".join(found.itertext()).split())


def _package_name(parts: ZipParts) -> str:
    """Return the name of the package document."""
    if "META-INF/container.xml" in parts:
        for one in parts.xml("META-INF/container.xml").iter("{*}rootfile"):
            if (name := one.get("full-path", "")) in parts:
                return str(name)
    return next(name for name in parts.names if name.lower().endswith(".opf"))
