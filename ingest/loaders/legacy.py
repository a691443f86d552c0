"""RTF, and Word files from before 2007; needs the extra ``legacy``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from ingest.errors import LoadError, UnsupportedError, install_command
from ingest.loaders.blocks import row_line
from ingest.loaders.load_options import LoadOptions
from ingest.loaders.metadata import stated
from ingest.loaders.text import load_text
from ingest.types import Document

_FEWEST_ROWS = 2
_BLANK = r"[^\S\n]"
_WINDOW = 100_000  # characters in which the next row of a table is looked for; chosen by hand


def load_rtf(content: bytes, options: LoadOptions) -> Document:
    """Return the text of a file in Rich Text Format, with the rows of its tables."""
    return _load("RTF", content, "application/rtf", options, _rtf_text)


def load_doc(content: bytes, options: LoadOptions) -> Document:
    """Return the text of a Word 97–2003 document, with the rows of its tables."""
    return _load("an old Word file (.doc)", content, "application/msword", options, _doc_text)


def _load(
    name: str,
    content: bytes,
    media_type: str,
    options: LoadOptions,
    text_of: Callable[[Any], str],
) -> Document:
    """Return the document in a file.

    Args:
        name: What it is, in words.
        content: Its bytes.
        media_type: Its media type.
        options: Limits.
        text_of: Returns the text of what was extracted.

    Raises:
        UnsupportedError: Without the extra.
        LoadError: If the file can't be read.
    """
    if find_spec("kreuzberg") is None:
        raise UnsupportedError(
            f"is {name}, which needs the extra 'legacy': {install_command('legacy')}"
        )
    import kreuzberg

    settings = kreuzberg.ExtractionConfig(use_cache=False)
    try:
        found = kreuzberg.extract_bytes_sync(content, media_type, settings)
    except kreuzberg.KreuzbergError as error:
        raise LoadError(f"is encrypted or damaged, or not really {name}") from error
    text = text_of(found)
    if not text.strip():
        raise LoadError("has no text")
    document = load_text(text.encode(), options)
    changed = str(found.metadata.get("modified_at") or "")
    title = " ".join(str(found.metadata.get("title") or "").split())
    return replace(document, places=(), metadata=stated(title, changed))


def _rtf_text(found: Any) -> str:
    """Return the text with bars between the cells of its tables, which stand in it as words."""
    parts: list[str] = []
    text, position = str(found.content), 0
    for row in (row for table in found.tables for row in table.cells):
        words = [word for cell in row for word in cell.split()]
        if not words:
            continue
        between = f"{_BLANK}+".join(map(re.escape, words))
        line = re.compile(f"{between}{_BLANK}*$", re.MULTILINE)
        if match := line.search(text, position, position + _WINDOW):
            parts += (text[position : match.start()], *row_line(row))
            position = match.end()
    return "".join((*parts, text[position:]))


def _doc_text(found: Any) -> str:
    return "\n\n".join(filter(None, map("\n".join, map(_doc_rows, found.content.split("\n")))))


def _doc_rows(paragraph: str) -> Iterator[str]:
    """Yield the rows of a table, which has tabs between cells and two between rows, or a text."""
    rows = [row.split("\t") for row in paragraph.rstrip("\t").split("\t\t")]
    if len(rows) >= _FEWEST_ROWS and len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
        for row in rows:
            yield from row_line(row)
    elif paragraph.strip():
        yield paragraph.strip()
