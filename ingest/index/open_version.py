"""An open version of the index: its catalog, and a snapshot of the newest generation in use.

A rebuild puts another version in use, whose generations start from zero again. So a catalog and its
snapshot are replaced together, and readers follow the switch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from ingest.embeddings import EmbeddingIdentity
from ingest.errors import IdentityError, IndexDamagedError
from ingest.index.catalog import Catalog
from ingest.index.directory import CATALOG, current_version
from ingest.index.reader import Reader
from ingest.index.records import DocumentRow, State
from ingest.index.snapshot import Snapshot, base_is_due, remove_older_bases
from ingest.types import Document

T = TypeVar("T")


class Current:
    """The version in use; safe to share between threads.

    Attributes:
        opened: The version as of the last lookup.
    """

    def __init__(self, folder: Path, version: Path, identity: EmbeddingIdentity) -> None:
        self.opened = Version(version)
        self._folder = folder
        self._identity = identity
        self._switching = threading.Lock()

    def search(self) -> AbstractContextManager[tuple[Reader, Snapshot]]:
        """Open a reader of the version in use, with the snapshot of its generation."""
        return self._open(Version.read)

    def read(self) -> AbstractContextManager[tuple[Version, Reader]]:
        """Open a reader of the version in use, which comes with it."""
        return self._open(_read_alone)

    def follow(self) -> Version:
        """Return the version in use, after opening it if a rebuild has switched to another."""
        if current_version(self._folder) in (None, self.opened.path):
            return self.opened
        with self._switching:
            # Another thread may have followed a later switch: never go back.
            path = current_version(self._folder)
            if path not in (None, self.opened.path):
                version = Version(path)
                try:
                    with version.catalog.read() as reader:
                        check_identity(f"the index {self._folder}", reader.state(), self._identity)
                except BaseException:
                    version.close()
                    raise
                self.opened, before = version, self.opened
                before.close()
            return self.opened

    @contextmanager
    def _open(self, read: Callable[[Version], AbstractContextManager[T]]) -> Iterator[T]:
        opened = None
        with ExitStack() as stack:
            while opened is None:
                version = self.follow()
                try:
                    opened = stack.enter_context(read(version))
                except IndexDamagedError:
                    # A rebuild may have removed this version since the lookup.
                    if self.follow() is version:
                        raise
            yield opened


_REBUILD = "run 'rag index --rebuild' to embed the documents again, or set RAG_EMBEDDING back"


def check_identity(
    what: str, state: State, identity: EmbeddingIdentity, remedy: str = _REBUILD
) -> None:
    """Raise IdentityError if an index was made with another embedding model.

    Args:
        what: The index, for the message.
        state: Its state row.
        identity: The configured model.
        remedy: The next step, for the message.
    """
    made_with = state.identity
    if differences := made_with.differences(identity):
        raise IdentityError(
            f"{what} was made with {made_with.name} and the settings say {identity.name} "
            f"({'; '.join(differences)}): {remedy}"
        )


@contextmanager
def _read_alone(version: Version) -> Iterator[tuple[Version, Reader]]:
    with version.catalog.read() as reader:
        yield version, reader


class Version:
    """A version on disk; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.catalog = Catalog(path / CATALOG)
        self._snapshot: Snapshot | None = None
        self._refreshing = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[tuple[Reader, Snapshot]]:
        """Open a reader of the newest generation; yield it with its snapshot."""
        while True:
            with self.catalog.read() as reader:
                snapshot = self._current_snapshot(reader)
                if snapshot.state.generation == reader.state().generation:
                    yield reader, snapshot
                    return

    def document(self, reader: Reader, source: str) -> tuple[DocumentRow, Document] | None:
        """Return a document with its text, or None if there is none; reads it once a generation."""
        snapshot = self._snapshot
        if snapshot and snapshot.state.generation == reader.state().generation:
            return snapshot.document(reader, source)
        return reader.document(source)

    def tidy(self) -> None:
        """Write a new base file if one is due; needs the write lock."""
        with self.catalog.read() as reader:
            snapshot = self._load(reader) if base_is_due(reader, self.path) else None
        if snapshot:
            snapshot.write_base(self.path)
            with self.catalog.write() as writer:
                writer.forget_removed(snapshot.state.generation)
        remove_older_bases(self.path)
        self.catalog.checkpoint()

    def bytes(self) -> int:
        """Return its size on disk in bytes, ignoring files that a writer has just removed."""
        sizes = []
        for path in self.path.iterdir():
            try:
                sizes.append(path.stat().st_size)
            except FileNotFoundError:
                continue
        return sum(sizes)

    def close(self) -> None:
        """Close the files, each once its last reader is done."""
        self.catalog.close()

    def _current_snapshot(self, reader: Reader) -> Snapshot:
        """Return the snapshot of the reader's generation, or a newer one from another thread."""
        with self._refreshing:
            known = self._snapshot
            if known is None or known.state.generation < reader.state().generation:
                known = self._snapshot = self._load(reader)
            return known

    def _load(self, reader: Reader) -> Snapshot:
        return Snapshot.load(reader, self.path, self._snapshot)
