"""From files to an index that can be asked: load, chunk, embed, keep in step with a folder.

The names are loaded when they are first used, so that ``import ingest`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.embeddings import EmbeddingModel as EmbeddingModel
    from ingest.embeddings import Passage as Passage
    from ingest.embeddings import ScoredSpan as ScoredSpan
    from ingest.embeddings import embedding_model as embedding_model
    from ingest.embeddings import model_folder as model_folder
    from ingest.embeddings.cross_encoders import load_cross_encoder as load_cross_encoder
    from ingest.errors import IdentityError as IdentityError
    from ingest.errors import IndexBusyError as IndexBusyError
    from ingest.errors import IndexDamagedError as IndexDamagedError
    from ingest.errors import IndexMissingError as IndexMissingError
    from ingest.errors import LoadError as LoadError
    from ingest.errors import MissingExtraError as MissingExtraError
    from ingest.errors import MissingKeyError as MissingKeyError
    from ingest.errors import ProviderError as ProviderError
    from ingest.errors import RagError as RagError
    from ingest.errors import StoreError as StoreError
    from ingest.errors import UsageError as UsageError
    from ingest.errors import install_command as install_command
    from ingest.index.directory import holds_index as holds_index
    from ingest.index.document_index import Candidate as Candidate
    from ingest.index.vectorstore import Index as Index
    from ingest.index.vectorstore import chunk_document as chunk_document
    from ingest.index.vectorstore import open_index as open_index
    from ingest.loaders.pdf_pages import PagePicture as PagePicture
    from ingest.maintenance.backup import Exported as Exported
    from ingest.maintenance.backup import Imported as Imported
    from ingest.maintenance.backup import export_index as export_index
    from ingest.maintenance.backup import import_index as import_index
    from ingest.maintenance.integrity import Damage as Damage
    from ingest.maintenance.langchain_faiss import export_langchain as export_langchain
    from ingest.maintenance.langchain_faiss import import_langchain as import_langchain
    from ingest.maintenance.repair import VerifyReport as VerifyReport
    from ingest.maintenance.repair import verify_index as verify_index
    from ingest.maintenance.rollback import Rollback as Rollback
    from ingest.maintenance.rollback import roll_back as roll_back
    from ingest.network import client_options as client_options
    from ingest.network import is_loopback as is_loopback
    from ingest.network import keep_offline as keep_offline
    from ingest.network import openai_address as openai_address
    from ingest.network import place_of as place_of
    from ingest.network import proxy_of as proxy_of
    from ingest.network import proxy_problem as proxy_problem
    from ingest.network import trace_addresses as trace_addresses
    from ingest.settings import IndexSettings as IndexSettings
    from ingest.sync.folder_sync import followed_folder as followed_folder
    from ingest.sync.folder_sync import sync_folder as sync_folder
    from ingest.sync.loader_sync import sync_loader as sync_loader
    from ingest.sync.page_pictures import PagePictures as PagePictures
    from ingest.sync.watch import watch_folder as watch_folder
    from ingest.text.languages import UNDETERMINED as UNDETERMINED
    from ingest.text.languages import Language as Language
    from ingest.text.languages import detect_language as detect_language
    from ingest.text.languages import identify_language as identify_language
    from ingest.text.languages import in_different_languages as in_different_languages
    from ingest.text.sentences import split_sentences as split_sentences
    from ingest.types import Document as Document
    from ingest.types import FileProblem as FileProblem
    from ingest.types import Heading as Heading
    from ingest.types import IndexedDocument as IndexedDocument
    from ingest.types import IndexStatus as IndexStatus
    from ingest.types import Place as Place
    from ingest.types import SyncProgress as SyncProgress
    from ingest.types import SyncReport as SyncReport
    from ingest.types import SyncStage as SyncStage
    from ingest.types import place_at as place_at

_NAMES = {
    "embeddings": "EmbeddingModel Passage ScoredSpan embedding_model model_folder",
    "embeddings.cross_encoders": "load_cross_encoder",
    "errors": (
        "IdentityError IndexBusyError IndexDamagedError IndexMissingError LoadError "
        "MissingExtraError MissingKeyError ProviderError RagError StoreError UsageError "
        "install_command"
    ),
    "index.directory": "holds_index",
    "index.document_index": "Candidate",
    "index.vectorstore": "Index chunk_document open_index",
    "loaders.pdf_pages": "PagePicture",
    "maintenance.backup": "Exported Imported export_index import_index",
    "maintenance.integrity": "Damage",
    "maintenance.langchain_faiss": "export_langchain import_langchain",
    "maintenance.repair": "VerifyReport verify_index",
    "maintenance.rollback": "Rollback roll_back",
    "network": (
        "client_options is_loopback keep_offline openai_address place_of proxy_of "
        "proxy_problem trace_addresses"
    ),
    "settings": "IndexSettings",
    "sync.folder_sync": "followed_folder sync_folder",
    "sync.loader_sync": "sync_loader",
    "sync.page_pictures": "PagePictures",
    "sync.watch": "watch_folder",
    "text.languages": (
        "Language UNDETERMINED detect_language identify_language in_different_languages"
    ),
    "text.sentences": "split_sentences",
    "types": (
        "Document FileProblem Heading IndexStatus IndexedDocument Place SyncProgress SyncReport "
        "SyncStage place_at"
    ),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
