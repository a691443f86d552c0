"""From files to an index that can be asked: load, chunk, embed, keep in step with a folder."""

from ingest.embeddings import EmbeddingModel, embedding_model
from ingest.errors import (
    IdentityError,
    IndexBusyError,
    IndexDamagedError,
    IndexMissingError,
    LoadError,
    MissingExtraError,
    MissingKeyError,
    ProviderError,
    RagError,
    StoreError,
    UsageError,
)
from ingest.index.store import Candidate, Index, chunk_document
from ingest.language import Language, detect_language
from ingest.sentences import split_sentences
from ingest.settings import IndexSettings
from ingest.sync import sync_folder
from ingest.types import Document, FileProblem, IndexStatus, SyncProgress, SyncReport


def open_index(settings: IndexSettings) -> Index:
    """Open the index that the settings name.

    Raises:
        IndexMissingError: If there is none.
        IdentityError: If it was made with another embedding model.
        IndexDamagedError: If it is not what was written.
    """
    return Index.open(settings.index, embedding_model(settings))


__all__ = [
    "Candidate",
    "Document",
    "EmbeddingModel",
    "FileProblem",
    "IdentityError",
    "Index",
    "IndexBusyError",
    "IndexDamagedError",
    "IndexMissingError",
    "IndexSettings",
    "IndexStatus",
    "Language",
    "LoadError",
    "MissingExtraError",
    "MissingKeyError",
    "ProviderError",
    "RagError",
    "StoreError",
    "SyncProgress",
    "SyncReport",
    "UsageError",
    "chunk_document",
    "detect_language",
    "embedding_model",
    "open_index",
    "split_sentences",
    "sync_folder",
]
