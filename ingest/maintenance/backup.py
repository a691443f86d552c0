"""Export an index to one file, and import it on another machine.

The file is a catalog, a plain SQLite database, with a trailer after its last page: 16 bytes that
name the format, and the SHA-256 of the catalog and these bytes. Derived files are not included.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from ingest.embeddings import embedding_model
from ingest.errors import IndexDamagedError, IndexMissingError, UsageError
from ingest.index.atomic_files import CommitMarker, fsync_folder, read_marker, write_marker
from ingest.index.catalog import SCHEMA, Catalog
from ingest.index.directory import CATALOG, current_version, new_version, write_lock
from ingest.index.open_version import check_identity
from ingest.index.reader import FORMAT, Reader
from ingest.index.records import Origin, State
from ingest.index.vectorstore import Index
from ingest.index.writer import Writer
from ingest.settings import IndexSettings

_MAGIC = b"rag-app index "
_LABEL = _MAGIC + f"{FORMAT:02d}".encode()
_TRAILER_BYTES = len(_LABEL) + hashlib.sha256().digest_size
_BLOCK = 1 << 20
_SAME_MODEL = "set RAG_EMBEDDING to the model it was made with, or index the documents here"


@dataclass(frozen=True, slots=True)
class Exported:
    """The content and size of an export."""

    file: str
    documents: int
    chunks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Imported:
    """The content of the index after an import."""

    documents: int
    chunks: int


def export_index(settings: IndexSettings, file: Path, *, force: bool = False) -> Exported:
    """Write one generation of the index to ``file``; others may read and write meanwhile.

    Raises:
        UsageError: If ``file`` exists and ``force`` is not given, or can't be written.
        IndexMissingError: If there is no index.
        IndexDamagedError: If the index is damaged.
    """
    version = current_version(settings.index)
    if version is None:
        raise IndexMissingError(settings.index)
    if file.is_dir() or (file.exists() and not force):
        raise UsageError(f"{file} exists already: name another file, or add --force")
    with (
        _failure_as_error(file),
        TemporaryDirectory(prefix=".rag-export-", dir=file.parent) as scratch,
    ):
        copy = Path(scratch) / CATALOG
        # Read first: a later copy holds at least what is committed by now.
        marker = read_marker(version)
        _copy_catalog(version / CATALOG, copy)
        with _open_copy(copy) as connection:
            state = _verify(Reader(connection, marker))
        _append_trailer(copy)
        size = copy.stat().st_size
        copy.replace(file)
        fsync_folder(file.parent)
    return Exported(str(file), state.documents, state.chunks, size)


def import_index(settings: IndexSettings, file: Path) -> Imported:
    """Import the index in ``file`` and put it in use; the previous one is kept for a rollback.

    Raises:
        UsageError: If the file is not an export of this format; nothing is changed.
        IdentityError: If it was made with another embedding model; nothing is changed.
        IndexBusyError: If another process is writing.
    """
    with _read_failure_as_error(file):
        size = _check_digest(file)
    embedding = embedding_model(settings)
    with _read_failure_as_error(file), _open_copy(file) as connection:
        _check_schema(file, connection)
        check_identity(str(file), Reader(connection).state(), embedding.identity, _SAME_MODEL)
        _verify(Reader(connection))
    with _failure_as_error(settings.index), write_lock(settings.index):
        version = new_version(settings.index)
        try:
            _extract(file, size, version / CATALOG)
            _settle(settings, version / CATALOG)
            with closing(Index(settings.index, version, embedding)) as index:
                index.tidy()
                state = index.state()
                index.use()
        except BaseException:
            with suppress(IndexDamagedError):
                if current_version(settings.index) != version:
                    shutil.rmtree(version)
            raise
    return Imported(state.documents, state.chunks)


def _copy_catalog(catalog: Path, copy: Path) -> None:
    """Copy one generation, without texts that were deleted before it.

    SQLite's backup API would also copy the free pages, which still contain deleted texts.
    """
    with closing(Catalog(catalog)) as opened:
        opened.copy(copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN")
        writer = Writer(connection)
        writer.forget_removed(writer.state().generation)
        writer.finish()
        connection.execute("COMMIT")


@contextmanager
def _open_copy(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a catalog that nobody writes to; SQLite ignores the trailer."""
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        yield connection


def _verify(reader: Reader) -> State:
    """Verify every row of a catalog and return its state; raises IndexDamagedError."""
    state = reader.state()
    for origin in Origin:
        for row in reader.documents(origin):
            if row.status.has_text and reader.document(row.source) is None:
                raise IndexDamagedError(f"the text of {row.source} is missing from the catalog")
    chunks, _ = reader.all_chunks()
    for chunk in chunks:
        reader.sentences([chunk.id])
    return state


def _append_trailer(file: Path) -> None:
    with file.open("r+b") as stream:
        digest = _hash(stream, file.stat().st_size)
        digest.update(_LABEL)
        stream.write(_LABEL + digest.digest())
        stream.flush()
        os.fsync(stream.fileno())


def _check_digest(file: Path) -> int:
    """Return the size of the catalog in ``file``; raises UsageError on a bad digest or format."""
    size = file.stat().st_size - _TRAILER_BYTES
    with file.open("rb") as stream:
        stream.seek(max(size, 0))
        trailer = stream.read()
        stream.seek(0)
        label, expected = trailer[: len(_LABEL)], trailer[len(_LABEL) :]
        digest = _hash(stream, max(size, 0))
        digest.update(label)
    if not label.startswith(_MAGIC) or digest.digest() != expected:
        raise UsageError(
            f"{file} is not a whole file of 'rag export': copy it again, or export the index again"
        )
    if label != _LABEL:
        raise UsageError(
            f"{file} has format {label[len(_MAGIC) :].decode()}, this version reads {FORMAT}: "
            "export the index with this version"
        )
    return size


def _hash(stream: BinaryIO, size: int) -> hashlib._Hash:
    """Return the SHA-256 of the next ``size`` bytes, and move the stream behind them."""
    digest = hashlib.sha256()
    while size and (block := stream.read(min(_BLOCK, size))):
        digest.update(block)
        size -= len(block)
    return digest


def _check_schema(file: Path, connection: sqlite3.Connection) -> None:
    """Raise UsageError if the tables, indexes or triggers of the file are not ours."""
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(SCHEMA)
        if _schema(connection) != _schema(ours):
            raise UsageError(f"{file} is not a catalog of this version: export it with this one")


def _schema(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()


def _extract(file: Path, size: int, catalog: Path) -> None:
    with file.open("rb") as source, catalog.open("xb") as target:
        while size and (block := source.read(min(_BLOCK, size))):
            target.write(block)
            size -= len(block)
        target.flush()
        os.fsync(target.fileno())
    fsync_folder(catalog.parent)


def _settle(settings: IndexSettings, path: Path) -> None:
    """Prepare an extracted catalog for writing on this machine.

    If its folder does not exist here, it follows that of the settings.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        state = Reader(connection).state()
    write_marker(path.parent, CommitMarker.of(state))
    with closing(Catalog(path)) as catalog, catalog.write() as writer:
        if state.folder and not Path(state.folder).is_dir():
            writer.follow(str(settings.documents.resolve()))


@contextmanager
def _failure_as_error(target: Path) -> Iterator[None]:
    """Convert errors while ``target`` is written to one sentence."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{target} could not be written: {error.strerror or error}") from error
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) in (
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_IOERR_WRITE,
        ):
            raise UsageError(f"{target} could not be written: {error}") from error
        raise IndexDamagedError(f"the catalog can't be copied: {error}") from error


@contextmanager
def _read_failure_as_error(file: Path) -> Iterator[None]:
    """Convert errors while a file of another machine is read to one sentence."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{file} could not be read: {error.strerror or error}") from error
    except (IndexDamagedError, sqlite3.Error, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{file} is whole, but the index in it is damaged: export it again"
        ) from error
