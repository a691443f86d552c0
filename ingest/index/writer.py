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
        marks = ", ".join("?" * (len(columns) + 1))
        document_id = self._connection.execute(
            f"INSERT INTO documents ({DOCUMENT_COLUMNS}, checksum) VALUES ({marks})",
            (*columns, document_checksum(*columns[:4])),
        ).lastrowid
        if row.status is Status.FAILED:
            return
        self._put_text(document_id, document)
        for ordinal, chunk in enumerate(chunks):
            self._put_chunk(document_id, ordinal, chunk)
        self._count(documents=1, chunks=len(chunks))

    def remove_document(self, source: str) -> None:
        """Remove a document with its chunks, if there is one under ``source``."""
        row = self._connection.execute(
            "SELECT id, status FROM documents WHERE source = ?", (source,)
        ).fetchone()
        if row is None:
            return
        document_id, status = row
        removed = self._connection.execute(
            "INSERT INTO removed SELECT id, ? FROM chunks WHERE document = ?",
            (self._generation, document_id),
        ).rowcount
        self._connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        if status != Status.FAILED:
            self._count(documents=-1, chunks=-removed)

    def rename_document(self, source: str, row: DocumentRow) -> None:
        """Give the document under ``source`` the source and signature of ``row``."""
        columns = document_values(row)
        names = ", ".join("?" * (len(columns) + 1))
        self._connection.execute(
            f"UPDATE documents SET ({DOCUMENT_COLUMNS}, checksum) = ({names}) WHERE source = ?",
            (*columns, document_checksum(*columns[:4]), source),
        )
        self._count(documents=0, chunks=0)

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

    def _put_text(self, document_id: int | None, document: Document) -> None:
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

    def _put_chunk(self, document_id: int | None, ordinal: int, chunk: Chunk) -> None:
        headings = json.dumps(chunk.headings)
        fields = (
            document_id,
            self._generation,
            ordinal,
            chunk.text,
            chunk.start,
            chunk.end,
            chunk.page,
            json.dumps(chunk.page_breaks),
            headings,
            text_hash(chunk.embedding_text),
        )
        self._connection.execute(
            "INSERT INTO chunks (document, generation, ordinal, text, start, end, page, "
            "page_breaks, headings, text_hash, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*fields, checksum(*fields)),
        )

    def _count(self, *, documents: int, chunks: int) -> None:
        self._after = replace(
            self._after,
            generation=self._generation,
            documents=self._after.documents + documents,
            chunks=self._after.chunks + chunks,
        )


def write_state(connection: sqlite3.Connection, state: State) -> None:
    """Write the one state row."""
    text = json.dumps(asdict(state))
    connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (text, checksum(text)))
