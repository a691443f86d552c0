"""Write a change to a catalog."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ingest.embeddings import PassageVectors
from ingest.errors import IndexDamagedError
from ingest.index.atomic_files import CommitMarker
from ingest.index.reader import Reader
from ingest.index.records import (
    DocumentRow,
    Origin,
    State,
    Status,
    checksum,
    document_values,
    fingerprint,
    text_hash,
)
from ingest.types import Chunk, Document, FileSignature

_MOST_UNREAD = 0.999  # keeps the estimate of what is missing finite


class Writer(Reader):
    """A change to a catalog, invisible to readers until it is committed."""

    def __init__(self, connection: sqlite3.Connection, marker: CommitMarker | None = None) -> None:
        super().__init__(connection, marker)
        self._before = self.state()
        self._after = self._before
        self._generation = self._before.generation + 1

    def put_document(self, row: DocumentRow, document: Document, chunks: Sequence[Chunk]) -> None:
        """Add a document with its chunks, replacing any document with the same source.

        The vectors of the chunks must be in the catalog, or be put in the same change.
        """
        self.remove_document(row.source)
        document_id = self._next_id()
        values = document_values(self._seed, document_id, len(chunks), row)
        placeholders = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT INTO documents VALUES ({placeholders})", values)
        if row.status.has_text:
            self._put_text(document_id, document)
        ids = [self._put_chunk(document_id, *numbered) for numbered in enumerate(chunks)]
        self._count(1, document_id, row, ids)

    def remove_document(self, source: str) -> None:
        """Remove the document ``source`` with its chunks, if there is one."""
        found = self._find("source", source)
        if found is None:
            return
        document_id, _, row = found
        ids = [chunk.id for chunk in self._read_chunks(*found)]
        self._connection.executemany(
            "INSERT INTO removed VALUES (?, ?)", [(chunk_id, self._generation) for chunk_id in ids]
        )
        self._connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        self._count(-1, document_id, row, ids)

    def rename_document(self, source: str, row: DocumentRow) -> None:
        """Move the document ``source`` to the source of ``row``, as new rows."""
        found = self.document(source)
        if found is None:
            raise IndexDamagedError(f"document {source} is missing from the catalog")
        chunks = [chunk.chunk for chunk in self.document_chunks(source)]
        self.remove_document(source)
        self.put_document(row, found[1], chunks)

    def put_vectors(self, vectors: Mapping[bytes, PassageVectors]) -> None:
        """Store vectors by the hash of their text."""
        for table, blobs in (
            ("vectors", {key: one.whole.tobytes() for key, one in vectors.items()}),
            ("sentences", {key: one.sentences.to_bytes() for key, one in vectors.items()}),
        ):
            self._connection.executemany(
                f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)",
                [(key, blob, checksum(self._seed, key, blob)) for key, blob in blobs.items()],
            )

    def sign(self, source: str, signature: FileSignature | None) -> None:
        """Store a file's new signature; as its content is the same, so is the generation."""
        values = signature or (None, None, None, None)
        self._connection.execute(
            "UPDATE documents SET (size, mtime_ns, ctime_ns, inode) = (IFNULL(?, size), ?, ?, ?) "
            "WHERE source = ?",
            (*values, source),
        )

    def follow(self, folder: str) -> None:
        """Store the folder that the index is synced with."""
        self._after = replace(self._after, folder=folder)

    def forget_removed(self, generation: int) -> None:
        """Drop the log of chunks removed up to ``generation``, and unused vectors."""
        self._connection.execute("DELETE FROM removed WHERE generation <= ?", (generation,))
        for table in ("vectors", "sentences"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE text_hash NOT IN (SELECT text_hash FROM chunks)"
            )
        self._after = replace(self._after, horizon=generation)

    def finish(self) -> CommitMarker:
        """Write the state row, if anything changed, and return its commit marker."""
        if self._after != self._before:
            write_state(self._connection, self._after)
        return CommitMarker.of(self._after)

    def _next_id(self) -> int:
        taken = self._after.next_id
        self._after = replace(self._after, next_id=taken + 1)
        return taken

    def _put_text(self, document_id: int, document: Document) -> None:
        places = json.dumps(document.places)
        headings = json.dumps([(h.start, h.level, h.title) for h in document.headings])
        fields = (document_id, document.text, places, headings)
        values = (*fields, checksum(self._seed, *fields))
        self._connection.execute("INSERT INTO texts VALUES (?, ?, ?, ?, ?)", values)
        size, unread = len(document.text), min(document.unread, _MOST_UNREAD)
        coverage = (document_id, size, round(size * unread / (1 - unread)))
        self._connection.execute("INSERT INTO coverage VALUES (?, ?, ?)", coverage)

    def _put_chunk(self, document_id: int, ordinal: int, chunk: Chunk) -> int:
        chunk_id = self._next_id()
        span = (chunk.text, chunk.start, chunk.end)
        lists = (json.dumps(chunk.places), json.dumps(chunk.headings))
        key = text_hash(chunk)
        fields = (chunk_id, document_id, self._generation, ordinal, *span, *lists, key)
        self._connection.execute(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*fields, checksum(self._seed, *fields)),
        )
        return chunk_id

    def _count(
        self, difference: int, document_id: int, row: DocumentRow, chunk_ids: Sequence[int]
    ) -> None:
        """Update the counts and fingerprints for a document added (1) or removed (-1)."""
        after = self._after
        rows = difference * fingerprint(np.array([document_id], np.int64))
        chunks = difference * fingerprint(np.array(chunk_ids, np.int64))
        self._after = replace(
            after,
            generation=self._generation,
            documents=after.documents + difference * row.status.has_text,
            chunks=after.chunks + difference * len(chunk_ids),
            fingerprint=(after.fingerprint + chunks) % 2**64,
            rows=(after.rows + rows) % 2**64,
            problems=after.problems + difference * (row.status is not Status.INDEXED),
            added=after.added + difference * (row.origin is Origin.ADDED),
        )


def write_state(connection: sqlite3.Connection, state: State) -> None:
    """Write the state row."""
    text = state.to_json()
    connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (text, checksum(0, text)))
