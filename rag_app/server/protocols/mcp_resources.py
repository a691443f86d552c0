"""The resources of the MCP server: the text of each document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote

from mcp import MCPError
from mcp_types import (
    INVALID_PARAMS,
    ListResourcesResult,
    ReadResourceResult,
    Resource,
    TextResourceContents,
)

from rag_app.server.collections import Collection

_SCHEME = "documents://"
_PAGE = 100  # resources; chosen by hand
_TEXT = "text/plain"


def list_documents(readable: Iterable[Collection], cursor: str | None) -> ListResourcesResult:
    """Return a page of the documents of some collections, as ``documents://COLLECTION/SOURCE``.

    Raises:
        MCPError: The cursor is not one that a page ended with.
    """
    start = _offset(cursor)
    every = [one for collection in readable for one in _resources(collection)]
    end = start + _PAGE
    following = str(end) if end < len(every) else None
    return ListResourcesResult(resources=every[start:end], next_cursor=following)


def read_text(readable: Iterable[Collection], uri: str) -> ReadResourceResult:
    """Return the whole text of a document.

    Raises:
        MCPError: There is no such document.
    """
    name, _, source = uri.removeprefix(_SCHEME).partition("/")
    found = next((one for one in readable if uri.startswith(_SCHEME) and one.name == name), None)
    document = found.app.document(unquote(source)) if found else None
    if document is None:
        raise MCPError(INVALID_PARAMS, "there is no such document: list the resources")
    contents = TextResourceContents(uri=uri, text=document.text, mime_type=_TEXT)
    return ReadResourceResult(contents=[contents])


def _resources(collection: Collection) -> Iterator[Resource]:
    for document in collection.documents():
        if document.chunks:
            yield Resource(
                uri=f"{_SCHEME}{collection.name}/{quote(document.source, safe='')}",
                name=document.source,
                title=document.title or None,
                mime_type=_TEXT,
            )


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        raise MCPError(INVALID_PARAMS, "there is no such page: begin without a cursor")
    return int(cursor)
