"""Extract the text of a file, with one module per family of formats."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ingest.errors import LoadError, UnsupportedError
from ingest.loaders.detection import detect
from ingest.loaders.file_names import kind_of_name
from ingest.loaders.load_options import LoadOptions
from ingest.types import Document

__all__ = ["LoadOptions", "kind_of_name", "load_document"]

# The module of each kind of file that is not named after it.
_MODULES = {
    "markdown": "text",
    "rst": "text",
    "code": "text",
    "csv": "delimited",
    "tsv": "delimited",
    "xls": "spreadsheet",
    "xlsx": "spreadsheet",
    "xlsb": "spreadsheet",
    "odt": "opendocument",
    "odp": "opendocument",
    "doc": "legacy",
    "rtf": "legacy",
    "eml": "mail",
    "mbox": "mail",
    "msg": "outlook",
    "json": "structured",
    "jsonl": "structured",
    "yaml": "structured",
    "xml": "structured",
    "ipynb": "notebook",
    "srt": "subtitles",
    "vtt": "subtitles",
    "zip": "archive",
    "tar": "archive",
}
# Their loaders get a third argument, with which they load the files that they contain.
_CONTAINERS = frozenset(("eml", "mbox", "msg", "zip", "tar"))


def load_document(source: str, content: bytes, options: LoadOptions | None = None) -> Document:
    """Return the document in a file.

    Args:
        source: The name of the file, which decides where the content does not.
        content: Its bytes.
        options: Limits and passwords.

    Raises:
        UnsupportedError: If files of this kind are not read, or it is empty.
        LoadError: With the reason, if the file can't be read.
    """
    options = options or LoadOptions()
    if not content.strip():
        raise UnsupportedError("is empty")
    kind = detect(source, content)
    try:
        document = _load(kind, content, options)
    except LoadError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # parsers raise anything on damaged files
        raise LoadError(f"is damaged or not really {kind}") from error
    if not document.text.strip():
        raise LoadError("; ".join(document.problems) or "has no text")
    return document


def _load(kind: str, content: bytes, options: LoadOptions) -> Document:
    load: Callable[..., Document] = _loader(kind)
    if kind not in _CONTAINERS:
        return load(content, options)
    if options.depth <= 0:
        raise LoadError("lies too deep in other files (RAG_MAX_NESTING)")
    inside = options.inside()
    return load(content, options, lambda name, member: load_document(name, member, inside))


def _loader(kind: str) -> Any:
    """Return ``load_<kind>``, imported on first use."""
    module = import_module(f"ingest.loaders.{_MODULES.get(kind, kind)}")
    return getattr(module, f"load_{kind}")
