"""Word documents (Office Open XML, ECMA-376)."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docx
from docx.oxml.ns import qn

from ingest.errors import LoadError
from ingest.loaders.blocks import Block, join_blocks
from ingest.loaders.metadata import stated
from ingest.loaders.options import LoadOptions
from ingest.types import Document

_MOST_UNPACKED_BYTES = 200_000_000  # against zip bombs; chosen by hand
_HEADING_NAME = re.compile(
    r"(?:heading|título|titulo|titre|überschrift|encabezado|titolo|kop|标题|見出し)\s*(\d)", re.I
)
_TITLE_NAMES = frozenset(("title", "título", "titulo"))
_BODY_LEVEL = 9
_BREAKS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_SKIPPED = frozenset(
    (
        qn("w:del"),
        qn("w:moveFrom"),
        "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
    )
)


@dataclass(frozen=True, slots=True)
class _Styles:
    """Ids of paragraph styles: headings with their levels, 0 for the title, and list items."""

    levels: dict[str, int]
    lists: frozenset[str]


def load_docx(content: bytes, options: LoadOptions) -> Document:
    """Return the paragraphs and tables in order; raises LoadError if the file can't be read."""
    _check_archive(content)
    file = docx.Document(io.BytesIO(content))
    text, headings = join_blocks(_blocks(file.element.body, _styles(file)))
    return Document(text, headings=headings, metadata=_facts(file))


def _facts(file: Any) -> dict[str, str]:
    """Return the file's metadata, without the values that python-docx fills in."""
    facts = file.core_properties
    title = "" if facts.last_modified_by == "python-docx" else (facts.title or "").strip()
    made_up = "python-docx" in (facts.author, facts.last_modified_by)
    return stated(title, "" if made_up or not facts.modified else facts.modified.isoformat())


def _check_archive(content: bytes) -> None:
    """Raise LoadError if the file is not a zip archive, is encrypted, or is too large unpacked."""
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise LoadError("is encrypted, or an old .doc file: save it as .docx without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile as error:
        raise LoadError("is damaged or not really docx") from error
    if size > _MOST_UNPACKED_BYTES:
        raise LoadError(f"unpacks to {size // 1_000_000:,} MB: too much for a document")


def _styles(file: Any) -> _Styles:
    styles = file.styles.element.style_lst
    levels = {style.styleId: _style_level(style) for style in styles}
    return _Styles(
        {name: level for name, level in levels.items() if level is not None},
        frozenset(style.styleId for style in styles if _has_numbering(style)),
    )


def _style_level(style: Any) -> int | None:
    name = (style.name_val or "").strip().lower()
    if name in _TITLE_NAMES:
        return 0
    if match := _HEADING_NAME.fullmatch(name):
        return int(match[1])
    seen: set[str] = set()
    while style is not None and style.styleId not in seen:
        seen.add(style.styleId)
        if (level := _outline_level(style)) is not None:
            return level
        style = style.base_style
    return None


def _outline_level(element: Any) -> int | None:
    found = element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    level = int(found.get(qn("w:val"))) if found is not None else _BODY_LEVEL
    return level + 1 if level < _BODY_LEVEL else None


def _has_numbering(element: Any) -> bool:
    return element.find(f"{qn('w:pPr')}/{qn('w:numPr')}") is not None


def _blocks(parent: Any, styles: _Styles) -> Iterator[Block]:
    in_list = False
    for element in parent:
        if element.tag == qn("w:p"):
            block = _paragraph(element, styles)
            if block.text:
                is_item = block.text.startswith("- ") and block.level is None
                yield Block(block.text, 1 if is_item and in_list else 2, block.level)
                in_list = is_item
        elif element.tag == qn("w:tbl"):
            if text := _table_text(element):
                yield Block(text)
            in_list = False
        elif element.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:customXml")):
            yield from _blocks(element, styles)


def _paragraph(element: Any, styles: _Styles) -> Block:
    text = _text(element)
    found = element.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
    style = "" if found is None else found.get(qn("w:val"))
    level = _outline_level(element)
    if level is None:
        level = styles.levels.get(style)
    is_item = text and level is None and (_has_numbering(element) or style in styles.lists)
    return Block(f"- {text}" if is_item else text, level=level)


def _text(element: Any) -> str:
    """Return the text of a paragraph, with tracked insertions, without tracked deletions."""
    parts: list[str] = []
    stack = [element]
    while stack:
        current = stack.pop()
        if current.tag in _SKIPPED:
            continue
        if current.tag == qn("w:t"):
            parts.append(current.text or "")
        elif current.tag in _BREAKS and current.getparent().tag == qn("w:r"):
            parts.append(_BREAKS[current.tag])
        elif current.tag == qn("w:p") and current is not element:
            parts.append("\n")
        stack += reversed(current)
    return "".join(parts).replace("\xad", "").strip()


def _table_text(table: Any) -> str:
    """Return one line per row, with cells separated by ``|``."""
    rows = [
        " | ".join(_cell_text(cell) for cell in row.iter(qn("w:tc")))
        for row in table.iter(qn("w:tr"))
    ]
    return "\n".join(row for row in rows if row.strip(" |"))


def _cell_text(cell: Any) -> str:
    return " ".join(" ".join(_text(p) for p in cell.iter(qn("w:p"))).split())
