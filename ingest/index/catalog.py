"""The catalog: one SQLite file that is the truth about the index.

Everything else in an index is derived from it. A change is one transaction that ends in the next
generation; a reader sees one generation for as long as its transaction lasts. Rows carry a
checksum that is verified when they are served, and the state row digests of which rows there are.

A catalog that may be read but not written is read in one of three ways
(https://sqlite.org/wal.html, "Read-Only Databases"):

- With the files ``-wal`` and ``-shm`` there, as usual: locks need no right to write, and SQLite
  reads a log that a killed writer left. Readers open the catalog read-only, also those who could
  write, because the last connection that can write removes both files when it closes.
- Without a log, and no right to make one, as ``immutable``. That takes no locks, so a checkpoint
  of a writer that starts meanwhile could change pages under the reader. A log alone can't: it is
  not looked at. So nothing read counts unless the catalog file is the same afterwards.
- With a log but without a ``-shm`` that can be used, without locks ("Use of WAL Without
  Shared-Memory" there, ``unix-none`` in https://sqlite.org/vfs.html); the log has to be the same
  afterwards too.
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
# A full or read-only disk has no place for the files by which connections share a log.
_CANT_SHARE = (
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY_DIRECTORY,
    sqlite3.SQLITE_READONLY_CANTINIT,
    sqlite3.SQLITE_READONLY_RECOVERY,
)
# Two changes within a tick of the clock of the file system have the same time.
_TICK_SECONDS = 0.02


class _Stamp(NamedTuple):
    """What changes when a file is written."""

    inode: int
    size: int
    mtime_ns: int


class Catalog:
    """A catalog file, and the connections for reading it that nobody uses just now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._pooling = threading.Lock()

    @classmethod
    def create(cls, path: Path, state: State) -> Catalog:
        """Make a new catalog; ``path`` must not exist."""
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
        """Give a view that can go round what is damaged."""
        try:
            marker = read_marker(self.path.parent)
        except IndexDamagedError:
            marker = None
        with _damage_as_error(self.path), self._reading() as connection:
            yield Inspector(connection, marker)

    def copy(self, target: Path) -> None:
        """Write one generation to ``target``, which must not exist, without any free page.

        Raises:
            sqlite3.DatabaseError: If one of the two files can't be used.
        """
        with self._reading() as connection:
            connection.execute("ROLLBACK")
            connection.execute("VACUUM INTO ?", (str(target),))

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Give a change that is committed as one when the block ends, or not at all."""
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
        """Move what the write-ahead log holds into the catalog file, as far as readers allow."""
        with _damage_as_error(self.path), closing(_connect(self.path, "rw")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the connections: the idle ones now, the others when they are no longer used."""
        with self._pooling:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one state of the catalog, in a transaction."""
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
        """Give a connection of the pool, that nobody else uses meanwhile."""
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
        """Give a connection that makes no files and no locks, and check that nobody has written."""
        log = self.path.with_name(f"{self.path.name}-wal")
        # In this order: while the log is empty, nobody copies it into the catalog.
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
    """See one state of the catalog until the block ends."""
    connection.execute("BEGIN")
    try:
        connection.execute("PRAGMA schema_version").fetchone()  # BEGIN alone does not look
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _stamp(path: Path, settled: bool = False) -> _Stamp | None:
    """Return what the next change of a file will change; None if it is not there.

    Args:
        path: The file.
        settled: Whether to wait until a change would show.
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
    """Turn SQLite's complaints about the file into ours; a full disk stays an ``OSError``."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # Python's own complaint, that a text is no UTF-8, has no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code in _REFUSALS:
            raise OSError(_REFUSALS[code], str(error), str(path)) from error
        raise IndexDamagedError(f"the catalog {path.name} can't be used: {error}") from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise IndexDamagedError(f"the catalog {path.name} is damaged: {error}") from error
