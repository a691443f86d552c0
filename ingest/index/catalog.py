"""The catalog: one SQLite file that is the source of truth of the index.

Everything else in an index is derived from it. A change is one transaction and makes the next
generation; a reader sees one generation for as long as its transaction lasts. Each row carries a
checksum that is verified when it is read, and the state row holds digests of the sets of rows.

A catalog that may be read but not written is opened in one of three ways
(https://sqlite.org/wal.html, "Read-Only Databases"):

- If the files ``-wal`` and ``-shm`` exist, as usual: locks need no write permission, and SQLite
  reads the log that a killed writer left. All readers open the catalog read-only, because the last
  connection that can write removes both files when it closes.
- If there is no log and no permission to create one, as ``immutable``. That takes no locks, so a
  checkpoint by a writer that starts meanwhile could change pages under the reader. (A new log is
  ignored.) So what was read is discarded if the catalog file has changed afterwards.
- If there is a log but no usable ``-shm``, without locks ("Use of WAL Without Shared-Memory" there,
  ``unix-none`` in https://sqlite.org/vfs.html); the log must not have changed afterwards either.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from ingest.errors import IndexDamagedError, StoreError
from ingest.index.atomic_files import CommitMarker, read_marker, write_marker
from ingest.index.reader import FORMAT, Reader
from ingest.index.records import State
from ingest.index.salvage import Inspector
from ingest.index.writer import Writer, write_state

SCHEMA = """
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    state TEXT NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    chunks INTEGER NOT NULL,
    source TEXT NOT NULL UNIQUE,
    origin TEXT NOT NULL,
    language TEXT NOT NULL,
    metadata TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    loader TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    checksum BLOB NOT NULL,
    size INTEGER,
    mtime_ns INTEGER,
    ctime_ns INTEGER,
    inode INTEGER
) STRICT;
CREATE TABLE texts (
    document INTEGER PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    places TEXT NOT NULL,
    headings TEXT NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE TABLE coverage (
    document INTEGER PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    characters INTEGER NOT NULL,
    missing INTEGER NOT NULL
) STRICT;
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    text TEXT NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    places TEXT NOT NULL,
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
) STRICT;
CREATE TABLE sentences (
    text_hash BLOB PRIMARY KEY,
    vectors BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE TABLE removed (
    chunk INTEGER PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT;
"""

_REFUSALS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR_SHMSIZE: errno.ENOSPC,
    sqlite3.SQLITE_IOERR_SHMOPEN: errno.EIO,
    sqlite3.SQLITE_IOERR_WRITE: errno.EIO,
    sqlite3.SQLITE_IOERR_FSYNC: errno.EIO,
    sqlite3.SQLITE_IOERR_TRUNCATE: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_READONLY_DIRECTORY: errno.EROFS,
}
# A full or read-only disk has no room for the files through which connections share a log.
_CANT_SHARE = (
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY_DIRECTORY,
    sqlite3.SQLITE_READONLY_CANTINIT,
    sqlite3.SQLITE_READONLY_RECOVERY,
)
# Two changes within one tick of the file system clock get the same time. On Linux a tick takes at
# most 10 ms (CONFIG_HZ=100); this is twice that.
_TICK_SECONDS = 0.02


class _Stamp(NamedTuple):
    """Values of which at least one changes when a file is written."""

    inode: int
    size: int
    mtime_ns: int


class Catalog:
    """A catalog file and its pool of idle connections for reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._pooling = threading.Lock()

    @classmethod
    def create(cls, path: Path, state: State) -> Catalog:
        """Create a catalog; ``path`` must not exist."""
        catalog = cls(path)
        with _damage_as_error(path), closing(_connect(path, "rwc")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN; {SCHEMA}")
            write_state(connection, state)
            connection.execute("COMMIT")
        write_marker(path.parent, CommitMarker.of(state))
        return catalog

    @contextmanager
    def read(self, formats: Sequence[int] = (FORMAT,)) -> Iterator[Reader]:
        """Open a reader that sees one generation, whatever is committed meanwhile.

        Args:
            formats: The formats that may be read.
        """
        # Read first: a transaction that begins later sees everything committed by now.
        marker = read_marker(self.path.parent)
        with _damage_as_error(self.path), self._reading() as connection:
            yield Reader(connection, marker, formats)

    @contextmanager
    def inspect(self) -> Iterator[Inspector]:
        """Open an inspector, which skips what is damaged."""
        try:
            marker = read_marker(self.path.parent)
        except IndexDamagedError:
            marker = None
        with _damage_as_error(self.path), self._reading() as connection:
            yield Inspector(connection, marker)

    def copy(self, target: Path) -> None:
        """Write one generation to ``target``, which must not exist, without free pages.

        Raises:
            sqlite3.DatabaseError: If either file can't be used.
        """
        with self._reading() as connection:
            connection.execute("ROLLBACK")
            connection.execute("VACUUM INTO ?", (str(target),))

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Open a writer, committed as one change at the end of the block, or not at all."""
        marker = read_marker(self.path.parent)
        with _damage_as_error(self.path), closing(_connect(self.path, "rw")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                writer = Writer(connection, marker)
                yield writer
                reached = writer.finish()
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        if reached != marker:
            write_marker(self.path.parent, reached)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the catalog file, as far as readers allow."""
        with _damage_as_error(self.path), closing(_connect(self.path, "rw")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the idle connections now and the others when they become idle."""
        with self._pooling:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that sees one state of the catalog; yield its connection."""
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self._sharing())
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode not in _CANT_SHARE or not self.path.is_file():
                    raise
                connection = stack.enter_context(self._unshared())
            yield connection

    @contextmanager
    def _sharing(self) -> Iterator[sqlite3.Connection]:
        """Take a connection from the pool for a transaction."""
        with self._pooling:
            connection = self._idle.pop() if self._idle else None
        connection = connection or _connect(self.path, "ro")
        try:
            with _transaction(connection):
                yield connection
        finally:
            with self._pooling:
                kept = not self._closed and not connection.in_transaction
                if kept:
                    self._idle.append(connection)
            if not kept:
                connection.close()

    @contextmanager
    def _unshared(self) -> Iterator[sqlite3.Connection]:
        """Connect without creating files or locks, and check that nobody wrote meanwhile."""
        log = self.path.with_name(f"{self.path.name}-wal")
        # In this order: an empty log is not copied into the catalog.
        watched = {self.path: _stamp(self.path, settled=True)}
        if (logged := _stamp(log, settled=True)) and logged.size:
            watched[log] = logged
        mode = "ro&vfs=unix-none" if log in watched else "ro&immutable=1"
        try:
            with closing(_connect(self.path, mode)) as connection, _transaction(connection):
                yield connection
        except (sqlite3.Error, IndexDamagedError):
            if not _have_changed(watched):
                raise
        if _have_changed(watched):
            raise StoreError(f"the catalog {self.path.name} changed while it was read: try again")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=30,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        if "vfs=unix-none" in mode:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cell_size_check = ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Read one state of the catalog until the block ends."""
    connection.execute("BEGIN")
    try:
        connection.execute("PRAGMA schema_version").fetchone()  # BEGIN alone reads nothing
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _stamp(path: Path, settled: bool = False) -> _Stamp | None:
    """Return the stamp of a file; None if it does not exist.

    Args:
        path: The file.
        settled: Whether to wait until another change would show in the stamp.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if settled and abs(time.time() - found.st_mtime) < _TICK_SECONDS:
        time.sleep(_TICK_SECONDS)
        return _stamp(path)
    return _Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def _have_changed(watched: Mapping[Path, _Stamp | None]) -> bool:
    return any(_stamp(path) != before for path, before in watched.items())


@contextmanager
def _damage_as_error(path: Path) -> Iterator[None]:
    """Convert SQLite's errors to IndexDamagedError, or to OSError if the disk refused to write."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # Python's own error, for text that is not UTF-8, has no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code in _REFUSALS:
            raise OSError(_REFUSALS[code], str(error), str(path)) from error
        raise IndexDamagedError(f"the catalog {path.name} can't be used: {error}") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise IndexDamagedError(f"the catalog {path.name} is damaged: {error}") from error
