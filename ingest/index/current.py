"""The version of the index that is in use, also after a rebuild has switched to another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from ingest.embeddings import EmbeddingIdentity
from ingest.errors import IdentityError, IndexDamagedError
from ingest.index.layout import current_version
from ingest.index.reader import Reader
from ingest.index.rows import State
from ingest.index.snapshot import Snapshot
from ingest.index.version import Version

T = TypeVar("T")


class Current:
    """The version in use; any number of threads may share it.

    Attributes:
        opened: The version as it was last looked up.
    """

    def __init__(self, folder: Path, version: Path, identity: EmbeddingIdentity) -> None:
        self.opened = Version(version, identity.dimension)
        self._folder = folder
        self._identity = identity
        self._switching = threading.Lock()

    @contextmanager
    def search(self) -> Iterator[tuple[Reader, Snapshot]]:
        """Give a reader of the version in use, and the snapshot of the generation it sees."""
        with ExitStack() as stack:
            yield self._enter(stack, Version.read)

    @contextmanager
    def read(self) -> Iterator[tuple[Version, Reader]]:
        """Give the version in use and a reader of it."""
        with ExitStack() as stack:
            yield self._enter(stack, _read_alone)

    def follow(self) -> Version:
        """Return the version in use, and go on with it if a rebuild has switched to another."""
        if current_version(self._folder) in (None, self.opened.path):
            return self.opened
        with self._switching:
            # Another thread may have followed a later switch meanwhile: never go back.
            path = current_version(self._folder)
            if path not in (None, self.opened.path):
                version = Version(path, self._identity.dimension)
                try:
                    with version.catalog.read() as reader:
                        check_identity(self._folder, reader.state(), self._identity)
                except BaseException:
                    version.close()
                    raise
                self.opened, before = version, self.opened
                before.close()
            return self.opened

    def _enter(self, stack: ExitStack, read: Callable[[Version], AbstractContextManager[T]]) -> T:
        """Begin to read the version in use, whose files stay there until the reading ends."""
        while True:
            version = self.follow()
            try:
                return stack.enter_context(read(version))
            except IndexDamagedError:
                # Rebuilds may have removed this version since it was looked up.
                if self.follow() is version:
                    raise


def check_identity(folder: Path, state: State, identity: EmbeddingIdentity) -> None:
    """Raise IdentityError if the index was made with another embedding model."""
    made_with = EmbeddingIdentity(**json.loads(state.identity))
    differences = made_with.differences(identity)
    if differences:
        raise IdentityError(
            f"the index {folder} was made with {made_with.name} and the settings say "
            f"{identity.name} ({'; '.join(differences)}): run 'rag index --rebuild' to embed the "
            "documents again, or set RAG_EMBEDDING back"
        )


@contextmanager
def _read_alone(version: Version) -> Iterator[tuple[Version, Reader]]:
    with version.catalog.read() as reader:
        yield version, reader
