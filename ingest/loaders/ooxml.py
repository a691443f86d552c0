"""Packages of Office Open XML (ECMA-376): parts, their relationships and core properties."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from ingest.loaders.load_options import LoadOptions
from ingest.loaders.metadata import stated
from ingest.loaders.zip_parts import DAMAGED, ZipParts, parse_xml

_STRICT = re.compile(rb"""(xmlns(?::[\w.-]+)?\s*=\s*["'])http://purl\.oclc\.org/ooxml/(\w+)/""")
_TRANSITIONAL = rb"\1http://schemas.openxmlformats.org/\2/2006/"
_SCHEMAS = "http://schemas.openxmlformats.org"
_NAMESPACES = {
    "w": f"{_SCHEMAS}/wordprocessingml/2006/main",
    "r": f"{_SCHEMAS}/officeDocument/2006/relationships",
    "m": f"{_SCHEMAS}/officeDocument/2006/math",
    "mc": f"{_SCHEMAS}/markup-compatibility/2006",
    "a": f"{_SCHEMAS}/drawingml/2006/main",
    "c": f"{_SCHEMAS}/drawingml/2006/chart",
    "dgm": f"{_SCHEMAS}/drawingml/2006/diagram",
    "p": f"{_SCHEMAS}/presentationml/2006/main",
    "cp": f"{_SCHEMAS}/package/2006/metadata/core-properties",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
}

_DEFAULT_TITLES = frozenset(("powerpoint presentation", "apresentação do powerpoint"))


class Relationship(NamedTuple):
    """A link to another part: ``kind`` is the last word of its type, such as ``footnotes``."""

    id: str
    kind: str
    part: str


@cache
def qn(name: str) -> str:
    """Return a tag or attribute as lxml writes it: ``w:p`` as ``{http://…/main}p``."""
    prefix, _, local = name.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{local}"


# Charts and diagrams: their text is in parts of their own, which :func:`graphic_text` reads.
GRAPHICS = frozenset((qn("c:chart"), qn("dgm:relIds")))


class Package:
    """The XML parts of a file. Strict Open XML is read as the transitional kind."""

    def __init__(self, content: bytes, options: LoadOptions) -> None:
        """Raises LoadError if the archive can't be read within the limits."""
        self.parts = ZipParts(content, options)
        self.problems: list[str] = []
        self._relationships: dict[str, list[Relationship]] = {}

    def main_part(self, usual: str) -> str:
        """Return the name of the part that the others belong to, the usual one if none is named."""
        return next(iter(self.related("", "officeDocument")), usual)

    def xml(self, name: str) -> Any:
        """Return the root element of a part; raises KeyError if there is no such part."""
        return parse_xml(_STRICT.sub(_TRANSITIONAL, self.parts.read(name)))

    def optional(self, name: str, what: str) -> Any:
        """Return the root element of a part; None, and a problem that names it, if damaged."""
        try:
            return self.xml(name)
        except DAMAGED:
            self.problems.append(f"its {what} could not be read")
            return None

    def optional_related(self, part: str, kind: str, what: str) -> Iterator[Any]:
        """Yield the root elements of the parts that a part links to as ``kind``."""
        for name in self.related(part, kind):
            if (root := self.optional(name, what)) is not None:
                yield root

    def relationships(self, part: str) -> list[Relationship]:
        """Return the links of a part to parts that exist; those of the package for ``""``."""
        if part not in self._relationships:
            self._relationships[part] = list(self._read_relationships(part))
        return self._relationships[part]

    def related(self, part: str, kind: str) -> list[str]:
        """Return the names of the parts that a part links to as ``kind``, each once."""
        found = (one.part for one in self.relationships(part) if one.kind == kind)
        return list(dict.fromkeys(found))

    def target(self, part: str, relationship_id: str | None) -> str | None:
        """Return the name of the part behind an id; None if there is none."""
        links = self.relationships(part)
        return next((one.part for one in links if one.id == relationship_id), None)

    def metadata(self) -> dict[str, str]:
        """Return the title and the date of the last change, without what programs make up."""
        names = self.related("", "core-properties")
        if not names:
            return {}
        facts = self.optional(names[0], "properties")
        if facts is None:
            return {}
        author, editor = _text(facts, "dc:creator"), _text(facts, "cp:lastModifiedBy")
        title = "" if editor == "python-docx" else _text(facts, "dc:title")
        title = "" if title.lower() in _DEFAULT_TITLES else title
        made_up = "python-docx" in (author, editor)
        return stated(title, "" if made_up else _text(facts, "dcterms:modified"))

    def _read_relationships(self, part: str) -> Iterator[Relationship]:
        folder, name = posixpath.split(part)
        links = posixpath.join(folder, "_rels", f"{name}.rels")
        if links not in self.parts:
            return
        for link in self.parts.xml(links):
            target = unquote(link.get("Target", ""))
            path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            if link.get("TargetMode") != "External" and path in self.parts:
                kind = link.get("Type", "").rpartition("/")[2]
                yield Relationship(link.get("Id", ""), kind, path)


def _text(facts: Any, name: str) -> str:
    return (facts.findtext(qn(name)) or "").strip()


def shown_alternative(element: Any) -> list[Any]:
    """Return the children of an element; of alternatives only the first."""
    if element.tag != qn("mc:AlternateContent"):
        return list(element)
    return list(next(iter(element), ()))


def graphic_text(package: Package, part: str, graphic: Any) -> str:
    """Return the words of a chart (title, series and categories) or a diagram, line by line."""
    if graphic.tag == qn("c:chart"):
        name = package.target(part, graphic.get(qn("r:id")))
        root = package.optional(name, "charts") if name else None
        return "" if root is None else "\n".join(_chart_lines(root))
    name = package.target(part, graphic.get(qn("r:dm")))
    root = package.optional(name, "diagrams") if name else None
    points = () if root is None else root.iter(qn("dgm:pt"))
    return "\n".join(filter(None, map(_drawn_text, points)))


def _chart_lines(chart: Any) -> Iterator[str]:
    title = chart.find(f".//{qn('c:title')}")
    if title is not None and (text := _drawn_text(title)):
        yield text
    head: list[str] | None = None
    for series in chart.iter(qn("c:ser")):
        name = " ".join(_points(series, "c:tx"))
        categories, values = (
            _points(series, "c:cat") or _points(series, "c:xVal"),
            _points(series, "c:val") or _points(series, "c:yVal"),
        )
        if categories and categories != head:
            yield " | ".join(["", *categories]).strip()
            head = categories
        yield " | ".join([name, *values]).strip()


def _points(series: Any, name: str) -> list[str]:
    """Return the stored values of a part of a series."""
    found = series.find(qn(name))
    if found is None:
        return []
    return [text for point in found.iter(qn("c:v")) if (text := (point.text or "").strip())]


def _drawn_text(element: Any) -> str:
    lines = ("".join(one.text or "" for one in p.iter(qn("a:t"))) for p in element.iter(qn("a:p")))
    return "\n".join(line.strip() for line in lines if line.strip())
