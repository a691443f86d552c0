"""The rows of the catalog in Python and in SQLite, each with a checksum."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ingest.embeddings import EmbeddingIdentity
from ingest.errors import IndexDamagedError, UsageError
from ingest.text.languages import UNDETERMINED
from ingest.types import Chunk, FileSignature, Place

_ENDING = re.compile(r"\.[^./]*$")
_NOT_WORD = re.compile(r"[\W_]+")


class Status(StrEnum):
    """The outcome of loading a document."""

    INDEXED = "indexed"
    PARTIAL = "partial"
    IGNORED = "ignored"
    FAILED = "failed"

    @property
    def has_text(self) -> bool:
        """Whether a document with this status has a text in the catalog."""
        return self in (Status.INDEXED, Status.PARTIAL)


class Origin(StrEnum):
    """What put a document into the index: the sync of a folder, or ``add_documents``."""

    FOLDER = "folder"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class State:
    """The single row that describes the whole index.

    Attributes:
        index_id: Random id that ties the derived files to this catalog.
        identity: The embedding model that made the vectors.
        chunk_tokens: Longest chunk, in tokens.
        folder: Absolute path of the synced folder; empty before the first sync.
        generation: Number of committed changes.
        horizon: Generation from which the log of removed chunks is complete.
        documents: Number of documents that can be searched.
        chunks: Number of their chunks.
        fingerprint: :func:`fingerprint` of the ids of these chunks.
        rows: :func:`fingerprint` of the ids of all documents, including those without text.
        problems: Number of documents that failed, are ignored, or are partial.
        added: Number of documents from ``add_documents``.
        next_id: The next id for a document or a chunk; ids are never reused.
        format: Version of the on-disk format.
    """

    index_id: str
    identity: EmbeddingIdentity
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
    format: int = 3

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> State:
        """Return the state from the parsed JSON that :meth:`to_json` wrote."""
        return cls(**{**data, "identity": EmbeddingIdentity(**json.loads(data["identity"]))})

    def to_json(self) -> str:
        """Return the state as it is stored: the identity is JSON within JSON."""
        return json.dumps(asdict(self) | {"identity": json.dumps(asdict(self.identity))})


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document in the catalog, without its text.

    Attributes:
        source: Path relative to the folder, or the id given to ``add_documents``.
        content_hash: SHA-256 of the loaded bytes.
        size: Size of the file, in bytes; None if unknown.
        signature: None if the file may have changed within the clock's resolution after reading.
        loader: Name and version of the loader.
        reason: Why it failed or is ignored, or what is missing; empty if it was read completely.
        language: ISO 639-1 code, or ``und`` if undetermined.
        metadata: Metadata from the document itself or from the caller.
    """

    source: str
    origin: Origin
    content_hash: bytes
    loader: str
    status: Status = Status.INDEXED
    reason: str = ""
    language: str = UNDETERMINED
    size: int | None = None
    signature: FileSignature | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """The kind of its file, such as ``pdf``, by its name."""
        return self.loader.partition("/")[0]


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk in the catalog with the fields of its document that search results show.

    ``whole`` is whether the document has no other chunk; ``document`` is the document's id.
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
        """The path of the document's file; empty for added documents."""
        return "" if self.origin is Origin.ADDED else self.source

    @property
    def lexical_text(self) -> str:
        """The text that BM25 indexes: the path, the headings and the chunk."""
        words = _NOT_WORD.sub(" ", _ENDING.sub("", self.path))
        return f"{words}\n{self.chunk.embedding_text}" if words else self.chunk.embedding_text


_SERVED_COLUMNS = (
    "d.id, d.chunks, d.source, d.origin, d.language, d.metadata, d.content_hash, d.loader, "
    "d.status, d.reason, d.checksum"
)
DOCUMENT_COLUMNS = f"{_SERVED_COLUMNS}, d.size, d.mtime_ns, d.ctime_ns, d.inode"
CHUNK_COLUMNS = (
    "c.id, c.document, c.generation, c.ordinal, c.text, c.start, c.end, c.places, "
    f"c.headings, c.text_hash, c.checksum, {_SERVED_COLUMNS}"
)
_CHUNK_WIDTH = 11
_SERVED_WIDTH = 11


def text_hash(chunk: Chunk) -> bytes:
    """Return the key of a chunk's vectors.

    The context and the text are hashed separately, because sentence offsets count in the text.
    """
    key = f"{chunk.context}\0{chunk.text}"
    return xxhash.xxh3_128_digest(key.encode("utf-8", "surrogatepass"))


def checksum_seed(index_id: str) -> int:
    """Return a seed that makes the checksums of one index differ from those of any other."""
    return xxhash.xxh3_64_intdigest(index_id.encode())


def checksum(seed: int, *fields: Any) -> bytes:
    """Return a digest (xxh3, 64 bits) of a row's fields; bytes and text differ."""
    parts = [
        b"\x00" + field if isinstance(field, bytes) else str(field).encode("utf-8", "surrogatepass")
        for field in fields
    ]
    return xxhash.xxh3_64_digest(b"\x1f".join(parts), seed)


def fingerprint(ids: NDArray[np.int64]) -> int:
    """Return a digest of a set of ids, shape (n,): the sum, modulo 2**64, of their hashes.

    The digest of a disjoint union is the sum of the digests, so updating it costs only as much as
    the change. The hash is the output step of SplitMix64 (Steele, Lea and Flood 2014).
    """
    mixed = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((mixed ^ (mixed >> np.uint64(31))).sum(dtype=np.uint64))


def document_values(
    seed: int, document_id: int, chunks: int, row: DocumentRow
) -> tuple[int | str | bytes | None, ...]:
    """Return the values of ``DOCUMENT_COLUMNS``.

    Args:
        seed: The index's :func:`checksum_seed`.
        document_id: The id of the document.
        chunks: Number of its chunks.
        row: The document.

    Raises:
        UsageError: If the metadata can't be written as JSON.
    """
    try:
        metadata = json.dumps(dict(row.metadata), ensure_ascii=False)
        metadata.encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise UsageError(f"the metadata of {row.source} must be JSON values: {error}") from error
    served = (document_id, chunks, row.source, row.origin, row.language, metadata)
    loaded = (row.content_hash, row.loader, row.status, row.reason)
    digest = checksum(seed, *served, *loaded)
    return (*served, *loaded, digest, *(row.signature or (row.size, None, None, None)))


def document_row(seed: int, columns: Sequence[Any]) -> DocumentRow:
    """Return the document of a row of ``DOCUMENT_COLUMNS``.

    The signature has no checksum: a wrong one only causes the file to be read again.

    Raises:
        IndexDamagedError: If the row fails its checksum.
    """
    _check_served(seed, columns[:_SERVED_WIDTH])
    source, origin, language, metadata, content_hash, loader, status, reason = columns[2:10]
    stat = columns[_SERVED_WIDTH:]
    return DocumentRow(
        source=source,
        origin=Origin(origin),
        content_hash=content_hash,
        loader=loader,
        status=Status(status),
        reason=reason,
        language=language,
        size=stat[0],
        signature=None if None in stat else FileSignature(*stat),
        metadata=json.loads(metadata),
    )


def chunk_row(seed: int, columns: Sequence[Any]) -> ChunkRow:
    """Return the chunk of a row of ``CHUNK_COLUMNS``.

    Raises:
        IndexDamagedError: If the row fails its checksum.
    """
    *fields, expected = columns[:_CHUNK_WIDTH]
    chunk_id, document_id, _, ordinal, text, start, end, places, headings, _ = fields
    if checksum(seed, *fields) != expected:
        raise IndexDamagedError(f"chunk {chunk_id} in the catalog is damaged")
    served = columns[_CHUNK_WIDTH:]
    _check_served(seed, served)
    _, chunks, source, origin, language, metadata, *_ = served
    return ChunkRow(
        id=chunk_id,
        ordinal=ordinal,
        chunk=Chunk(
            text,
            start,
            end,
            places=tuple(Place(*place) for place in json.loads(places)),
            headings=tuple(json.loads(headings)),
        ),
        source=source,
        origin=Origin(origin),
        language=language,
        metadata=json.loads(metadata),
        whole=chunks == 1,
        document=document_id,
    )


def _check_served(seed: int, columns: Sequence[Any]) -> None:
    *served, expected = columns
    if checksum(seed, *served) != expected:
        raise IndexDamagedError(f"the row of document {served[0]} in the catalog is damaged")
