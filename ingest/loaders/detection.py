"""Tell the kind of a file by its content first and its name second."""

from __future__ import annotations

from ingest.errors import UnsupportedError

_SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".rst": "rst",
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
    ".docx": "docx",
}


def detect(source: str, content: bytes) -> str:
    """Return the kind of a file, such as ``pdf``; raises UnsupportedError if it is not read."""
    kind = _SUFFIXES.get(suffix(source))
    if kind is None:
        raise UnsupportedError(f"has the unsupported suffix '{suffix(source)}'")
    return kind


def kind_of_name(source: str) -> str:
    """Return the kind of a file by its name alone, such as ``pdf``; ``other`` if unknown."""
    return _SUFFIXES.get(suffix(source), "other")


def suffix(source: str) -> str:
    """Return the end of the name from the last dot, in lower case; empty without one."""
    dot = source.rfind(".")
    return source[dot:].lower() if dot > 0 and source[dot - 1] != "/" else ""
