"""What a catalog says at one generation."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.errors import IndexDamagedError
from ingest.index.columns import (
    CHUNK_COLUMNS,
    DOCUMENT_COLUMNS,
    checksum,
    chunk_row,
    document_checksum,
    document_row,
)
from ingest.index.rows import ChunkRow, DocumentRow, Origin, State, Status
from ingest.types import Document, FileProblem, Heading

FORMAT = 1
Vectors = NDArray[np.float32]


class Reader:
    """What a catalog says at one generation."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def state(self) -> State:
        """Return the state row.

        Raises:
            IndexDamagedError: If it is missing, altered, or of a newer format.
        """
        row = self._connection.execute("SELECT state, checksum FROM state").fetchone()
        if row is None or checksum(row[0]) != row[1]:
            raise IndexDamagedError("the catalog's state row is damaged")
        data = json.loads(row[0])
        if data["format"] != FORMAT:
            raise IndexDamagedError(
                f"the index has format {data['format']}, this version reads {FORMAT}"
            )
        return State(**data)

    def documents(self, origin: Origin) -> Iterator[DocumentRow]:
        """Yield the documents of one origin in the order of their sources."""
        query = f"SELECT {DOCUMENT_COLUMNS} FROM documents WHERE origin = ? ORDER BY source"
        for row in self._connection.execute(query, (origin,)):
            yield document_row(row)

    def problems(self, status: Status) -> tuple[FileProblem, ...]:
        """Return the documents of a status with their reasons, in the order of their sources."""
        query = "SELECT source, reason FROM documents WHERE status = ? ORDER BY source"
        return tuple(FileProblem(*row) for row in self._connection.execute(query, (status,)))

    def document(self, source: str) -> tuple[DocumentRow, Document] | None:
        """Return a document with its text, or None if the catalog has none under that source."""
        row = self._connection.execute(
            f"SELECT {DOCUMENT_COLUMNS}, id, d.checksum, text, pages, headings, t.checksum "
            "FROM documents d JOIN texts t ON document = id WHERE source = ?",
            (source,),
        ).fetchone()
        if row is None:
            return None
        *columns, document_id, expected_row, text, pages, headings, expected = row
        if document_checksum(document_id, *columns[:4]) != expected_row:
            raise IndexDamagedError(f"the row of {source} in the catalog is damaged")
        if checksum(document_id, text, pages, headings) != expected:
            raise IndexDamagedError(f"the text of {source} in the catalog is damaged")
        found = document_row(columns)
        return found, Document(
            text=text,
            pages=tuple(json.loads(pages)),
            headings=tuple(Heading(*heading) for heading in json.loads(headings)),
            metadata=found.metadata,
        )

    def chunks(self, ids: Iterable[int]) -> list[ChunkRow]:
        """Return the chunks with the given ids, in that order.

        Raises:
            IndexDamagedError: If one is missing or not what was written.
        """
        rows = (self._chunk(chunk_id) for chunk_id in ids)
        return [chunk_row(row) for row in rows]

    def _chunk(self, chunk_id: int) -> Sequence[Any]:
        row: Sequence[Any] | None = self._connection.execute(
            f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document "
            "WHERE c.id = ?",
            (chunk_id,),
        ).fetchone()
        if row is None:
            raise IndexDamagedError(f"chunk {chunk_id} is missing from the catalog")
        return row

    def document_chunks(self, source: str) -> list[ChunkRow]:
        """Return the chunks of a document in their order."""
        query = (
            f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document "
            "WHERE d.source = ? ORDER BY c.ordinal"
        )
        return [chunk_row(row) for row in self._connection.execute(query, (source,))]

    def chunks_since(self, generation: int) -> list[ChunkRow]:
        """Return the chunks added after ``generation``, in the order of their ids."""
        query = (
            f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document "
            "WHERE c.generation > ? ORDER BY c.id"
        )
        return [chunk_row(row) for row in self._connection.execute(query, (generation,))]

    def vectors_since(self, generation: int, dimension: int) -> Vectors:
        """Return the vectors of the chunks added after ``generation``, shape (n, dimension).

        Raises:
            IndexDamagedError: If one is missing or not what was written.
        """
        query = (
            "SELECT c.id, c.text_hash, v.vector, v.checksum FROM chunks c "
            "LEFT JOIN vectors v USING (text_hash) WHERE c.generation > ? ORDER BY c.id"
        )
        blobs = []
        for chunk_id, key, blob, expected in self._connection.execute(query, (generation,)):
            if blob is None or len(blob) != 4 * dimension or checksum(key, blob) != expected:
                raise IndexDamagedError(f"the vector of chunk {chunk_id} is missing or damaged")
            blobs.append(blob)
        return np.frombuffer(b"".join(blobs), np.float32).reshape(-1, dimension)

    def removed_since(self, generation: int) -> NDArray[np.int64]:
        """Return the ids of the chunks removed after ``generation``."""
        rows = self._connection.execute(
            "SELECT chunk FROM removed WHERE generation > ?", (generation,)
        )
        return np.array([row[0] for row in rows], np.int64)

    def changes_since(self, generation: int) -> int:
        """Return how many chunks were added or removed after ``generation``."""
        row = self._connection.execute(
            "SELECT (SELECT COUNT(*) FROM chunks WHERE generation > ?1) + "
            "(SELECT COUNT(*) FROM removed WHERE generation > ?1)",
            (generation,),
        ).fetchone()
        return int(row[0])

    def chunk_ids(self, conditions: Mapping[str, str]) -> NDArray[np.int64]:
        """Return the ids of the chunks whose document meets every condition, ascending.

        ``source`` is a GLOB pattern, ``language`` a code; any other key is one of the metadata.
        """
        clauses, values = ["1"], []
        for key, value in conditions.items():
            if key == "source":
                clauses.append("d.source GLOB ?")
            elif key == "language":
                clauses.append("d.language = ?")
            else:
                clauses.append("CAST(json_extract(d.metadata, ?) AS TEXT) = ?")
                values.append(f"$.{json.dumps(key)}")
            values.append(str(value))
        rows = self._connection.execute(
            "SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document "
            f"WHERE {' AND '.join(clauses)} ORDER BY c.id",
            values,
        )
        return np.array([row[0] for row in rows], np.int64)

    def missing_vectors(self, keys: Iterable[bytes]) -> set[bytes]:
        """Return those of ``keys`` for which no vector is kept."""
        query = "SELECT 1 FROM vectors WHERE text_hash = ?"
        return {key for key in keys if not self._connection.execute(query, (key,)).fetchone()}
