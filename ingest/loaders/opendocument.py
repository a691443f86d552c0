"""OpenDocument texts and presentations, as LibreOffice writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingest.loaders.blocks import Block, join_blocks, join_parts
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.odf import OdfFile, odf
from ingest.loaders.odf_text import OdfReader
from ingest.loaders.ranges import numbered
from ingest.loaders.slide_order import Box, reading_order
from ingest.types import Document

_LENGTH = re.compile(r"-?\d+(?:\.\d+)?")
_FIELDS = frozenset(("date-time", "page-number"))
_NOTES = odf("presentation:notes")
_RUNNING = {"header": "Header", "footer": "Footer"}


def load_odt(content: bytes, options: LoadOptions) -> Document:
    """Return the paragraphs, lists and tables in order; raises LoadError if it can't be read.

    The headers and footers come first, notes and comments after the paragraph that they belong to.
    """
    package = OdfFile(content, options)
    reader = OdfReader(package)
    body = package.content.find(f"{odf('office:body')}/{odf('office:text')}")
    blocks = [*_running_blocks(package, reader), *reader.blocks(body)]
    text, headings = join_blocks(blocks)
    return Document(
        text,
        headings=headings,
        metadata=package.metadata(),
        problems=tuple(package.problems),
    )


def load_odp(content: bytes, options: LoadOptions) -> Document:
    """Return the slides in order, each a place: title, text, tables, notes and comments."""
    package = OdfFile(content, options)
    text, headings, places = join_parts(_slides(package, options), name_untitled=True)
    return Document(text, places, headings, package.metadata(), tuple(package.problems))


def _running_blocks(package: OdfFile, reader: OdfReader) -> Iterator[Block]:
    """Yield the headers, then the footers, each text once, without bare page numbers."""
    for kind, mark in _RUNNING.items():
        seen: set[str] = set()
        for _, master in package.styles_named("style:master-page"):
            for story in master:
                if not story.tag.startswith(odf(f"style:{kind}")):
                    continue
                text = reader.story(story)
                if text not in seen and any(map(str.isalpha, text)):
                    yield Block(f"{mark}: {text}", 1)
                seen.add(text)


def _slides(package: OdfFile, options: LoadOptions) -> Iterator[tuple[str, list[Block]]]:
    reader = OdfReader(package)
    hidden = {
        name
        for name, style in package.styles_named("style:style")
        for properties in style.iter(odf("style:drawing-page-properties"))
        if properties.get(odf("presentation:visibility")) == "hidden"
    }
    pages = list(package.content.iter(odf("draw:page")))
    for number, page in enumerate(pages, 1):
        if options.expired:
            left = numbered("slide", range(number, len(pages) + 1))
            package.problems.append(f"{left} could not be read in time")
            break
        name = f"slide {number}"
        is_hidden = page.get(odf("draw:style-name")) in hidden
        yield f"{name} (hidden)" if is_hidden else name, list(_slide(page, reader))


def _slide(page: Any, reader: OdfReader) -> Iterator[Block]:
    shapes = list(_shapes_in_order(page))
    titles = [shape for shape in shapes if _class(shape) == "title"]
    for shape in titles:
        if title := " ".join(reader.story(shape).split()):
            yield Block(title, level=1)
    for shape in shapes:
        if shape not in titles and _class(shape) not in _FIELDS:
            yield from reader.blocks([shape])
    for notes in page.iterchildren(_NOTES):
        shown = (shape for shape in notes if _class(shape) not in _FIELDS)
        if text := "\n".join(filter(None, map(reader.story, shown))):
            yield Block(f"Notes: {text}")


def _shapes_in_order(parent: Any) -> Iterator[Any]:
    """Yield the shapes in reading order; those of a group stay together."""
    shapes = [one for one in parent if one.tag not in (_NOTES, odf("office:forms"))]
    for shape in reading_order((_box(shape), shape) for shape in shapes):
        if shape.tag == odf("draw:g"):
            yield from _shapes_in_order(shape)
        else:
            yield shape


def _class(shape: Any) -> str:
    return str(shape.get(odf("presentation:class"), ""))


def _box(shape: Any) -> Box:
    """Return where a shape lies; a group lies where its first shape does."""
    placed = next((one for one in shape.iter() if one.get(odf("svg:y"))), shape)
    return Box(*(_length(placed.get(odf(f"svg:{name}"))) for name in ("x", "y", "height")))


def _length(text: str | None) -> float:
    match = _LENGTH.match(text or "")
    return float(match[0]) if match else 0.0
