"""The catalog: one SQLite file that is the truth about the index.

Everything else in an index is derived from it. A change is one transaction that ends in the next
generation; a reader sees one generation for as long as its transaction lasts. Rows carry a
checksum that is verified when they are served.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import IndexDamagedError
from ingest.index.reader import Reader
from ingest.index.rows import State
from ingest.index.writer import Writer, write_state

_SCHEMA = """
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    state TEXT NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL UNIQUE,
    origin TEXT NOT NULL,
    language TEXT NOT NULL,
    metadata TEXT NOT NULL,
    checksum BLOB NOT NULL,
    content_hash BLOB NOT NULL,
    loader TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    size INTEGER,
    mtime_ns INTEGER,
    ctime_ns INTEGER,
    inode INTEGER
) STRICT;
CREATE TABLE texts (
    document INTEGER PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    pages TEXT NOT NULL,
    headings TEXT NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    text TEXT NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    page INTEGER,
    page_breaks TEXT NOT NULL,
    headings TEXT NOT NULL,
    text_hash BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX chunks_document ON chunks (document, ordinal);
CREATE INDEX chunks_generation ON chunks (generation);
CREATE INDEX chunks_text_hash ON chunks (text_hash);
CREATE TABLE vectors (
    text_hash BLOB PRIMARY KEY,
    vector BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE removed (
    chunk INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT;
"""


class Catalog:
    """A catalog file; one connection a thread, opened when first used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []

    @classmethod
    def create(cls, path: Path, state: State) -> Catalog:
        """Make a new catalog; ``path`` must not exist."""
        catalog = cls(path)
        with _damage_as_error(path):
            connection = catalog._connect("rwc")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN; {_SCHEMA}")
            write_state(connection, state)
            connection.execute("COMMIT")
        return catalog

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Give a view of one generation, whatever is committed meanwhile."""
        with _damage_as_error(self.path):
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                yield Reader(connection)
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Give a change that is committed as one when the block ends, or not at all."""
        with _damage_as_error(self.path):
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                writer = Writer(connection)
                yield writer
                writer.finish()
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the catalog file, as far as readers allow."""
        with _damage_as_error(self.path):
            self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        return connection or self._connect("rw")

    def _connect(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=30,
            isolation_level=None,
            check_same_thread=False,
        )
        self._connections.append(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cell_size_check = ON")
        self._local.connection = connection
        return connection


@contextmanager
def _damage_as_error(path: Path) -> Iterator[None]:
    """Turn SQLite's complaints about the file into ours; a full disk stays an ``OSError``."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
            raise OSError(f"{path.name} could not be written: {error}") from error
        raise IndexDamagedError(f"the catalog {path.name} can't be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise IndexDamagedError(f"the catalog {path.name} is damaged: {error}") from error
