"""Word documents (Office Open XML, ECMA-376)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.loaders.blocks import Block, join_blocks, lines_block, row_line
from ingest.loaders.docx_styles import Numbering, Styles, outline_level, value
from ingest.loaders.docx_tables import is_layout, row_texts, table_rows
from ingest.loaders.docx_text import ParagraphText, contents, read_paragraph
from ingest.loaders.list_numbers import BULLET, format_number
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.ooxml import Package, graphic_text, qn
from ingest.types import Document

_NOTES = {"footnotes": "Footnote", "endnotes": "Endnote", "comments": "Comment"}
_NUMBER_FORMATS = {"footnotes": "decimal", "endnotes": "lowerRoman"}  # what Word starts with


def load_docx(content: bytes, options: LoadOptions) -> Document:
    """Return the paragraphs and tables in order; raises LoadError if the file can't be read.

    The headers and footers come first, notes and comments after the paragraph that they belong to.
    """
    package = Package(content, options)
    reader = _Reader(package)
    body = package.xml(reader.part).find(qn("w:body"))
    blocks = list(reader.blocks(body))
    text, headings = join_blocks([*reader.running_blocks(body), *blocks, *reader.other_notes()])
    return Document(
        text,
        headings=headings,
        metadata=package.metadata(),
        problems=tuple(dict.fromkeys(package.problems)),
    )


class _Reader:
    """Reads the stories of a document: its body, headers, notes and text boxes."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.part = package.main_part("word/document.xml")
        self.styles = Styles(self._related("styles", "styles"))
        self.numbering = Numbering(self._related("numbering", "list numbers"), self.styles)
        self.notes = {(kind, one.get(qn("w:id"), "")): one for kind, one in self._notes()}
        self.numbers = dict.fromkeys(_NUMBER_FORMATS, 0)

    def _related(self, kind: str, what: str) -> Any:
        return next(self.package.optional_related(self.part, kind, what), None)

    def _notes(self) -> Iterator[tuple[str, Any]]:
        for kind in _NOTES:
            for root in self.package.optional_related(self.part, kind, kind):
                for note in root:
                    if note.get(qn("w:type"), "normal") == "normal":
                        yield kind, note

    def blocks(self, parent: Any) -> Iterator[Block]:
        """Yield the paragraphs and tables in an element."""
        in_list = False
        for element in contents(parent):
            if element.tag == qn("w:p"):
                found = read_paragraph(element)
                label, block = self._paragraph(element, found.text)
                if block.text:
                    yield Block(block.text, 1 if label and in_list else 2, block.level)
                    in_list = bool(label)
                yield from self._anchored(found)
            elif element.tag == qn("w:tbl"):
                yield from self._table(element)
                in_list = False

    def _paragraph(self, element: Any, text: str) -> tuple[str, Block]:
        """Return the list label of a paragraph, empty for a heading, and its block."""
        style = value(element.find(qn("w:pPr")), "w:pStyle") or self.styles.default
        level = outline_level(element)
        if level is None:
            level = self.styles.level(style)
        label = "" if _is_deleted(element, text) else self.numbering.label(element, style)
        if not text or (level is not None and label == BULLET):
            label = ""
        return "" if level is not None else label, Block(f"{label} {text}".strip(), level=level)

    def _anchored(self, found: ParagraphText) -> Iterator[Block]:
        """Yield the text boxes, graphics and notes of a paragraph."""
        for box in found.boxes:
            yield from self.blocks(box)
        for graphic in found.graphics:
            yield from lines_block(graphic_text(self.package, self.part, graphic).splitlines())
        for kind, note_id in found.notes:
            note = self.notes.pop((kind, note_id), None)
            if note is not None:
                yield from self._note(kind, note, self._mark(kind, note))

    def _mark(self, kind: str, note: Any) -> str:
        """Return what stands before the text of a note: ``Footnote 2`` or ``Comment by Ana``."""
        if kind == "comments":
            author = note.get(qn("w:author"))
            return f"Comment by {author}" if author else "Comment"
        self.numbers[kind] += 1
        return f"{_NOTES[kind]} {format_number(self.numbers[kind], _NUMBER_FORMATS[kind])}"

    def _note(self, kind: str, note: Any, mark: str) -> Iterator[Block]:
        if text := self._story(note):
            yield Block(f"{mark}: {text}")

    def _story(self, element: Any) -> str:
        """Return the text of a story, a line for each paragraph and row."""
        return "\n".join(block.text for block in self.blocks(element))

    def other_notes(self) -> Iterator[Block]:
        """Yield the notes and comments that no text refers to."""
        while self.notes:
            (kind, note_id), note = next(iter(self.notes.items()))
            del self.notes[kind, note_id]
            mark = self._mark(kind, note) if kind == "comments" else _NOTES[kind]
            yield from self._note(kind, note, mark)

    def running_blocks(self, body: Any) -> Iterator[Block]:
        """Yield the headers, then the footers, each text once, without bare page numbers."""
        for name, mark in (("w:headerReference", "Header"), ("w:footerReference", "Footer")):
            seen: set[str] = set()
            for reference in body.iter(qn(name)):
                part = self.package.target(self.part, reference.get(qn("r:id")))
                text = self._running_text(part, mark)
                if text not in seen and any(map(str.isalpha, text)):
                    yield Block(f"{mark}: {text}", 1)
                seen.add(text)

    def _running_text(self, part: str | None, mark: str) -> str:
        root = self.package.optional(part, f"{mark.lower()}s") if part else None
        return "" if root is None else self._story(root)

    def _table(self, table: Any) -> Iterator[Block]:
        """Yield a block for the rows of a table; those that only arrange text yield theirs."""
        rows = table_rows(table)
        above: dict[int, str] = {}
        lines: list[str] = []
        anchored = ParagraphText()
        for row in rows:
            if not is_layout(row, rows):
                cells = row_texts(row, above, lambda cell: self._cell_text(cell, anchored))
                lines += row_line(cells)
                continue
            yield from lines_block(lines)
            lines = []
            for cell in row:
                yield from self.blocks(cell)
        yield from lines_block(lines)
        yield from self._anchored(anchored)

    def _cell_text(self, cell: Any, anchored: ParagraphText) -> str:
        """Return the text of a cell; what is anchored in it is added to ``anchored``."""
        texts: list[str] = []
        for element in contents(cell):
            if element.tag == qn("w:p"):
                found = read_paragraph(element)
                texts.append(self._paragraph(element, found.text)[1].text)
                anchored.boxes += found.boxes
                anchored.graphics += found.graphics
                anchored.notes += found.notes
        return " ".join(texts)


def _is_deleted(paragraph: Any, text: str) -> bool:
    """Return whether a paragraph was deleted with changes tracked."""
    mark = paragraph.find(f"{qn('w:pPr')}/{qn('w:rPr')}/{qn('w:del')}")
    return not text and mark is not None
