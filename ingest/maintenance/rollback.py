"""Roll an index back to the version before the last rebuild or import."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.errors import IndexMissingError, StoreError
from ingest.index import directory
from ingest.settings import IndexSettings


@dataclass(frozen=True, slots=True)
class Rollback:
    """The version that is now in use: its name, its embedding model and what it holds."""

    version: str
    embedding: str
    documents: int
    chunks: int


def roll_back(settings: IndexSettings) -> Rollback:
    """Swap the version in use with the previous one, and return the latter.

    Raises:
        IndexMissingError: If there is no index.
        UsageError: If there is no previous version.
        StoreError: If the previous version can't be read; the current one stays in use.
        IndexBusyError: If another process is writing.
    """
    if not settings.index.is_dir():
        raise IndexMissingError(settings.index)
    with directory.write_lock(settings.index):
        version = directory.roll_back(settings.index)
        try:
            state = directory.read_state(version)
        except StoreError:
            directory.roll_back(settings.index)
            raise
    return Rollback(version.name, state.identity.name, state.documents, state.chunks)
