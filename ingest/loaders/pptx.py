"""PowerPoint presentations (Office Open XML, ECMA-376)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.loaders.blocks import Block, join_parts, lines_block
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.ooxml import GRAPHICS, Package, graphic_text, qn
from ingest.loaders.pptx_shapes import (
    Layout,
    is_placeholder,
    items,
    paragraphs,
    placeholder,
    shapes_in_order,
    table_lines,
)
from ingest.loaders.ranges import numbered
from ingest.loaders.zip_parts import DAMAGED
from ingest.types import Document

_TITLES = frozenset(("title", "ctrTitle"))
_FIELDS = frozenset(("dt", "sldNum"))
_RUNNING = frozenset(("ftr", "hdr"))


def load_pptx(content: bytes, options: LoadOptions) -> Document:
    """Return the slides in order, each a place: title, text, tables, notes and comments."""
    deck = _Deck(Package(content, options))
    text, headings, places = join_parts(deck.slides(options), name_untitled=True)
    return Document(
        text,
        places,
        headings,
        deck.package.metadata(),
        tuple(dict.fromkeys(deck.package.problems)),
        deck.unread,
    )


class _Deck:
    """Reads the slides of a presentation."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.part = package.main_part("ppt/presentation.xml")
        self.layouts: dict[str, Layout] = {}
        self.running: set[str] = set()
        self.authors = dict(self._authors())
        self.unread = 0.0

    def slides(self, options: LoadOptions) -> Iterator[tuple[str, list[Block]]]:
        """Yield the name and the blocks of each slide."""
        found = list(self.package.xml(self.part).iter(qn("p:sldId")))
        unread: list[int] = []
        for number, one in enumerate(found, 1):
            part = self.package.target(self.part, one.get(qn("r:id")))
            root = self._root(part) if part and not options.expired else None
            if root is None:
                unread.append(number)
                continue
            hidden = root.get("show") in ("0", "false")
            name = f"slide {number} (hidden)" if hidden else f"slide {number}"
            yield name, list(self._slide(root, part or ""))
        if unread:
            why = "in time" if options.expired else ""
            problem = f"{numbered('slide', unread)} could not be read {why}".rstrip()
            self.package.problems.append(problem)
        self.unread = len(unread) / max(len(found), 1)

    def _root(self, part: str) -> Any:
        try:
            return self.package.xml(part)
        except DAMAGED:
            return None

    def _slide(self, root: Any, part: str) -> Iterator[Block]:
        layout = self._layout(part)
        shapes = list(shapes_in_order(root.find(f"{qn('p:cSld')}/{qn('p:spTree')}"), layout))
        titles = [shape for shape in shapes if placeholder(shape) in _TITLES]
        for shape in titles:
            if title := " ".join(" ".join(paragraphs(shape)).split()):
                yield Block(title, level=1)
        for shape in shapes:
            if shape not in titles:
                yield from self._shape(shape, part)
        yield from self._notes(part)
        yield from self._comments(part)

    def _shape(self, shape: Any, part: str) -> Iterator[Block]:
        kind = placeholder(shape)
        if kind in _FIELDS:
            return
        if shape.tag == qn("p:graphicFrame"):
            for table in shape.iter(qn("a:tbl")):
                yield from lines_block(table_lines(table))
            for graphic in shape.iter(*GRAPHICS):
                yield from lines_block(graphic_text(self.package, part, graphic).splitlines())
            return
        lines = list(items(shape))
        if kind in _RUNNING:
            text = "\n".join(lines)
            lines = [] if text in self.running else lines
            self.running.add(text)
        yield from lines_block(lines)

    def _notes(self, part: str) -> Iterator[Block]:
        for root in self.package.optional_related(part, "notesSlide", "speaker notes"):
            for shape in root.iter(qn("p:sp")):
                text = "\n".join(paragraphs(shape)) if is_placeholder(shape, "body") else ""
                if text:
                    yield Block(f"Notes: {text}")

    def _comments(self, part: str) -> Iterator[Block]:
        for root in self.package.optional_related(part, "comments", "comments"):
            for comment in root.iter("{*}cm", "{*}reply"):
                author = self.authors.get(comment.get("authorId", ""), "")
                body = comment.find("{*}txBody")
                lines = paragraphs(comment if body is None else body)
                if text := comment.findtext("{*}text") or "\n".join(lines):
                    yield Block(f"Comment by {author}: {text}" if author else f"Comment: {text}")

    def _authors(self) -> Iterator[tuple[str, str]]:
        for kind in ("commentAuthors", "authors"):
            for root in self.package.optional_related(self.part, kind, "authors of comments"):
                yield from ((one.get("id", ""), one.get("name", "")) for one in root)

    def _layout(self, part: str) -> Layout:
        name = next(iter(self.package.related(part, "slideLayout")), "")
        if name not in self.layouts:
            masters = self.package.related(name, "slideMaster") if name else []
            roots = [self.package.optional(one, "layouts") for one in (name, *masters) if one]
            self.layouts[name] = Layout([root for root in roots if root is not None])
        return self.layouts[name]
