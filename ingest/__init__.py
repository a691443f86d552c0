"""From files to an index that can be asked: load, chunk, embed, keep in step with a folder."""

from ingest.compat import export_langchain, import_langchain
from ingest.embeddings import (
    EmbeddingModel,
    Passage,
    ScoredSpan,
    embedding_model,
    model_folder,
)
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
    install_command,
)
from ingest.index.check import Damage
from ingest.index.documents import Candidate
from ingest.index.layout import holds_index
from ingest.index.store import Index, chunk_document
from ingest.language import (
    UNDETERMINED,
    Language,
    detect_language,
    identify_language,
    in_different_languages,
)
from ingest.offline import (
    is_loopback,
    keep_offline,
    openai_address,
    place_of,
    trace_addresses,
)
from ingest.proxies import client_options, proxy_of, proxy_problem
from ingest.rollback import Rollback, roll_back
from ingest.sentences import split_sentences
from ingest.settings import IndexSettings
from ingest.sync import followed_folder, sync_folder
from ingest.sync_documents import sync_loader
from ingest.transfer import Exported, Imported, export_index, import_index
from ingest.types import (
    Document,
    FileProblem,
    Heading,
    IndexStatus,
    SyncProgress,
    SyncReport,
    SyncStage,
)
from ingest.verify import VerifyReport, verify_index
from ingest.watch import watch_folder


def open_index(settings: IndexSettings) -> Index:
    """Open the index that the settings name.

    Raises:
        IndexMissingError: If there is none.
        IdentityError: If it was made with another embedding model.
        IndexDamagedError: If it is not what was written.
    """
    return Index.open(settings.index, embedding_model(settings))


__all__ = [
    "UNDETERMINED",
    "Candidate",
    "Damage",
    "Document",
    "EmbeddingModel",
    "Exported",
    "FileProblem",
    "Heading",
    "IdentityError",
    "Imported",
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
    "Passage",
    "ProviderError",
    "RagError",
    "Rollback",
    "ScoredSpan",
    "StoreError",
    "SyncProgress",
    "SyncReport",
    "SyncStage",
    "UsageError",
    "VerifyReport",
    "chunk_document",
    "client_options",
    "detect_language",
    "embedding_model",
    "export_index",
    "export_langchain",
    "followed_folder",
    "holds_index",
    "identify_language",
    "import_index",
    "import_langchain",
    "in_different_languages",
    "install_command",
    "is_loopback",
    "keep_offline",
    "model_folder",
    "open_index",
    "openai_address",
    "place_of",
    "proxy_of",
    "proxy_problem",
    "roll_back",
    "split_sentences",
    "sync_folder",
    "sync_loader",
    "trace_addresses",
    "verify_index",
    "watch_folder",
]
