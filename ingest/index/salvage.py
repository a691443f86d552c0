"""Read the readable parts of a damaged catalog, and report the rest."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from ingest.embeddings import PassageVectors
from ingest.errors import IndexDamagedError
from ingest.index.atomic_files import CommitMarker
from ingest.index.reader import Reader
from ingest.index.records import (
    ChunkRow,
    DocumentRow,
    State,
    Status,
    checksum,
    fingerprint,
    text_hash,
)
from ingest.types import Document

_UNREADABLE = (sqlite3.Error, UnicodeDecodeError, IndexDamagedError)
_MESSAGES = 5
T = TypeVar("T")


@dataclass(slots=True)
class Found:
    """The readable parts of a document, each verified.

    Attributes:
        row: None if it is damaged or missing.
        document: Its text; None if it is damaged or missing.
        chunks: None if one is damaged or missing.
        vectors: The undamaged vectors of its chunks, by text hash.
        problems: What is damaged.
    """

    row: DocumentRow | None = None
    document: Document | None = None
    chunks: list[ChunkRow] | None = None
    vectors: dict[bytes, PassageVectors] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Inspector(Reader):
    """Reads a whole catalog, one document at a time, and skips what is damaged."""

    def __init__(self, connection: sqlite3.Connection, marker: CommitMarker | None) -> None:
        """Take the checksum seed from the state row or, if that is damaged, from the marker.

        Raises:
            IndexDamagedError: If both are damaged, so that no row can be verified.
        """
        try:
            super().__init__(connection)
        except _UNREADABLE:
            if marker is None:
                raise
            super().__init__(connection, marker)

    def readable_state(self) -> State | None:
        """Return the state row, even if it is behind the marker; None if it is damaged."""
        return self._attempt(self.state, [])

    def structure(self) -> list[str]:
        """Return the problems that SQLite's integrity check finds."""
        problems: list[str] = []
        query = f"PRAGMA integrity_check({_MESSAGES})"
        rows = self._attempt(lambda: self._connection.execute(query).fetchall(), problems)
        said = [str(line) for (text,) in rows or [] for line in str(text).splitlines()]
        return problems + [line for line in said if line != "ok"][:_MESSAGES]

    def damaged_vectors(self) -> list[str]:
        """Return how many rows of each table of vectors are damaged, as sentences."""
        problems: list[str] = []
        for table, what in (("vectors", "vectors"), ("sentences", "vectors of sentences")):
            damaged = self._attempt(
                lambda: sum(
                    checksum(self._seed, key, blob) != expected
                    for key, blob, expected in self._connection.execute(f"SELECT * FROM {table}")  # noqa: B023
                ),
                problems,
            )
            if damaged:
                problems.append(f"{damaged} {what} are damaged")
        return problems

    def found(self) -> Iterator[Found]:
        """Yield every document, ordered by id."""
        for document_id in self._document_ids():
            yield self._inspect(document_id)

    def missing(self) -> list[str]:
        """Return which sets of rows are not those that were committed, as sentences."""
        state, problems = self.readable_state(), list[str]()
        if state is None:
            return ["the state row is damaged"]
        for what, table, expected in (
            ("documents", "documents", state.rows),
            ("chunks", "chunks", state.fingerprint),
        ):
            query = f"SELECT id FROM {table} NOT INDEXED"
            rows = self._attempt(lambda: self._connection.execute(query).fetchall(), problems)  # noqa: B023
            if rows is not None and fingerprint(np.array(rows, np.int64)) != expected:
                problems.append(f"the {what} are not those that were committed")
        self._attempt(lambda: list(self.rows()), problems)
        self._attempt(lambda: self.problems(Status.FAILED), problems)
        return problems

    def _document_ids(self) -> list[int]:
        """Return every document id in any table or SQLite index."""
        ids: set[int] = set()
        problems: list[str] = []
        for query in (
            "SELECT id FROM documents NOT INDEXED",
            "SELECT id FROM documents ORDER BY source",
            "SELECT document FROM texts",
            "SELECT document FROM chunks NOT INDEXED",
            "SELECT document FROM chunks ORDER BY document",
        ):
            self._attempt(
                lambda: ids.update(
                    document_id
                    for (document_id,) in self._connection.execute(query)  # noqa: B023
                    if isinstance(document_id, int)
                ),
                problems,
            )
        state = self.readable_state()
        if problems:
            ids.update(range(1, state.next_id if state else max(ids, default=0) + 1))
        return sorted(ids)

    def _inspect(self, document_id: int) -> Found:
        found = Found()
        known = self._attempt(lambda: self._find("id", document_id), found.problems)
        if known is None:
            return found
        found.row = known[2]
        if not found.row.status.has_text:
            found.document, found.chunks = Document(""), []
            return found
        found.document = self._attempt(
            lambda: self._read_document(document_id, known[2]), found.problems
        )
        found.chunks = self._attempt(lambda: self._read_chunks(*known), found.problems)
        for row in found.chunks or ():
            self._attempt(lambda: self._inspect_chunk(row, found), found.problems)  # noqa: B023
        return found

    def _inspect_chunk(self, row: ChunkRow, found: Found) -> None:
        """Add the chunk's vectors to ``found``; raise IndexDamagedError if anything is wrong."""
        chunk, key = row.chunk, text_hash(row.chunk)
        if found.document and found.document.text[chunk.start : chunk.end] != chunk.text:
            raise IndexDamagedError(f"chunk {row.ordinal} does not match its document")
        columns = self._connection.execute(
            "SELECT v.vector, v.checksum FROM chunks c JOIN vectors v USING (text_hash) "
            "WHERE c.id = ? AND text_hash = ?",
            (row.id, key),
        ).fetchone()
        vector, expected = columns or (b"", b"")
        if checksum(self._seed, key, vector) != expected:
            raise IndexDamagedError(f"the vector of chunk {row.ordinal} is missing or damaged")
        whole = np.frombuffer(vector, np.float32)
        found.vectors[key] = PassageVectors(whole, self._sentences(row.id, len(whole)))

    def _attempt(self, read: Callable[[], T], problems: list[str]) -> T | None:
        """Return the result of ``read``; on an error add it to ``problems`` and return None."""
        try:
            return read()
        except _UNREADABLE as error:
            problems.append(getattr(error, "damage", str(error)))
            return None


_MAGIC = b"SQLite format 3\x00"
_PAGE_BYTES = 4096


@contextmanager
def mended_copy(catalog: Path) -> Iterator[Path]:
    """Yield a temporary copy with a valid file header and size; its tables may still be damaged.

    The header follows https://sqlite.org/fileformat.html, section 1.3, with the values that every
    catalog has.
    """
    copy = catalog.with_name(f"{catalog.name}.tmp")
    try:
        shutil.copyfile(catalog, copy)
        with copy.open("r+b") as file:
            header = file.read(100).ljust(100, b"\x00")
            pages = -(-copy.stat().st_size // _PAGE_BYTES)
            file.truncate(pages * _PAGE_BYTES)
            file.seek(0)
            file.write(_header(header[24:28], pages))
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _header(changes: bytes, pages: int) -> bytes:
    """Return the header of a file of ``pages`` with the change counter ``changes``."""
    numbers = {16: (_PAGE_BYTES, 2), 28: (pages, 4), 44: (4, 4), 56: (1, 4)}
    header = bytearray(100)
    header[:16] = _MAGIC
    header[18:24] = bytes((1, 1, 0, 64, 32, 32))  # no log, nothing reserved, payload fractions
    for at, (number, size) in numbers.items():
        header[at : at + size] = number.to_bytes(size, "big")
    header[24:28] = header[92:96] = changes
    return bytes(header)
