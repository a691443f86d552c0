"""Exchange an index with LangChain's community ``FAISS`` store, through the folder it saves."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from ingest.embeddings import EmbeddingModel, embedding_model
from ingest.errors import MissingExtraError, UsageError
from ingest.index.catalog import Catalog
from ingest.index.directory import CATALOG, current_version, write_lock
from ingest.index.reader import Vectors
from ingest.index.vectorstore import Index, chunk_document
from ingest.maintenance.backup import Exported, Imported
from ingest.settings import IndexSettings

if TYPE_CHECKING:
    from langchain_community.vectorstores import FAISS

_FILES = ("index.faiss", "index.pkl")


def export_langchain(settings: IndexSettings, folder: Path, *, force: bool = False) -> Exported:
    """Write the chunks and their vectors to a folder that LangChain's ``FAISS.load_local`` loads.

    Each chunk is a Document with its ``id``, and its place as metadata.

    Raises:
        MissingExtraError: If LangChain's community package is not installed.
        UsageError: If the folder has a store and ``force`` is not given, or can't be written.
        IndexMissingError: If there is no index.
        IdentityError: If the index was made with another embedding model.
    """
    store = _faiss_store()
    if any((folder / name).exists() for name in _FILES) and not force:
        raise UsageError(f"{folder} has a store already: name another folder, or add --force")
    embedding = embedding_model(settings)
    chunks, vectors, documents = _read_chunks(settings, embedding)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".rag-export-", dir=folder) as scratch:
            _fill(store, embedding, chunks, vectors).save_local(scratch)
            for name in _FILES:
                (Path(scratch) / name).replace(folder / name)
    except (OSError, RuntimeError) as error:  # FAISS raises RuntimeError when the disk is full
        raise UsageError(f"{folder} could not be written: {error}") from error
    size = sum((folder / name).stat().st_size for name in _FILES)
    return Exported(str(folder), documents, len(chunks), size)


def import_langchain(
    settings: IndexSettings, folder: Path, *, trust_pickle: bool = False
) -> Imported:
    """Add the Documents of a LangChain FAISS folder, embedded again by the configured model.

    Their vectors are not imported, because the folder does not say which model made them.

    Raises:
        UsageError: If ``trust_pickle`` is not given, or the folder can't be loaded.
        MissingExtraError: If LangChain's community package is not installed.
    """
    if not trust_pickle:
        raise UsageError(
            f"the texts in {folder} are a Python pickle, which can run any code when it is "
            "loaded: add --trust-pickle if you know who made it"
        )
    store = _faiss_store()
    embedding = embedding_model(settings)
    documents = _load(store, embedding, folder)
    if current_version(settings.index) is None:
        with write_lock(settings.index):
            Index.create(settings.index, embedding, settings.chunk_tokens).use()
    with closing(Index.open(settings.index, embedding)) as index:
        index.add_documents(documents)
        state = index.state()
    return Imported(state.documents, state.chunks)


def _faiss_store() -> type[FAISS]:
    """Return LangChain's class, without the warning that its package is no longer maintained."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`langchain-community` is being sunset")
            from langchain_community.vectorstores import FAISS
    except ImportError as error:
        raise MissingExtraError("a LangChain FAISS folder", "compat") from error
    return FAISS


def _read_chunks(
    settings: IndexSettings, embedding: EmbeddingModel
) -> tuple[list[Document], Vectors, int]:
    """Return the chunks of one generation, their vectors, and the number of documents."""
    with (
        closing(Index.open(settings.index, embedding)) as index,
        closing(Catalog(index.version / CATALOG)) as catalog,
        catalog.read() as reader,
    ):
        rows, vectors = reader.all_chunks()
        documents = reader.state().documents
    return [chunk_document(row) for row in rows], vectors, documents


def _fill(
    store: type[FAISS], embedding: EmbeddingModel, chunks: Sequence[Document], vectors: Vectors
) -> FAISS:
    """Return a store of the chunks.

    Its FAISS index uses squared Euclidean distance, which the class expects when it loads a folder;
    for vectors of length 1 that gives the same order as the cosine.
    """
    import faiss
    from langchain_community.docstore.in_memory import InMemoryDocstore

    distances = faiss.IndexFlatL2(embedding.identity.dimension)
    distances.add(vectors)
    ids = [str(chunk.id) for chunk in chunks]
    documents = InMemoryDocstore(dict(zip(ids, chunks, strict=True)))
    return store(embedding.embeddings, distances, documents, dict(enumerate(ids)))


def _load(store: type[FAISS], embedding: EmbeddingModel, folder: Path) -> list[Document]:
    """Return the Documents of a folder, in the order of their vectors."""
    if not all((folder / name).is_file() for name in _FILES):
        raise UsageError(
            f"{folder} is not a LangChain FAISS folder: it has no {' and '.join(_FILES)}"
        )
    try:
        loaded = store.load_local(
            str(folder), embedding.embeddings, allow_dangerous_deserialization=True
        )
        found = [loaded.docstore.search(name) for name in loaded.index_to_docstore_id.values()]
        return [_checked(document) for document in found]
    except Exception as error:  # a pickle can raise anything
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{folder} can't be loaded: {type(error).__name__}: {reason}") from error


def _checked(document: object) -> Document:
    """Return a document; for one that it does not have, the store returns a sentence."""
    if not isinstance(document, Document):
        raise ValueError(str(document))
    return document
