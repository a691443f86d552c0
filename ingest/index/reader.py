"""Read one generation of a catalog."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ingest.embeddings import SentenceVectors
from ingest.errors import IndexDamagedError, StoreError
from ingest.index.atomic_files import CommitMarker
from ingest.index.records import (
    CHUNK_COLUMNS,
    DOCUMENT_COLUMNS,
    ChunkRow,
    DocumentRow,
    Origin,
    State,
    Status,
    checksum,
    checksum_seed,
    chunk_row,
    document_row,
    fingerprint,
)
from ingest.types import (
    Coverage,
    Document,
    FileProblem,
    FileSignature,
    Heading,
    IndexedDocument,
    Place,
)

FORMAT = 3
# Formats that store documents and texts as this one does, so that a rebuild can keep them.
SAME_DOCUMENTS = (1, 2, FORMAT)
Vectors = NDArray[np.float32]

_CHUNKS = f"SELECT {CHUNK_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document"


class Reader:
    """One generation of a catalog.

    Rows are verified one by one, and sets of rows by their digest or number in the state row, so
    that rows that a damaged table or SQLite index hides are noticed.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        marker: CommitMarker | None = None,
        formats: Sequence[int] = (FORMAT,),
    ) -> None:
        """Read a catalog.

        Args:
            connection: A connection to the catalog.
            marker: The commit marker to check the state row against, if any.
            formats: The formats that may be read.
        """
        self._connection = connection
        self._marker = marker
        self._formats = formats
        self._seed = checksum_seed(marker.index_id if marker else self.state().index_id)

    def state(self) -> State:
        """Return the state row.

        Raises:
            IndexDamagedError: If it is missing, fails its checksum, or is behind the marker.
            StoreError: If the catalog has another format.
        """
        row = self._connection.execute("SELECT state, checksum FROM state").fetchone()
        if row is None or checksum(0, row[0]) != row[1]:
            raise IndexDamagedError("the catalog's state row is damaged")
        data = json.loads(row[0])
        if data["format"] not in self._formats:
            raise StoreError(
                f"the index has format {data['format']}, this version reads {FORMAT}: "
                f"{_remedy(data['format'])}"
            )
        state = State.from_json(data)
        if self._marker:
            self._marker.check(state)
        return state

    def documents(self, origin: Origin) -> Iterator[DocumentRow]:
        """Yield the documents of one origin, ordered by source."""
        for _, row in self.rows():
            if row.origin is origin:
                yield row

    def listing(self) -> list[IndexedDocument]:
        """Return every document and every file without text, ordered by source.

        Raises:
            IndexDamagedError: If one is missing or damaged.
        """
        chunks = dict(self._connection.execute("SELECT id, chunks FROM documents"))
        return [
            IndexedDocument(
                source=row.source,
                status=row.status,
                reason=row.reason,
                type=row.type,
                language=row.language,
                title=str(row.metadata.get("title", "")),
                date=str(row.metadata.get("date", "")),
                size=row.size,
                chunks=chunks[document_id],
                is_file=row.origin is Origin.FOLDER,
            )
            for document_id, row in self.rows()
        ]

    def settled(
        self, files: Mapping[str, FileSignature], loader: Callable[[str], str]
    ) -> tuple[dict[str, str], list[str]]:
        """Return the status of each document whose file is unchanged, and the other sources.

        Only documents of the folder count. The columns read here have no checksum: a wrong value
        only causes a file to be read needlessly. No row is kept, because collecting them as
        garbage would take longer than the rest of a sync.
        """
        query = (
            "SELECT size, mtime_ns, ctime_ns, inode, id, source, origin, loader, status "
            "FROM documents NOT INDEXED"
        )
        ids, settled, others = [], {}, []
        for row in self._connection.execute(query):
            _, _, _, _, document_id, source, kept_by, loaded_by, status = row
            ids.append(document_id)
            if kept_by != Origin.FOLDER:
                continue
            if row[:4] == files.get(source) and loaded_by == loader(source):
                settled[source] = status
            else:
                others.append(source)
        self._check_documents(np.array(ids, np.int64))
        return settled, others

    def find_documents(self, sources: Iterable[str]) -> list[DocumentRow]:
        """Return the documents under the given sources, in that order.

        Raises:
            IndexDamagedError: If one is missing or damaged.
        """
        rows = []
        for source in sources:
            found = self._find("source", source)
            if found is None:
                raise IndexDamagedError(f"the catalog's index of documents misses {source}")
            rows.append(found[2])
        return rows

    def problems(self, status: Status) -> tuple[FileProblem, ...]:
        """Return the sources with a status and their reasons, ordered by source."""
        expected = self.state().problems
        if not expected:
            return ()
        query = f"SELECT {DOCUMENT_COLUMNS} FROM documents d WHERE status != ? ORDER BY source"
        found = self._connection.execute(query, (Status.INDEXED,))
        rows = [document_row(self._seed, row) for row in found]
        if len(rows) != expected:
            raise IndexDamagedError("the catalog's list of documents is damaged")
        return tuple(FileProblem(row.source, row.reason) for row in rows if row.status is status)

    def coverage(self) -> Coverage:
        """Return how much of the files of the folder was read.

        A file that failed is taken to have as many characters per byte as those that were read.
        """
        query = (
            "SELECT COUNT(*), COUNT(c.document), TOTAL(c.characters), TOTAL(c.missing), "
            "TOTAL(d.size) FILTER (WHERE c.document), "
            f"TOTAL(d.size) FILTER (WHERE d.status = '{Status.FAILED}') "
            "FROM documents d LEFT JOIN coverage c ON c.document = d.id WHERE d.origin = ?"
        )
        found = self._connection.execute(query, (Origin.FOLDER,)).fetchone()
        files, read, characters, missing, bytes_read, bytes_failed = found
        if bytes_read:
            missing += bytes_failed * characters / bytes_read
        return Coverage(
            files=read / files if files else 1.0,
            characters=characters / (characters + missing) if characters else float(not files),
            read=read,
            total=files,
        )

    def document(self, source: str) -> tuple[DocumentRow, Document] | None:
        """Return a document with its text, or None if the catalog has no text of that source."""
        found = self._find("source", source)
        if found is None:
            self._check_missing(source)
            return None
        document_id, _, row = found
        if not row.status.has_text:
            return None
        return row, self._read_document(document_id, row)

    def chunks(self, ids: Iterable[int]) -> list[ChunkRow]:
        """Return the chunks with the given ids, in that order.

        Raises:
            IndexDamagedError: If one is missing or damaged.
        """
        return [self._chunk(chunk_id) for chunk_id in ids]

    def sentences(self, ids: Iterable[int]) -> list[SentenceVectors]:
        """Return the vectors of the sentences of the chunks with the given ids, in that order.

        Raises:
            IndexDamagedError: If one is missing or damaged.
        """
        dimension = self.state().identity.dimension
        return [self._sentences(chunk_id, dimension) for chunk_id in ids]

    def document_chunks(self, source: str) -> list[ChunkRow]:
        """Return the chunks of a document, ordered by place.

        Raises:
            IndexDamagedError: If one is missing or damaged.
        """
        found = self._find("source", source)
        return self._read_chunks(*found) if found else []

    def all_chunks(self) -> tuple[list[ChunkRow], Vectors]:
        """Return every chunk, ordered by id, and their vectors; shape (n, d).

        Raises:
            IndexDamagedError: If a chunk or vector is missing or damaged.
        """
        rows, vectors = self.added_since(0)
        check_chunks(np.array([row.id for row in rows], np.int64), self.state())
        return rows, vectors

    def added_since(self, generation: int) -> tuple[list[ChunkRow], Vectors]:
        """Return the chunks added after ``generation``, ordered by id, and their vectors.

        The vectors have shape (n, d).

        Raises:
            IndexDamagedError: If a row is missing or damaged.
        """
        rows, vectors = [], []
        dimension = self.state().identity.dimension
        found = self._connection.execute(
            f"SELECT v.vector, v.checksum, c.text_hash, {CHUNK_COLUMNS} FROM chunks c "
            "JOIN documents d ON d.id = c.document LEFT JOIN vectors v USING (text_hash) "
            "WHERE c.generation > ? ORDER BY c.generation, c.id",
            (generation,),
        )
        for vector, expected, key, *columns in found:
            row = chunk_row(self._seed, columns)
            if checksum(self._seed, key, vector) != expected or len(vector) != 4 * dimension:
                raise IndexDamagedError(f"the vector of chunk {row.id} is missing or damaged")
            rows.append(row)
            vectors.append(vector)
        return rows, np.frombuffer(b"".join(vectors), np.float32).reshape(-1, dimension)

    def removed_since(self, generation: int) -> NDArray[np.int64]:
        """Return the ids of the chunks removed after ``generation``; shape (n,)."""
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

    def rows(self) -> Iterator[tuple[int, DocumentRow]]:
        """Yield the id and the row of every document, ordered by source.

        Raises:
            IndexDamagedError: If one is missing or damaged.
        """
        ids: list[int] = []
        previous = ""
        query = f"SELECT {DOCUMENT_COLUMNS} FROM documents d ORDER BY source"
        for columns in self._connection.execute(query):
            row = document_row(self._seed, columns)
            if ids and row.source <= previous:
                break
            previous = row.source
            ids.append(columns[0])
            yield columns[0], row
        self._check_documents(np.array(ids, np.int64))

    def missing_vectors(self, keys: Iterable[bytes]) -> set[bytes]:
        """Return the keys that have no vector in the catalog."""
        query = "SELECT 1 FROM vectors JOIN sentences USING (text_hash) WHERE text_hash = ?"
        return {key for key in keys if not self._connection.execute(query, (key,)).fetchone()}

    def _sentences(self, chunk_id: int, dimension: int) -> SentenceVectors:
        row = self._connection.execute(
            "SELECT text_hash, s.vectors, s.checksum FROM chunks c JOIN sentences s "
            "USING (text_hash) WHERE c.id = ?",
            (chunk_id,),
        ).fetchone()
        try:
            if row and checksum(self._seed, *row[:2]) == row[2]:
                return SentenceVectors.from_bytes(row[1], dimension)
        # A row of the vectors table, from a page that ended up in the wrong place.
        except ValueError:
            pass
        raise IndexDamagedError(f"the sentences of chunk {chunk_id} are missing or damaged")

    def _check_documents(self, ids: NDArray[np.int64]) -> None:
        if fingerprint(ids) != self.state().rows:
            raise IndexDamagedError("the catalog's list of documents is damaged")

    def _find(self, column: str, value: str | int) -> tuple[int, int, DocumentRow] | None:
        """Return the id, the number of chunks and the row of a document."""
        columns = self._connection.execute(
            f"SELECT {DOCUMENT_COLUMNS} FROM documents d WHERE {column} = ?", (value,)
        ).fetchone()
        return (columns[0], columns[1], document_row(self._seed, columns)) if columns else None

    def _read_document(self, document_id: int, row: DocumentRow) -> Document:
        columns = self._connection.execute(
            "SELECT * FROM texts WHERE document = ?", (document_id,)
        ).fetchone()
        *fields, expected = columns or [None]
        if checksum(self._seed, *fields) != expected:
            raise IndexDamagedError(f"the text of {row.source} in the catalog is damaged")
        _, text, places, headings = fields
        return Document(
            text=text,
            places=tuple(Place(*place) for place in json.loads(places)),
            headings=tuple(Heading(*heading) for heading in json.loads(headings)),
            metadata=row.metadata,
            unread=self._unread(document_id),
        )

    def _unread(self, document_id: int) -> float:
        """Return the estimated share of a document that could not be read, 0 to 1."""
        query = "SELECT missing / (characters + missing + 0.0) FROM coverage WHERE document = ?"
        try:
            found = self._connection.execute(query, (document_id,)).fetchone()
        except sqlite3.DatabaseError:  # damaged, or of a format without it: it is an estimate only
            return 0.0
        return float((found and found[0]) or 0.0)

    def _read_chunks(self, document_id: int, count: int, row: DocumentRow) -> list[ChunkRow]:
        rows = self._connection.execute(
            f"{_CHUNKS} WHERE c.document = ? ORDER BY c.ordinal", (document_id,)
        )
        chunks = [chunk_row(self._seed, columns) for columns in rows]
        if [chunk.ordinal for chunk in chunks] != list(range(count)):
            raise IndexDamagedError(f"chunks of {row.source} are missing from the catalog")
        return chunks

    def _check_missing(self, source: str) -> None:
        """Raise IndexDamagedError if a full scan finds a document that a lookup missed."""
        if any(row.source == source for _, row in self.rows()):
            raise IndexDamagedError(f"the catalog's index of documents misses {source}")

    def _chunk(self, chunk_id: int) -> ChunkRow:
        columns = self._connection.execute(f"{_CHUNKS} WHERE c.id = ?", (chunk_id,)).fetchone()
        if columns is None:
            raise IndexDamagedError(f"chunk {chunk_id} is missing from the catalog")
        return chunk_row(self._seed, columns)


def check_chunks(ids: NDArray[np.int64], state: State) -> None:
    """Raise IndexDamagedError if ``ids``, shape (n,), are not those of the committed chunks."""
    found = len(ids), fingerprint(ids)
    if found != (state.chunks, state.fingerprint) or (np.diff(ids) <= 0).any():
        raise IndexDamagedError(
            f"the chunks in the catalog are not the {state.chunks} that were committed"
        )


def _remedy(found: int) -> str:
    if found < FORMAT:
        return "run 'rag index --rebuild' to make it again"
    return "run the version of rag that made it, or 'rag index --index FOLDER' to make another"
