"""The rows of the catalog as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ingest.language import UNDETERMINED
from ingest.types import Chunk, FileSignature

_ENDING = re.compile(r"\.[^./]*$")
_NOT_WORD = re.compile(r"[\W_]+")


class Status(StrEnum):
    """How loading a document ended."""

    INDEXED = "indexed"
    PARTIAL = "partial"
    FAILED = "failed"


class Origin(StrEnum):
    """Who keeps a document in the index: a folder's sync, or a caller of ``add_documents``."""

    FOLDER = "folder"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class State:
    """The one row about the whole index.

    Attributes:
        index_id: Random name that ties the derived files to this catalog.
        identity: The embedding identity, as JSON.
        chunk_tokens: Longest chunk, in tokens.
        folder: Absolute path of the folder it follows; empty before the first sync.
        generation: Number of changes committed.
        horizon: The log of removed chunks is complete from this generation on.
        documents: Documents that can be found.
        chunks: Their chunks.
        fingerprint: Of the ids of these chunks, see :func:`ingest.index.columns.fingerprint`.
        rows: Fingerprint of the ids of all documents, also of those that failed.
        problems: Documents that failed or are partial.
        added: Documents given to ``add_documents``.
        next_id: The next id for a document or a chunk; ids are never used again.
        format: Version of the on-disk format.
    """

    index_id: str
    identity: str
    chunk_tokens: int
    folder: str = ""
    generation: int = 0
    horizon: int = 0
    documents: int = 0
    chunks: int = 0
    fingerprint: int = 0
    rows: int = 0
    problems: int = 0
    added: int = 0
    next_id: int = 1
    format: int = 2


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document in the catalog, without its text.

    Attributes:
        source: Path relative to the folder, or the id given to ``add_documents``.
        content_hash: SHA-256 of the bytes that were loaded.
        signature: None if the file may have changed within the clock's resolution of its reading.
        loader: Name and version of what parsed it.
        reason: Why it failed, or what is missing from it; empty if all is well.
        language: ISO 639-1 code, or ``und`` if the text does not show it.
        metadata: Facts the document states about itself, or its caller about it.
    """

    source: str
    origin: Origin
    content_hash: bytes
    loader: str
    status: Status = Status.INDEXED
    reason: str = ""
    language: str = UNDETERMINED
    signature: FileSignature | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk in the catalog with what is served of its document.

    ``whole`` says that the document has no other chunk; ``document`` is its id.
    """

    id: int
    ordinal: int
    chunk: Chunk
    source: str
    origin: Origin
    language: str
    metadata: Mapping[str, Any]
    whole: bool
    document: int = 0

    @property
    def path(self) -> str:
        """The path of the document's file; empty if it was added under an id."""
        return "" if self.origin is Origin.ADDED else self.source

    @property
    def lexical_text(self) -> str:
        """The text whose terms are counted: the chunk under its headings and its file's path."""
        words = _NOT_WORD.sub(" ", _ENDING.sub("", self.path))
        return f"{words}\n{self.chunk.embedding_text}" if words else self.chunk.embedding_text
