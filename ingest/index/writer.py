"""A change to a catalog."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from ingest.index.columns import (
    DOCUMENT_COLUMNS,
    checksum,
    document_checksum,
    document_values,
    fingerprint,
    signature_values,
    text_hash,
)
from ingest.index.reader import Reader, Vectors
from ingest.index.rows import DocumentRow, State, Status
from ingest.types import Chunk, Document, FileSignature


class Writer(Reader):
    """A change to a catalog, seen by nobody until it is committed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._before = self.state()
        self._after = self._before
        self._generation = self._before.generation + 1

    def put_document(self, row: DocumentRow, document: Document, chunks: Sequence[Chunk]) -> None:
        """Add a document with its chunks in place of any other under its source.

        The vectors of the chunks have to be there, or be put in the same change.
        """
        self.remove_document(row.source)
        columns = document_values(row)
        marks = ", ".join("?" * (len(columns) + 2))
        document_id = self._next_id()
        self._connection.execute(
            f"INSERT INTO documents ({DOCUMENT_COLUMNS}, id, checksum) VALUES ({marks})",
            (*columns, document_id, document_checksum(document_id, *columns[:4])),
        )
        if row.status is Status.FAILED:
            return
        self._put_text(document_id, document)
        ids = [self._put_chunk(document_id, *numbered) for numbered in enumerate(chunks)]
        self._count(1, ids)

    def remove_document(self, source: str) -> None:
        """Remove a document with its chunks, if there is one under ``source``."""
        row = self._connection.execute(
            "SELECT id, status FROM documents WHERE source = ?", (source,)
        ).fetchone()
        if row is None:
            return
        document_id, status = row
        rows = self._connection.execute("SELECT id FROM chunks WHERE document = ?", (document_id,))
        ids = [row[0] for row in rows]
        self._connection.executemany(
            "INSERT INTO removed VALUES (?, ?)", [(chunk_id, self._generation) for chunk_id in ids]
        )
        self._connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        if status != Status.FAILED:
            self._count(-1, ids)

    def rename_document(self, source: str, row: DocumentRow) -> None:
        """Give the document under ``source`` the source and signature of ``row``."""
        columns = document_values(row)
        names = ", ".join("?" * (len(columns) + 1))
        (document_id,) = self._connection.execute(
            "SELECT id FROM documents WHERE source = ?", (source,)
        ).fetchone()
        self._connection.execute(
            f"UPDATE documents SET ({DOCUMENT_COLUMNS}, checksum) = ({names}) WHERE id = ?",
            (*columns, document_checksum(document_id, *columns[:4]), document_id),
        )
        self._count(0, [])

    def put_vectors(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep the vectors of the texts with the given hashes; shape (n, d)."""
        blobs = [vector.tobytes() for vector in np.ascontiguousarray(vectors, np.float32)]
        self._connection.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
            [(key, blob, checksum(key, blob)) for key, blob in zip(keys, blobs, strict=True)],
        )

    def sign(self, source: str, signature: FileSignature | None) -> None:
        """Note a file's new signature; its content is the same, so the generation is too."""
        values = signature_values(signature)
        self._connection.execute(
            "UPDATE documents SET (size, mtime_ns, ctime_ns, inode) = (?, ?, ?, ?) "
            "WHERE source = ?",
            (*values, source),
        )

    def follow(self, folder: str) -> None:
        """Note the folder that the index follows."""
        self._after = replace(self._after, folder=folder)

    def forget_removed(self, generation: int) -> None:
        """Shorten the log of removed chunks to ``generation``, and drop unused vectors."""
        self._connection.execute("DELETE FROM removed WHERE generation <= ?", (generation,))
        self._connection.execute(
            "DELETE FROM vectors WHERE text_hash NOT IN (SELECT text_hash FROM chunks)"
        )
        self._after = replace(self._after, horizon=generation)

    def finish(self) -> None:
        """Write the state row of this change, if it changed anything."""
        if self._after != self._before:
            write_state(self._connection, self._after)

    def _next_id(self) -> int:
        taken = self._after.next_id
        self._after = replace(self._after, next_id=taken + 1)
        return taken

    def _put_text(self, document_id: int, document: Document) -> None:
        pages = json.dumps(document.pages)
        headings = json.dumps([(h.start, h.level, h.title) for h in document.headings])
        self._connection.execute(
            "INSERT INTO texts VALUES (?, ?, ?, ?, ?)",
            (
                document_id,
                document.text,
                pages,
                headings,
                checksum(document_id, document.text, pages, headings),
            ),
        )

    def _put_chunk(self, document_id: int, ordinal: int, chunk: Chunk) -> int:
        chunk_id = self._next_id()
        fields = (
            chunk_id,
            document_id,
            self._generation,
            ordinal,
            chunk.text,
            chunk.start,
            chunk.end,
            chunk.page,
            json.dumps(chunk.page_breaks),
            json.dumps(chunk.headings),
            text_hash(chunk.embedding_text),
        )
        self._connection.execute(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*fields, checksum(*fields)),
        )
        return chunk_id

    def _count(self, documents: int, chunk_ids: Sequence[int]) -> None:
        """Note documents and their chunks that came (1), went (-1) or moved (0)."""
        difference = documents * fingerprint(np.array(chunk_ids, np.int64))
        self._after = replace(
            self._after,
            generation=self._generation,
            documents=self._after.documents + documents,
            chunks=self._after.chunks + documents * len(chunk_ids),
            fingerprint=(self._after.fingerprint + difference) % 2**64,
        )


def write_state(connection: sqlite3.Connection, state: State) -> None:
    """Write the one state row."""
    text = json.dumps(asdict(state))
    connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (text, checksum(text)))
