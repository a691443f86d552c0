"""PowerPoint 97–2003 presentations ([MS-PPT], [MS-ODRAW])."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import olefile

from ingest.errors import LoadError
from ingest.loaders.blocks import Block, join_parts, lines_block, row_line
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.metadata import stated
from ingest.loaders.ppt_records import Record, children, descendants, numbers, record_at
from ingest.loaders.ranges import numbered
from ingest.loaders.slide_order import Box, reading_order
from ingest.loaders.text import decode
from ingest.types import Document

# Types of records.
_DRAWING, _GROUP, _SHAPE, _TEXT_BOX, _TABLE_OPTIONS = 0xF002, 0xF003, 0xF004, 0xF00D, 0xF122
_TEXT_HEADER, _TEXT_CHARS, _TEXT_BYTES, _TEXT_REFERENCE = 3999, 4000, 4008, 3998
_SLIDE_LIST, _SLIDE_PERSIST, _SLIDE_INFO, _NOTES_ATOM = 4080, 1011, 1017, 1009
_USER_EDIT, _PERSIST_DIRECTORY = 4085, 6002
_ANCHORS = {0xF010: ("4h", (1, 0, 3)), 0xF00F: ("4i", (0, 1, 3))}  # left, top and bottom in them

_SLIDES, _NOTES = 0, 2  # lists of slides
_TITLES, _NOTES_TEXT, _OTHER_TEXT = frozenset((0, 6)), 2, 4  # kinds of texts
_HIDDEN = 4
_TABLE_PROPERTIES = 0x39F
_ENCRYPTED = 0xF3D1C4DF
_SUMMARY = "\5SummaryInformation"
_TITLE, _CHANGED, _MOST_PROPERTIES = 2, 13, 100
_EPOCH = datetime(1601, 1, 1)  # of its times

_SYMBOL_BULLET = re.compile(r"^\s*[\uf020-\uf0ff]\s*")  # a character of a symbol font


class _Text(NamedTuple):
    kind: int
    text: str


class _Slide(NamedTuple):
    """An entry in a list of slides: its record, its id, and the texts of its placeholders."""

    record: Record
    id: int
    outline: list[_Text]


def load_ppt(content: bytes, options: LoadOptions) -> Document:
    """Return the slides in order, each a place: title, text, tables and notes.

    Raises:
        LoadError: If the file is encrypted or can't be read.
    """
    with olefile.OleFileIO(io.BytesIO(content)) as file:
        user = file.openstream("Current User").read()
        data = file.openstream("PowerPoint Document").read()
        has_facts = file.exists(_SUMMARY)
        metadata = _metadata(file.openstream(_SUMMARY).read()) if has_facts else {}
    token, offset = struct.unpack_from("<2I", user, 12)
    if token == _ENCRYPTED:
        raise LoadError("is encrypted: save it without a password")
    deck = _Deck(data, offset)
    text, headings, places = join_parts(deck.slides(options), name_untitled=True)
    return Document(text, places, headings, metadata, tuple(deck.problems))


def _metadata(facts: bytes) -> dict[str, str]:
    """Return the title and the date in a property set ([MS-OLEPS] 2.21)."""
    try:
        (section,) = struct.unpack_from("<I", facts, 44)
        (count,) = struct.unpack_from("<I", facts, section + 4)
        entries = facts[section + 8 : section + 8 + 8 * min(count, _MOST_PROPERTIES)]
        at = {name: section + offset for name, offset in struct.iter_unpack("<2I", entries)}
        title, changed = "", ""
        if _TITLE in at:
            _, length = struct.unpack_from("<2I", facts, at[_TITLE])
            title = decode(facts[at[_TITLE] + 8 :][:length].rstrip(b"\0"))
        if _CHANGED in at:
            (ticks,) = struct.unpack_from("<Q", facts, at[_CHANGED] + 4)
            changed = (_EPOCH + timedelta(microseconds=ticks // 10)).isoformat() if ticks else ""
    except (struct.error, OverflowError, LoadError):
        return {}
    return stated(" ".join(title.split()), changed)


class _Deck:
    """Reads the slides as they were saved last; earlier versions of them stay in the file."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.data = data
        self.problems: list[str] = []
        self.offsets: dict[int, int] = {}
        self.document = self._read_edits(offset)

    def _read_edits(self, offset: int) -> Record:
        """Collect the offsets of the saved objects, the newest first; return the document."""
        newest = 0
        seen = {0}
        while offset not in seen:
            seen.add(offset)
            edit = self._record(offset, _USER_EDIT)
            _, _, offset, directory, document = numbers(self.data, edit, "5I")
            newest = newest or document
            self._read_directory(self._record(directory, _PERSIST_DIRECTORY))
        return self._record(self.offsets[newest], None)

    def _record(self, offset: int, kind: int | None) -> Record:
        found = record_at(self.data, offset, len(self.data))
        if found is None or kind not in (None, found.kind):
            raise ValueError(f"there is no record {kind} at {offset}")
        return found

    def _read_directory(self, directory: Record) -> None:
        position = directory.start
        while position + 4 <= directory.end:
            (entry,) = struct.unpack_from("<I", self.data, position)
            first, count = entry & 0xFFFFF, entry >> 20
            count = min(count, (directory.end - position - 4) // 4)
            offsets = struct.unpack_from(f"<{count}I", self.data, position + 4)
            for number, offset in enumerate(offsets, first):
                self.offsets.setdefault(number, offset)
            position += 4 + 4 * count

    def slides(self, options: LoadOptions) -> Iterator[tuple[str, list[Block]]]:
        """Yield the name and the blocks of each slide."""
        notes = dict(self._notes())
        slides = list(self._listed(_SLIDES))
        for number, slide in enumerate(slides, 1):
            if options.expired:
                left = numbered("slide", range(number, len(slides) + 1))
                self.problems.append(f"{left} could not be read in time")
                return
            name = f"slide {number}"
            blocks = list(self._blocks(slide))
            if text := notes.get(slide.id):
                blocks.append(Block(f"Notes: {text}"))
            yield f"{name} (hidden)" if self._is_hidden(slide) else name, blocks

    def _listed(self, which: int) -> Iterator[_Slide]:
        """Yield the entries of a list of slides; each object once."""
        seen: set[int] = set()
        for one in children(self.data, self.document):
            if one.kind == _SLIDE_LIST and one.instance == which:
                for slide in self._entries(one):
                    if slide.record.start not in seen:
                        seen.add(slide.record.start)
                        yield slide

    def _entries(self, slide_list: Record) -> Iterator[_Slide]:
        slide: _Slide | None = None
        kind = _OTHER_TEXT
        for record in children(self.data, slide_list):
            if record.kind == _SLIDE_PERSIST:
                if slide:
                    yield slide
                reference, _, _, slide_id = numbers(self.data, record, "4I")
                slide = _Slide(self._record(self.offsets[reference], None), slide_id, [])
            elif record.kind == _TEXT_HEADER:
                (kind,) = numbers(self.data, record, "I")
            elif slide and (text := self._text_of(record)) is not None:
                slide.outline.append(_Text(kind, text))
        if slide:
            yield slide

    def _text_of(self, record: Record) -> str | None:
        """Return the text in a record, a line for each paragraph; None if it holds none."""
        content = self.data[record.start : record.end]
        if record.kind == _TEXT_CHARS:
            text = content.decode("utf-16-le", errors="replace")
        elif record.kind == _TEXT_BYTES:
            text = content.decode("latin-1")
        else:
            return None
        lines = text.replace("\r", "\n").replace("\v", "\n").split("\n")
        return "\n".join(_SYMBOL_BULLET.sub("- ", line).rstrip() for line in lines).strip()

    def _is_hidden(self, slide: _Slide) -> bool:
        for record in children(self.data, slide.record):
            if record.kind == _SLIDE_INFO:
                return bool(numbers(self.data, record, "2i2BH")[-1] & _HIDDEN)
        return False

    def _notes(self) -> Iterator[tuple[int, str]]:
        """Yield the id of each slide with notes and their text."""
        for one in self._listed(_NOTES):
            shapes = [text for shape in self._shapes(one) for text in self._texts(shape, one)]
            text = "\n".join(text for kind, text in shapes if kind == _NOTES_TEXT and text)
            for record in children(self.data, one.record):
                if record.kind == _NOTES_ATOM:
                    yield numbers(self.data, record, "I")[0], text

    def _shapes(self, slide: _Slide) -> list[Record]:
        """Return the shapes and groups of a slide in reading order."""
        found: list[tuple[Box, Record]] = []
        drawings = (one for one in descendants(self.data, slide.record) if one.kind == _DRAWING)
        for drawing in drawings:
            for top in children(self.data, drawing):
                shapes = children(self.data, top) if top.kind == _GROUP else iter((top,))
                found += ((self._box(one), one) for one in shapes if one.kind in (_GROUP, _SHAPE))
        return reading_order(found)

    def _box(self, shape: Record) -> Box:
        for record in descendants(self.data, shape):
            if record.kind in _ANCHORS:
                layout, order = _ANCHORS[record.kind]
                values = numbers(self.data, record, layout)
                left, top, bottom = (values[at] for at in order)
                return Box(left, top, bottom - top)
        return Box()

    def _texts(self, shape: Record, slide: _Slide) -> Iterator[_Text]:
        """Yield the texts of a shape or of those in a group."""
        for box in descendants(self.data, shape):
            if box.kind != _TEXT_BOX:
                continue
            kind = _OTHER_TEXT
            for record in children(self.data, box):
                if record.kind == _TEXT_HEADER:
                    (kind,) = numbers(self.data, record, "I")
                elif record.kind == _TEXT_REFERENCE:
                    (at,) = numbers(self.data, record, "I")
                    yield from slide.outline[at : at + 1]
                elif (text := self._text_of(record)) is not None:
                    yield _Text(kind, text)

    def _blocks(self, slide: _Slide) -> Iterator[Block]:
        """Yield the title of a slide, then its other texts and tables."""
        titles: list[Block] = []
        others: list[Block] = []
        for shape in self._shapes(slide):
            if self._is_table(shape):
                others += lines_block(self._rows(shape, slide))
                continue
            for kind, text in self._texts(shape, slide):
                if kind in _TITLES and text:
                    titles.append(Block(" ".join(text.split()), level=1))
                else:
                    others += lines_block(filter(None, text.split("\n")))
        yield from (*titles, *others)

    def _is_table(self, group: Record) -> bool:
        if group.kind != _GROUP:
            return False
        first = next(children(self.data, group), None)
        for record in children(self.data, first) if first else ():
            if record.kind == _TABLE_OPTIONS:
                body = self.data[record.start : min(record.start + 6 * record.instance, record.end)]
                options = dict(struct.iter_unpack("<HI", body[: len(body) // 6 * 6]))
                return bool(options.get(_TABLE_PROPERTIES, 0) & 1)
        return False

    def _rows(self, table: Record, slide: _Slide) -> Iterator[str]:
        """Yield a line for each row of a table: its cells are shapes with the same top."""
        rows: dict[float, list[tuple[float, str]]] = {}
        for cell in children(self.data, table):
            box = self._box(cell)
            for _, text in self._texts(cell, slide):
                rows.setdefault(box.top, []).append((box.left, text))
        for _, cells in sorted(rows.items()):
            yield from row_line(text for _, text in sorted(cells))
