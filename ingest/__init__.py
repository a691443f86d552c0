"""From files to an index that can be asked: load, chunk, embed, keep in step with a folder.

The names are loaded when they are first used, so that ``import ingest`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.embeddings import (
        EmbeddingModel,
        Passage,
        ScoredSpan,
        embedding_model,
        model_folder,
    )
    from ingest.embeddings.cross_encoders import load_cross_encoder
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
    from ingest.index.directory import holds_index
    from ingest.index.document_index import Candidate
    from ingest.index.vectorstore import Index, chunk_document, open_index
    from ingest.maintenance.backup import (
        Exported,
        Imported,
        export_index,
        import_index,
    )
    from ingest.maintenance.integrity import Damage
    from ingest.maintenance.langchain_faiss import export_langchain, import_langchain
    from ingest.maintenance.repair import VerifyReport, verify_index
    from ingest.maintenance.rollback import Rollback, roll_back
    from ingest.network import (
        client_options,
        is_loopback,
        keep_offline,
        openai_address,
        place_of,
        proxy_of,
        proxy_problem,
        trace_addresses,
    )
    from ingest.settings import IndexSettings
    from ingest.sync.folder_sync import followed_folder, sync_folder
    from ingest.sync.loader_sync import sync_loader
    from ingest.sync.watch import watch_folder
    from ingest.text.languages import (
        UNDETERMINED,
        Language,
        detect_language,
        identify_language,
        in_different_languages,
    )
    from ingest.text.sentences import split_sentences
    from ingest.types import (
        Document,
        FileProblem,
        Heading,
        IndexStatus,
        SyncProgress,
        SyncReport,
        SyncStage,
    )

_HOMES = {
    "Candidate": "ingest.index.document_index",
    "Damage": "ingest.maintenance.integrity",
    "Document": "ingest.types",
    "EmbeddingModel": "ingest.embeddings",
    "Exported": "ingest.maintenance.backup",
    "FileProblem": "ingest.types",
    "Heading": "ingest.types",
    "IdentityError": "ingest.errors",
    "Imported": "ingest.maintenance.backup",
    "Index": "ingest.index.vectorstore",
    "IndexBusyError": "ingest.errors",
    "IndexDamagedError": "ingest.errors",
    "IndexMissingError": "ingest.errors",
    "IndexSettings": "ingest.settings",
    "IndexStatus": "ingest.types",
    "Language": "ingest.text.languages",
    "LoadError": "ingest.errors",
    "MissingExtraError": "ingest.errors",
    "MissingKeyError": "ingest.errors",
    "Passage": "ingest.embeddings",
    "ProviderError": "ingest.errors",
    "RagError": "ingest.errors",
    "Rollback": "ingest.maintenance.rollback",
    "ScoredSpan": "ingest.embeddings",
    "StoreError": "ingest.errors",
    "SyncProgress": "ingest.types",
    "SyncReport": "ingest.types",
    "SyncStage": "ingest.types",
    "UNDETERMINED": "ingest.text.languages",
    "UsageError": "ingest.errors",
    "VerifyReport": "ingest.maintenance.repair",
    "chunk_document": "ingest.index.vectorstore",
    "client_options": "ingest.network",
    "detect_language": "ingest.text.languages",
    "embedding_model": "ingest.embeddings",
    "export_index": "ingest.maintenance.backup",
    "export_langchain": "ingest.maintenance.langchain_faiss",
    "followed_folder": "ingest.sync.folder_sync",
    "holds_index": "ingest.index.directory",
    "identify_language": "ingest.text.languages",
    "import_index": "ingest.maintenance.backup",
    "import_langchain": "ingest.maintenance.langchain_faiss",
    "in_different_languages": "ingest.text.languages",
    "install_command": "ingest.errors",
    "is_loopback": "ingest.network",
    "keep_offline": "ingest.network",
    "load_cross_encoder": "ingest.embeddings.cross_encoders",
    "model_folder": "ingest.embeddings",
    "open_index": "ingest.index.vectorstore",
    "openai_address": "ingest.network",
    "place_of": "ingest.network",
    "proxy_of": "ingest.network",
    "proxy_problem": "ingest.network",
    "roll_back": "ingest.maintenance.rollback",
    "split_sentences": "ingest.text.sentences",
    "sync_folder": "ingest.sync.folder_sync",
    "sync_loader": "ingest.sync.loader_sync",
    "trace_addresses": "ingest.network",
    "verify_index": "ingest.maintenance.repair",
    "watch_folder": "ingest.sync.watch",
}

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
    "load_cross_encoder",
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


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ingest' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
