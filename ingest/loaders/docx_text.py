"""The text of a paragraph of a Word document, and what is anchored in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ingest.loaders.equations import equation_text
from ingest.loaders.ooxml import GRAPHICS, qn, shown_alternative

_BREAKS = {
    qn("w:tab"): "\t",
    qn("w:ptab"): "\t",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "-",
}
_SKIPPED = frozenset(map(qn, ("w:del", "w:moveFrom", "w:pPr", "w:rPr", "w:rt")))
_WRAPPERS = frozenset(
    map(qn, ("w:sdt", "w:sdtContent", "w:ins", "w:moveTo", "w:customXml", "w:smartTag"))
)
_REFERENCES = {
    qn("w:footnoteReference"): "footnotes",
    qn("w:endnoteReference"): "endnotes",
    qn("w:commentReference"): "comments",
}
_EQUATION = qn("m:oMath")
_TEXT_BOX = qn("w:txbxContent")
_PRIVATE = 0xF000  # where Word puts the characters of symbol fonts
_SYMBOL = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ£¥®°±³´¸¹»¼ÅÎÖ×Ýåò",
        "αβχδεφγηιϕκλμνοπθρστυϖωξψζΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ≤∞→°±≥×÷≠≈…⊕∈√⋅⇑∑∫",
        strict=True,
    )
)
_WINGDINGS = {"\xa8": "☐", "\xfe": "☑", "\xfd": "☒", "\xfc": "✓", "\xfb": "✗"}


@dataclass(slots=True)
class ParagraphText:
    """The text of a paragraph.

    Attributes:
        text: Its words, with tracked insertions, without tracked deletions.
        boxes: Text boxes anchored in it.
        graphics: Charts and diagrams in it.
        notes: The kind and id of each note and comment that it refers to.
    """

    text: str = ""
    boxes: list[Any] = field(default_factory=list)
    graphics: list[Any] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


def read_paragraph(paragraph: Any) -> ParagraphText:
    """Return the text of a paragraph and what is anchored in it."""
    found = ParagraphText()
    parts: list[str] = []
    stack = [paragraph]
    while stack:
        current = stack.pop()
        if current.tag in _SKIPPED:
            continue
        if current.tag == _TEXT_BOX:
            found.boxes.append(current)
        elif current.tag in GRAPHICS:
            found.graphics.append(current)
        elif current.tag in _REFERENCES:
            found.notes.append((_REFERENCES[current.tag], current.get(qn("w:id"), "")))
        elif (text := _own_text(current)) is not None:
            parts.append(text)
        else:
            stack += reversed(shown_alternative(current))
    found.text = "".join(parts).replace("\xad", "").strip()
    return found


def _own_text(element: Any) -> str | None:
    """Return the text of an element without children that count; None for others."""
    if element.tag == qn("w:t"):
        return element.text or ""
    if element.tag in _BREAKS and element.getparent().tag == qn("w:r"):
        return _BREAKS[element.tag]
    if element.tag == qn("w:sym"):
        return _symbol(element)
    if element.tag == _EQUATION:
        return equation_text(element)
    return None


def _symbol(element: Any) -> str:
    """Return the character that a symbol font shows for a code; empty if it is not known."""
    font = element.get(qn("w:font"), "").lower()
    code = element.get(qn("w:char"), "")
    try:
        character = chr(int(code, 16) % _PRIVATE)
    except (ValueError, OverflowError):
        return ""
    if font == "symbol":
        return _SYMBOL.get(character, "")
    return _WINGDINGS.get(character, "") if font.startswith("wingdings") else ""


def contents(parent: Any) -> Iterator[Any]:
    """Yield the paragraphs, tables, rows or cells in an element, also in content controls."""
    stack = list(reversed(parent))
    while stack:
        current = stack.pop()
        if current.tag in _WRAPPERS:
            stack += reversed(current)
        elif current.tag == qn("mc:AlternateContent"):
            stack += reversed(shown_alternative(current))
        else:
            yield current
