"""How the values of the catalog become columns, and back, with their checksums."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import xxhash

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


def document_checksum(source: str, origin: str, language: str, metadata: str) -> bytes:
    """Return the digest of what is served of a document."""
    return checksum(source, origin, language, metadata)


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
    if checksum(*fields) != expected:
        raise IndexDamagedError(f"chunk {chunk_id} in the catalog is damaged")
    if document_checksum(source, origin, language, metadata) != expected_document:
        raise IndexDamagedError(f"the row of {source} in the catalog is damaged")
    _, _, ordinal, text, start, end, page, breaks, headings, _ = fields
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
