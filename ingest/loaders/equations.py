"""Equations of Office files (OMML, ECMA-376 part 1, 22.1) as a line of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lxml import etree

from ingest.loaders.ooxml import qn

_SIMPLE = frozenset("()[]{}")


def equation_text(equation: Any) -> str:
    """Return an equation such as ``x=(-b±√(b^2-4ac))/2a``."""
    texts: dict[Any, str] = {}
    for _, element in etree.iterwalk(equation, events=("end",)):
        texts[element] = _element_text(element, texts)
    return texts[equation].strip()


def _element_text(element: Any, texts: dict[Any, str]) -> str:
    if element.tag in (qn("m:t"), qn("w:t")):
        return element.text or ""
    if write := _WRITERS.get(element.tag):
        return write(element, texts)
    return "".join(texts[child] for child in element)


def _arguments(element: Any, texts: dict[Any, str], *names: str) -> list[str]:
    found = (element.find(qn(f"m:{name}")) for name in names)
    return ["" if one is None else texts[one] for one in found]


def _property(element: Any, name: str, default: str) -> str:
    """Return a character from the properties of an element."""
    for properties in element:
        if properties.tag.endswith("Pr"):
            found = properties.find(qn(f"m:{name}"))
            return default if found is None else found.get(qn("m:val"), "")
    return default


def _grouped(text: str) -> str:
    """Return an operand, in brackets if it has several characters."""
    closed = len(text) < 2 or text.isalnum() or (text[0] + text[-1] in ("()", "[]", "{}"))
    return text if closed else f"({text})"


def _fraction(element: Any, texts: dict[Any, str]) -> str:
    above, below = _arguments(element, texts, "num", "den")
    return f"{_grouped(above)}/{_grouped(below)}"


def _scripts(element: Any, texts: dict[Any, str]) -> str:
    base, below, above = _arguments(element, texts, "e", "sub", "sup")
    return base + _limits(below, above)


def _limits(below: str, above: str) -> str:
    return (f"_{_grouped(below)}" if below else "") + (f"^{_grouped(above)}" if above else "")


def _root(element: Any, texts: dict[Any, str]) -> str:
    degree, radicand = _arguments(element, texts, "deg", "e")
    return f"{degree}√{_grouped(radicand)}"


def _operator(element: Any, texts: dict[Any, str]) -> str:
    below, above, operand = _arguments(element, texts, "sub", "sup", "e")
    return f"{_property(element, 'chr', '∫')}{_limits(below, above)} {operand}"


def _delimiter(element: Any, texts: dict[Any, str]) -> str:
    operands = [texts[one] for one in element.iterchildren(qn("m:e"))]
    inside = _property(element, "sepChr", "|").join(operands)
    return f"{_property(element, 'begChr', '(')}{inside}{_property(element, 'endChr', ')')}"


def _limit(element: Any, texts: dict[Any, str]) -> str:
    base, limit = _arguments(element, texts, "e", "lim")
    return base + ("_" if element.tag == qn("m:limLow") else "^") + _grouped(limit)


def _function(element: Any, texts: dict[Any, str]) -> str:
    name, operand = _arguments(element, texts, "fName", "e")
    return f"{name} {operand}" if operand[:1] not in _SIMPLE else name + operand


def _matrix(element: Any, texts: dict[Any, str]) -> str:
    rows = element.iterchildren(qn("m:mr"))
    return "; ".join(", ".join(texts[one] for one in row) for row in rows)


def _lines(element: Any, texts: dict[Any, str]) -> str:
    return "; ".join(texts[one] for one in element.iterchildren(qn("m:e")))


_WRITERS: dict[str, Callable[[Any, dict[Any, str]], str]] = {
    qn("m:f"): _fraction,
    qn("m:sSub"): _scripts,
    qn("m:sSup"): _scripts,
    qn("m:sSubSup"): _scripts,
    qn("m:rad"): _root,
    qn("m:nary"): _operator,
    qn("m:d"): _delimiter,
    qn("m:limLow"): _limit,
    qn("m:limUpp"): _limit,
    qn("m:func"): _function,
    qn("m:m"): _matrix,
    qn("m:eqArr"): _lines,
}
