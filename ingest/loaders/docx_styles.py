"""What the styles and the numbering of a Word document say about its paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingest.loaders.list_numbers import BULLET, ListCounter, NumberLevel
from ingest.loaders.ooxml import qn

_HEADING_NAME = re.compile(
    r"(?:heading|título|titulo|titre|überschrift|encabezado|titolo|kop|标题|見出し)\s*(\d)", re.I
)
_TITLE_NAMES = frozenset(("title", "título", "titulo"))
_BODY_LEVEL = 9
_LARGEST_START = 1_000_000  # chosen by hand


class Styles:
    """The paragraph styles by id."""

    def __init__(self, root: Any) -> None:
        found = () if root is None else root.iter(qn("w:style"))
        self._styles = {style.get(qn("w:styleId"), ""): style for style in found}
        self.default = next(
            (
                name
                for name, style in self._styles.items()
                if style.get(qn("w:type")) == "paragraph" and style.get(qn("w:default")) == "1"
            ),
            "",
        )
        self._levels: dict[str, int | None] = {}

    def chain(self, name: str) -> Iterator[tuple[str, Any]]:
        """Yield a style and those that it is based on, with their ids."""
        seen: set[str] = set()
        while name in self._styles and name not in seen:
            seen.add(name)
            style = self._styles[name]
            yield name, style
            name = value(style, "w:basedOn")

    def level(self, name: str) -> int | None:
        """Return the level of a style of headings, 0 for the title; None for other styles."""
        if name not in self._levels:
            self._levels[name] = self._find_level(name)
        return self._levels[name]

    def _find_level(self, name: str) -> int | None:
        for one, style in self.chain(name):
            shown = value(style, "w:name").strip().lower()
            if one == name and shown in _TITLE_NAMES:
                return 0
            if one == name and (match := _HEADING_NAME.fullmatch(shown)):
                return int(match[1])
            if (level := outline_level(style)) is not None:
                return level
        return None


class Numbering:
    """The lists of a document; counts their items in the order of the text."""

    def __init__(self, root: Any, styles: Styles) -> None:
        self._styles = styles
        self._abstract: dict[str, Any] = {}
        self._linked: dict[str, Any] = {}
        self._nums: dict[str, Any] = {}
        self._lists: dict[str, tuple[str, dict[int, NumberLevel]]] = {}
        self._counters: dict[str, ListCounter] = {}
        for one in () if root is None else root:
            if one.tag == qn("w:abstractNum"):
                self._abstract[one.get(qn("w:abstractNumId"), "")] = one
                self._linked[value(one, "w:styleLink")] = one
            elif one.tag == qn("w:num"):
                self._nums[one.get(qn("w:numId"), "")] = one

    def label(self, paragraph: Any, style: str) -> str:
        """Count a paragraph; return its number, ``-`` for a bullet, empty if it has none."""
        number, depth = self._place(paragraph, style)
        if number in ("", "0"):
            return ""
        if number not in self._nums:
            return BULLET
        first = number not in self._lists
        if first:
            self._lists[number] = self._levels(self._nums[number])
        list_id, levels = self._lists[number]
        counter = self._counters.setdefault(list_id, ListCounter())
        if first:
            self._restart(counter, number)
        return counter.next_label(levels, depth)

    def _restart(self, counter: ListCounter, number: str) -> None:
        for override in self._nums[number].iter(qn("w:lvlOverride")):
            if override.find(qn("w:startOverride")) is not None:
                counter.reset(_number(override.get(qn("w:ilvl")), 0))

    def _place(self, paragraph: Any, style: str) -> tuple[str, int]:
        """Return the id of the list of a paragraph and the level in it."""
        own = paragraph.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
        if own is not None and (number := value(own, "w:numId")):
            return number, _number(value(own, "w:ilvl"), 0)
        for name, one in self._styles.chain(style):
            found = one.find(f"{qn('w:pPr')}/{qn('w:numPr')}")
            if found is not None and (number := value(found, "w:numId")):
                depth = value(own, "w:ilvl") or value(found, "w:ilvl")
                return number, _number(depth, self._style_depth(number, (style, name)))
        return "", 0

    def _style_depth(self, number: str, names: tuple[str, ...]) -> int:
        """Return the level of a list that is linked to a style; 0 if none is."""
        num = self._nums.get(number)
        abstract = None if num is None else self._definition(num)
        for level in () if abstract is None else abstract.iter(qn("w:lvl")):
            if value(level, "w:pStyle") in names:
                return _number(level.get(qn("w:ilvl")), 0)
        return 0

    def _definition(self, num: Any) -> Any:
        abstract = self._abstract.get(value(num, "w:abstractNumId"))
        link = value(abstract, "w:numStyleLink")
        return self._linked.get(link, abstract) if link else abstract

    def _levels(self, num: Any) -> tuple[str, dict[int, NumberLevel]]:
        """Return the id of the counts that a list shares, and its levels with overrides."""
        abstract = self._definition(num)
        found = [] if abstract is None else list(abstract.iter(qn("w:lvl")))
        found += num.iter(qn("w:lvl"))
        levels = {_number(one.get(qn("w:ilvl")), 0): _level(one) for one in found}
        for override in num.iter(qn("w:lvlOverride")):
            depth = _number(override.get(qn("w:ilvl")), 0)
            start = value(override, "w:startOverride")
            if start and depth in levels:
                levels[depth] = _level_from(levels[depth], _number(start, 1))
        list_id = "" if abstract is None else abstract.get(qn("w:abstractNumId"), "")
        return list_id, levels


def _level(element: Any) -> NumberLevel:
    restart = value(element, "w:lvlRestart")
    legal = element.find(qn("w:isLgl"))
    return NumberLevel(
        format=value(element, "w:numFmt") or "decimal",
        text=value(element, "w:lvlText"),
        start=_number(value(element, "w:start"), 0),
        restart=_number(restart, 0) if restart else None,
        legal=legal is not None and legal.get(qn("w:val")) not in ("0", "false"),
    )


def _level_from(level: NumberLevel, start: int) -> NumberLevel:
    return NumberLevel(level.format, level.text, start, level.restart, level.legal)


def outline_level(element: Any) -> int | None:
    """Return the heading level that a paragraph or style states; None if it states none."""
    found = element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    level = _number(found.get(qn("w:val")), _BODY_LEVEL) if found is not None else _BODY_LEVEL
    return level + 1 if level < _BODY_LEVEL else None


def value(element: Any, name: str) -> str:
    """Return ``w:val`` of a child; empty without it."""
    child = None if element is None else element.find(qn(name))
    return "" if child is None else child.get(qn("w:val")) or ""


def _number(text: str | None, default: int) -> int:
    try:
        return min(max(int(text or ""), 0), _LARGEST_START)
    except ValueError:
        return default
