"""How the values of the catalog become columns, and back, with their checksums."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ingest.errors import IndexDamagedError, UsageError
from ingest.index.rows import ChunkRow, DocumentRow, Origin, Status
from ingest.types import Chunk, FileSignature

DOCUMENT_COLUMNS = (
    "source, origin, language, metadata, content_hash, loader, status, reason, "
    "size, mtime_ns, ctime_ns, inode"
)
CHUNK_COLUMNS = (
    "c.id, c.document, c.generation, c.ordinal, c.text, c.start, c.end, c.page, c.page_breaks, "
    "c.headings, c.text_hash, c.checksum, d.source, d.origin, d.language, d.metadata, d.checksum, "
    "c.ordinal = 0 AND NOT EXISTS "
    "(SELECT 1 FROM chunks n WHERE n.document = c.document AND n.ordinal = 1)"
)


def text_hash(text: str) -> bytes:
    """Return the key under which the vector of ``text`` is kept."""
    return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))


def checksum(*fields: Any) -> bytes:
    """Return a digest (xxh3, 64 bits) of a row's fields."""
    parts = (
        field if isinstance(field, bytes) else str(field).encode("utf-8", "surrogatepass")
        for field in fields
    )
    return xxhash.xxh3_64_digest(b"\x1f".join(parts))


def document_checksum(
    document_id: int, source: str, origin: str, language: str, metadata: str
) -> bytes:
    """Return the digest of what is served of a document."""
    return checksum(document_id, source, origin, language, metadata)


def fingerprint(ids: NDArray[np.int64]) -> int:
    """Return a digest of a set of ids: the sum, modulo 2**64, of their hashes.

    The digest of a union is the sum of the digests, so a change costs only what it changes. The
    hash is the output step of SplitMix64 (Steele, Lea and Flood 2014).
    """
    mixed = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((mixed ^ (mixed >> np.uint64(31))).sum(dtype=np.uint64))


def document_values(row: DocumentRow) -> tuple[Any, ...]:
    """Return the values of ``DOCUMENT_COLUMNS``; raises UsageError if they are not JSON."""
    try:
        metadata = json.dumps(dict(row.metadata), ensure_ascii=False)
    except TypeError as error:
        raise UsageError(f"the metadata of {row.source} must be JSON values: {error}") from error
    return (
        row.source,
        row.origin,
        row.language,
        metadata,
        row.content_hash,
        row.loader,
        row.status,
        row.reason,
        *signature_values(row.signature),
    )


def signature_values(signature: FileSignature | None) -> tuple[int | None, ...]:
    """Return size, mtime, ctime and inode, or four times None."""
    if signature is None:
        return (None, None, None, None)
    return (signature.size, signature.mtime_ns, signature.ctime_ns, signature.inode)


def document_row(columns: Sequence[Any]) -> DocumentRow:
    """Read a row of ``DOCUMENT_COLUMNS``."""
    source, origin, language, metadata, content_hash, loader, status, reason, *stat = columns
    return DocumentRow(
        source=source,
        origin=Origin(origin),
        content_hash=content_hash,
        loader=loader,
        status=Status(status),
        reason=reason,
        language=language,
        signature=None if stat[0] is None else FileSignature(*stat),
        metadata=json.loads(metadata),
    )


def chunk_row(row: Sequence[Any]) -> ChunkRow:
    """Read a row of ``CHUNK_COLUMNS``; raises IndexDamagedError if it is not what was written."""
    chunk_id, *fields, expected, source, origin, language, metadata, expected_document, whole = row
    document_id, _, ordinal, *_ = fields
    if checksum(chunk_id, *fields) != expected:
        raise IndexDamagedError(f"chunk {chunk_id} in the catalog is damaged")
    if document_checksum(document_id, source, origin, language, metadata) != expected_document:
        raise IndexDamagedError(f"the row of {source} in the catalog is damaged")
    _, _, _, text, start, end, page, breaks, headings, _ = fields
    return ChunkRow(
        id=chunk_id,
        ordinal=ordinal,
        chunk=Chunk(text, start, end, page, tuple(json.loads(breaks)), tuple(json.loads(headings))),
        source=source,
        origin=Origin(origin),
        language=language,
        metadata=json.loads(metadata),
        whole=bool(whole),
    )
