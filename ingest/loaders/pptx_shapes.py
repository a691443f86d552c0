"""Shapes of PowerPoint slides: their order, paragraphs and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.loaders.blocks import LONGEST_REPEAT, row_line
from ingest.loaders.equations import equation_text
from ingest.loaders.ooxml import qn, shown_alternative
from ingest.loaders.slide_order import Box, reading_order

_SHAPES = frozenset(map(qn, ("p:sp", "p:grpSp", "p:graphicFrame", "p:cxnSp")))
_WITHOUT_BULLETS = frozenset(("title", "ctrTitle", "subTitle", "ftr", "hdr"))
_BULLETS = (qn("a:buChar"), qn("a:buBlip"))


class Layout:
    """Where the placeholders of a slide lie unless it says so itself.

    Args:
        roots: The layout of the slide and its master.
    """

    def __init__(self, roots: list[Any]) -> None:
        self._boxes: dict[tuple[str, str], Box] = {}
        for shape in (shape for root in roots for shape in root.iter(qn("p:sp"))):
            found = _placeholder(shape)
            if found is not None and (box := _own_box(shape)):
                for key in (("idx", found.get("idx", "")), ("type", placeholder(shape))):
                    self._boxes.setdefault(key, box)

    def box(self, shape: Any) -> Box:
        """Return where a shape lies."""
        if box := _own_box(shape):
            return box
        found = _placeholder(shape)
        if found is None:
            return Box()
        keys = (("idx", found.get("idx", "")), ("type", placeholder(shape)))
        return next((self._boxes[key] for key in keys if key in self._boxes), Box())


def shapes_in_order(tree: Any, layout: Layout) -> Iterator[Any]:
    """Yield the shapes with text in reading order; those of a group stay together."""
    found = [] if tree is None else list(_shapes(tree))
    for shape in reading_order((layout.box(shape), shape) for shape in found):
        if shape.tag == qn("p:grpSp"):
            yield from shapes_in_order(shape, layout)
        else:
            yield shape


def _shapes(tree: Any) -> Iterator[Any]:
    for child in tree:
        children = [child] if child.tag in _SHAPES else []
        if child.tag == qn("mc:AlternateContent"):
            children = [one for one in shown_alternative(child) if one.tag in _SHAPES]
        yield from children


def _own_box(shape: Any) -> Box | None:
    """Return where a shape says that it lies; None if it does not."""
    for path in ("p:spPr", "p:grpSpPr", ""):
        frame = shape.find(f"{qn(path)}/{qn('a:xfrm')}" if path else qn("p:xfrm"))
        if frame is None:
            continue
        offset, size = frame.find(qn("a:off")), frame.find(qn("a:ext"))
        if offset is not None:
            height = 0.0 if size is None else _length(size.get("cy"))
            return Box(_length(offset.get("x")), _length(offset.get("y")), height)
    return None


def _length(text: str | None) -> float:
    try:
        return float(int(text or 0))
    except ValueError:
        return 0.0


def _placeholder(shape: Any) -> Any:
    return shape.find(f"{{*}}nvSpPr/{qn('p:nvPr')}/{qn('p:ph')}")


def placeholder(shape: Any) -> str:
    """Return the type of a placeholder, such as ``title``; empty for other shapes."""
    found = _placeholder(shape)
    return "" if found is None else found.get("type", "obj")


def is_placeholder(shape: Any, kind: str) -> bool:
    """Return whether a shape is a placeholder of this type."""
    return placeholder(shape) == kind


def paragraphs(element: Any) -> Iterator[str]:
    """Yield the texts of the paragraphs that have text."""
    for paragraph in element.iter(qn("a:p")):
        if text := paragraph_text(paragraph):
            yield text


def items(shape: Any) -> Iterator[str]:
    """Yield the paragraphs of a shape, the items of lists after ``- `` or their number."""
    found = [(one, text) for one in shape.iter(qn("a:p")) if (text := paragraph_text(one))]
    kind = placeholder(shape)
    listed = len(found) > 1 and bool(kind) and kind not in _WITHOUT_BULLETS
    numbers: dict[int, int] = {}
    for paragraph, text in found:
        properties = paragraph.find(qn("a:pPr"))
        depth = 0 if properties is None else int(_length(properties.get("lvl")))
        numbers = {level: n for level, n in numbers.items() if level <= depth}
        mark = _mark(properties, listed, depth, numbers)
        if not mark.rstrip(". ").isdecimal():
            numbers.pop(depth, None)
        yield mark + text


def _mark(properties: Any, listed: bool, depth: int, numbers: dict[int, int]) -> str:
    if properties is None:
        return "- " if listed else ""
    numbered = properties.find(qn("a:buAutoNum"))
    if numbered is not None:
        start = max(int(_length(numbered.get("startAt"))), 1)
        numbers[depth] = numbers.get(depth, start - 1) + 1
        return f"{numbers[depth]}. "
    if properties.find(qn("a:buNone")) is not None:
        return ""
    return "- " if listed or any(properties.find(tag) is not None for tag in _BULLETS) else ""


def paragraph_text(paragraph: Any) -> str:
    """Return the text of a paragraph, with line breaks and equations."""
    parts: list[str] = []
    stack = [paragraph]
    while stack:
        current = stack.pop()
        if current.tag == qn("a:t"):
            parts.append(current.text or "")
        elif current.tag == qn("a:br"):
            parts.append("\n")
        elif current.tag == qn("m:oMath"):
            parts.append(equation_text(current))
        else:
            stack += reversed(shown_alternative(current))
    return "".join(parts).replace("\v", "\n").strip()


def table_lines(table: Any) -> Iterator[str]:
    """Yield a line for each row; a cell merged with those above has their text."""
    above: dict[int, str] = {}
    for row in table.iter(qn("a:tr")):
        cells: list[str] = []
        for column, cell in enumerate(row.iterchildren(qn("a:tc"))):
            if cell.get("hMerge") in ("1", "true"):
                continue
            text = " ".join(paragraphs(cell))
            if cell.get("vMerge") in ("1", "true"):
                text = above.get(column, "")
            above[column] = text if len(text) <= LONGEST_REPEAT else ""
            cells.append(text)
        yield from row_line(cells)
