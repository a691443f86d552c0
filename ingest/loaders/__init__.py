"""Extract the text of a file, with one module per family of formats."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from ingest.errors import LoadError
from ingest.types import Document

_NAMES = {
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
_MODULES = {"markdown": "text", "rst": "text"}


def is_supported(source: str) -> bool:
    """Return whether there is a loader for a file of this name."""
    return _suffix(source) in _NAMES


def loader_name(source: str) -> str:
    """Return the loader for a file of this name, such as ``pdf``; raises LoadError without one."""
    name = _NAMES.get(_suffix(source))
    if name is None:
        known = " ".join(sorted(_NAMES))
        raise LoadError(f"has the unsupported suffix '{_suffix(source)}' (supported: {known})")
    return name


def load_document(source: str, content: bytes) -> Document:
    """Return the document in a file; raises LoadError with the reason if it can't be read."""
    name = loader_name(source)
    if not content.strip():
        raise LoadError("is empty")
    try:
        document = _load(name)(content)
    except LoadError:
        raise
    except Exception as error:  # parsers raise anything on damaged files
        raise LoadError(f"is damaged or not really {name}") from error
    if not document.text.strip():
        raise LoadError("has no text")
    return document


def _suffix(source: str) -> str:
    dot = source.rfind(".")
    return source[dot:].lower() if dot > 0 and source[dot - 1] != "/" else ""


def _load(name: str) -> Callable[[bytes], Document]:
    """Return ``load_<name>``, imported on first use."""
    module = import_module(f"ingest.loaders.{_MODULES.get(name, name)}")
    return cast(Callable[[bytes], Document], getattr(module, f"load_{name}"))
