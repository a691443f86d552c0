"""The text of OpenDocument files: paragraphs, lists, tables, notes and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingest.loaders.blocks import LONGEST_REPEAT, Block, lines_block, row_line
from ingest.loaders.list_numbers import BULLET, ListCounter
from ingest.loaders.odf import ListStyles, OdfFile, integer, odf

_SPACE = re.compile(r"[ \t\r\n]+")
_MOST_SPACES = 100  # of one element; chosen by hand, as is the next
_MOST_REPEATS = 50
_SKIPPED = frozenset(
    map(
        odf,
        "text:tracked-changes text:deletion office:forms text:ruby-text text:note-citation "
        "svg:title svg:desc text:sequence-decls office:event-listeners".split(),
    )
)
_NOTE, _ANNOTATION = odf("text:note"), odf("office:annotation")
_BOXES = frozenset(map(odf, ("draw:text-box", "table:table")))
_PARAGRAPHS = frozenset(map(odf, ("text:p", "text:h")))
_ROW_GROUPS = frozenset(
    map(odf, ("table:table-header-rows", "table:table-rows", "table:table-row-group"))
)
_COVERED = odf("table:covered-table-cell")
_CELLS = (odf("table:table-cell"), _COVERED)
_LINES = {odf("text:tab"): "\t", odf("text:line-break"): "\n"}


@dataclass(slots=True)
class _List:
    """A list around a paragraph: its style, depth from 0, and counts."""

    style: str
    depth: int
    counter: ListCounter


@dataclass(slots=True)
class _Table:
    """The lines of a table; by column, the text of a merged cell and the rows it still fills."""

    lines: list[str] = field(default_factory=list)
    merged: dict[int, tuple[str, int]] = field(default_factory=dict)


class OdfReader:
    """Reads the text of a file in order; notes come after the paragraph they belong to."""

    def __init__(self, file: OdfFile) -> None:
        self._lists = ListStyles(file)
        self._parents = {
            name: style.get(odf("style:parent-style-name"), "")
            for name, style in file.styles_named("style:style")
            if style.get(odf("style:family")) == "paragraph"
        }
        self._outline = ListCounter()
        self._by_style: dict[str, ListCounter] = {}
        self._by_id: dict[str, ListCounter] = {}
        self._after: list[Any] = []
        self._cells = 0

    def blocks(self, parent: Any) -> Iterator[Block]:
        """Yield the paragraphs, items and tables in an element."""
        for element in parent:
            if element.tag in _PARAGRAPHS:
                yield from self._paragraph(element, "")
            elif element.tag == odf("text:list"):
                yield from self._list(element, None)
            elif element.tag == odf("table:table"):
                yield from self._table(element)
            elif element.tag in (_NOTE, _ANNOTATION):
                self._after.append(element)
            elif element.tag not in _SKIPPED:
                yield from self.blocks(element)
        yield from self._anchored()

    def _paragraph(self, element: Any, label: str) -> Iterator[Block]:
        text = self.text(element)
        level = None
        if element.tag == odf("text:h"):
            level = integer(element.get(odf("text:outline-level")), 1)
            label = label if label != BULLET else ""
            if not label and element.get(odf("text:is-list-header")) != "true":
                label = self._outline.next_label(self._lists.outline, level - 1)
                label = label if self._lists.outline else ""
        elif self._is_title(element.get(odf("text:style-name"), "")):
            level = 0
        if text:
            yield Block(f"{label} {text}".strip(), level=level)
        yield from self._anchored()

    def _is_title(self, style: str) -> bool:
        seen: set[str] = set()
        while style and style not in seen:
            if style == "Title":
                return True
            seen.add(style)
            style = self._parents.get(style, "")
        return False

    def text(self, paragraph: Any) -> str:
        """Return the text of a paragraph; what is anchored in it is read after it."""
        parts: list[str] = []
        stack: list[Any] = [paragraph]
        while stack:
            current = stack.pop()
            if isinstance(current, str):
                parts.append(_SPACE.sub(" ", current))
                continue
            if current is not paragraph and current.tail:
                stack.append(current.tail)
            if current.tag in (_NOTE, _ANNOTATION) or current.tag in _BOXES:
                self._after.append(current)
            elif current.tag == odf("text:s"):
                parts.append(" " * min(integer(current.get(odf("text:c")), 1), _MOST_SPACES))
            elif current.tag in _LINES:
                parts.append(_LINES[current.tag])
            elif current.tag not in _SKIPPED:
                stack += reversed(current)
                stack += [current.text] if current.text else []
        return "".join(parts).replace("\xad", "").strip()

    def _anchored(self) -> Iterator[Block]:
        """Yield the notes, comments and frames of the paragraphs before; not within a cell."""
        while self._after and not self._cells:
            elements, self._after = self._after, []
            for element in elements:
                if element.tag in _BOXES:
                    yield from self._box(element)
                else:
                    yield from self._note(element)

    def _box(self, element: Any) -> Iterator[Block]:
        if element.tag == odf("table:table"):
            yield from self._table(element)
        else:
            yield from self.blocks(element)

    def _note(self, note: Any) -> Iterator[Block]:
        if note.tag == _ANNOTATION:
            author = (note.findtext(odf("dc:creator")) or "").strip()
            mark, body = f"Comment by {author}" if author else "Comment", note
        else:
            kind = note.get(odf("text:note-class"), "footnote").capitalize()
            number = (note.findtext(odf("text:note-citation")) or "").strip()
            mark, body = f"{kind} {number}".strip(), note.find(odf("text:note-body"))
        if body is not None and (text := self.story(body)):
            yield Block(f"{mark}: {text}")

    def story(self, element: Any) -> str:
        """Return the paragraphs and rows in an element, a line each."""
        texts = (
            block.text
            for block in self.blocks(
                [one for one in element if not one.tag.startswith((odf("dc:"), odf("meta:")))]
            )
        )
        return "\n".join(texts)

    def _list(self, element: Any, outer: _List | None) -> Iterator[Block]:
        here = self._enter(element, outer)
        gap = 1 if outer else 2
        for item in element:
            if (start := item.get(odf("text:start-value"))) is not None:
                here.counter.set_next(here.depth, integer(start, 1))
            counts = item.tag == odf("text:list-item")
            for child in item:
                if child.tag == odf("text:list"):
                    yield from self._list(child, here)
                elif child.tag in _PARAGRAPHS:
                    label = self._label(here) if counts else ""
                    for block in self._paragraph(child, label):
                        yield Block(block.text, gap if counts else 2, block.level)
                        gap = 1
                    counts = False

    def _enter(self, element: Any, outer: _List | None) -> _List:
        """Return the list that begins, with its own counts unless it continues another."""
        style = element.get(odf("text:style-name"), "")
        if outer:
            return _List(style or outer.style, outer.depth + 1, outer.counter)
        counter = self._by_id.get(element.get(odf("text:continue-list")))
        if counter is None and element.get(odf("text:continue-numbering")) == "true":
            counter = self._by_style.get(style)
        counter = counter or ListCounter()
        self._by_style[style] = counter
        if list_id := element.get(odf("xml:id")):
            self._by_id[list_id] = counter
        return _List(style, 0, counter)

    def _label(self, here: _List) -> str:
        return here.counter.next_label(self._lists.levels(here.style), here.depth)

    def _table(self, table: Any) -> Iterator[Block]:
        """Yield a block for the rows of a table; those that only arrange text yield theirs."""
        found = _Table()
        for row in _rows(table):
            cells = list(row.iterchildren(*_CELLS))
            if len(cells) > 1 and not _holds_table(cells):
                repeats = min(integer(row.get(odf("table:number-rows-repeated")), 1), _MOST_REPEATS)
                found.lines += row_line(self._row_texts(cells, found)) * repeats
                continue
            yield from lines_block(found.lines)
            found.lines = []
            for cell in cells:
                yield from self.blocks(cell)
        yield from lines_block(found.lines)
        yield from self._anchored()

    def _row_texts(self, cells: list[Any], table: _Table) -> Iterator[str]:
        column = 0
        for cell in cells:
            repeats = integer(cell.get(odf("table:number-columns-repeated")), 1)
            if cell.tag == _COVERED:
                yield from self._covered(column, repeats, table)
            else:
                text = self._cell_text(cell)
                spanned = integer(cell.get(odf("table:number-rows-spanned")), 1)
                table.merged[column] = (text if len(text) <= LONGEST_REPEAT else "", spanned - 1)
                yield from [text] * min(repeats, _MOST_REPEATS if text else 1)
            column += repeats

    def _covered(self, column: int, repeats: int, table: _Table) -> Iterator[str]:
        """Yield the texts of cells above that reach into a row."""
        for at in range(column, column + min(repeats, _MOST_REPEATS)):
            text, rows = table.merged.get(at, ("", 0))
            if rows > 0:
                table.merged[at] = (text, rows - 1)
                yield text

    def _cell_text(self, cell: Any) -> str:
        self._cells += 1
        text = " ".join(block.text for block in self.blocks(cell))
        self._cells -= 1
        return text


def _holds_table(cells: list[Any]) -> bool:
    return any(cell.find(odf("table:table")) is not None for cell in cells)


def _rows(table: Any) -> Iterator[Any]:
    stack = list(reversed(table))
    while stack:
        current = stack.pop()
        if current.tag in _ROW_GROUPS:
            stack += reversed(current)
        elif current.tag == odf("table:table-row"):
            yield current
