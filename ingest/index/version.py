"""A version of the index, opened: its catalog, and a snapshot of the newest generation asked for.

A rebuild puts another version in use, whose generations count from the start again. So what is
known of one version is never kept apart from it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.index.catalog import Catalog
from ingest.index.layout import CATALOG
from ingest.index.reader import Reader
from ingest.index.snapshot import Snapshot, base_is_due, remove_older_bases


class Version:
    """A version on disk; any number of threads may share it."""

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        self.catalog = Catalog(path / CATALOG)
        self._dimension = dimension
        self._snapshot: Snapshot | None = None
        self._refreshing = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[tuple[Reader, Snapshot]]:
        """Give the newest generation: a reader of it, and the snapshot to search."""
        while True:
            with self.catalog.read() as reader:
                snapshot = self._current_snapshot(reader)
                if snapshot.state.generation == reader.state().generation:
                    yield reader, snapshot
                    return

    def tidy(self) -> None:
        """Bring the derived files up to date where that is due; needs the write lock."""
        with self.catalog.read() as reader:
            snapshot = self._load(reader) if base_is_due(reader, self.path) else None
        if snapshot:
            snapshot.write_base(self.path)
            with self.catalog.write() as writer:
                writer.forget_removed(snapshot.state.generation)
        remove_older_bases(self.path)
        self.catalog.checkpoint()

    def bytes(self) -> int:
        """Return its size on disk; a file that a writer has just replaced does not count."""
        sizes = []
        for path in self.path.iterdir():
            try:
                sizes.append(path.stat().st_size)
            except FileNotFoundError:
                continue
        return sum(sizes)

    def close(self) -> None:
        """Close the files, each as soon as nobody reads it."""
        self.catalog.close()

    def _current_snapshot(self, reader: Reader) -> Snapshot:
        """Return the snapshot of the reader's generation, or a newer one another thread loaded."""
        with self._refreshing:
            known = self._snapshot
            if known is None or known.state.generation < reader.state().generation:
                known = self._snapshot = self._load(reader)
            return known

    def _load(self, reader: Reader) -> Snapshot:
        return Snapshot.load(reader, self.path, self._dimension, self._snapshot)
