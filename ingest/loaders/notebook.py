"""Jupyter notebooks: their cells, with the text of what each one put out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ingest.errors import LoadError
from ingest.loaders.encodings import decode
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.metadata import stated
from ingest.loaders.text import markdown_headings
from ingest.types import Document, Heading, Place

_GAP = "\n\n"
_LONGEST_OUTPUT = 20_000  # characters; chosen by hand
_COLOUR = re.compile(r"\x1b\[[\d;]*[A-Za-z]")


def load_ipynb(content: bytes, options: LoadOptions) -> Document:
    """Return the cells of a notebook, each a place, with the headings of its Markdown.

    Raises:
        LoadError: If it has no cells.
    """
    try:
        notebook = json.loads(decode(content))
    except json.JSONDecodeError as error:
        raise LoadError(f"is damaged: line {error.lineno} is not JSON") from error
    parts: list[str] = []
    places: list[Place] = []
    headings: list[Heading] = []
    offset = 0
    for number, cell in enumerate(_cells(notebook), 1):
        text = _GAP.join(filter(None, map(_trimmed, _texts(cell))))
        if not text:
            continue
        places.append(Place(offset, f"cell {number}"))
        headings += (replace(one, start=one.start + offset) for one in _headings(cell, text))
        parts.append(text)
        offset += len(text) + len(_GAP)
    title = next((heading.title for heading in headings if heading.level == 1), "")
    return Document(_GAP.join(parts), tuple(places), tuple(headings), stated(title, ""))


def _cells(notebook: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the cells; before version 4 of the format they were in worksheets."""
    if not isinstance(notebook, dict):
        raise LoadError("is not a notebook: it has no cells")
    sheets = [notebook, *_mappings(notebook.get("worksheets"))]
    for sheet in sheets:
        yield from _mappings(sheet.get("cells"))


def _mappings(values: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in values or () if isinstance(one, dict))


def _headings(cell: Mapping[str, Any], text: str) -> Iterable[Heading]:
    if cell.get("cell_type") == "markdown":
        yield from markdown_headings(text)
    elif cell.get("cell_type") == "heading":
        yield Heading(0, int(cell.get("level") or 1), " ".join(text.split()))


def _texts(cell: Mapping[str, Any]) -> Iterator[str]:
    """Yield the source of a cell, then each of its outputs that is text."""
    yield _joined(cell.get("source") or cell.get("input"))
    for output in _mappings(cell.get("outputs")):
        yield _COLOUR.sub("", _output(output))[:_LONGEST_OUTPUT]


def _output(output: Mapping[str, Any]) -> str:
    if output.get("output_type") in ("error", "pyerr"):
        return f"{output.get('ename')}: {output.get('evalue')}"
    data = output.get("data")
    if isinstance(data, dict):
        return _joined(data.get("text/markdown") or data.get("text/plain"))
    return _joined(output.get("text"))


def _joined(lines: Any) -> str:
    """Return text that is stored whole or in lines."""
    if isinstance(lines, list):
        return "".join(map(str, lines))
    return lines if isinstance(lines, str) else ""


def _trimmed(text: str) -> str:
    return text.strip("\n").rstrip()
