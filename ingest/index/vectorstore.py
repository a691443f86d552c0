"""The index as a LangChain vector store."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from ingest.embeddings import embedding_model, wrap_embeddings
from ingest.errors import UsageError
from ingest.index.arguments import (
    check_count,
    check_share,
    checked_filter,
    checked_ids,
    checked_metadatas,
    checked_text,
    checked_texts,
    checked_vector,
)
from ingest.index.directory import write_lock
from ingest.index.document_index import Changes, DocumentIndex
from ingest.index.filters import Filter
from ingest.index.reader import Vectors
from ingest.index.records import ChunkRow, DocumentRow, Origin
from ingest.settings import CHUNK_TOKENS, IndexSettings
from ingest.text.languages import identify_language
from ingest.types import Document

_ADDED_LOADER = "text/1"


class Index(DocumentIndex, VectorStore):
    """An index on disk. Any number of threads and processes may read it while one writes.

    Documents of a folder are managed by :func:`ingest.sync_folder`, which leaves those from
    ``add_documents`` alone. A long text is split into chunks, so a search returns the part that
    matches.
    """

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        folder: Path | str = "data/index",
        chunk_tokens: int = CHUNK_TOKENS,
        **kwargs: Any,
    ) -> Index:
        """Create an index of ``texts`` in ``folder``, with any LangChain embeddings.

        Args:
            texts: The texts to add.
            embedding: The embedding model.
            metadatas: The metadata of each text.
            ids: The id of each text; a random one if not given.
            folder: The folder of the index.
            chunk_tokens: Longest chunk, in tokens of the embedding model.
            **kwargs: Ignored.

        Raises:
            UsageError: If a value is invalid; no index is created.
        """
        if not isinstance(embedding, Embeddings):
            raise UsageError(
                "embedding has to be LangChain embeddings, such as HuggingFaceEmbeddings"
            )
        if not isinstance(folder, Path | str):
            raise UsageError(f"folder has to be a path, not {folder!r}")
        check_count(chunk_tokens, "chunk_tokens")
        texts = checked_texts(texts, "texts")
        checked_ids(ids, len(texts))
        checked_metadatas(metadatas, len(texts))
        index_folder = Path(folder)
        with write_lock(index_folder):
            index = cls.create(index_folder, wrap_embeddings(embedding), chunk_tokens)
            index.use()
        index.add_texts(texts, metadatas, ids=ids)
        return index

    @property
    def embeddings(self) -> Embeddings:
        """The LangChain embeddings of this index."""
        return self.embedding.embeddings

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts beside the documents of the folder; a text with a known id replaces it.

        Args:
            texts: The texts to add.
            metadatas: The metadata of each text.
            ids: The id of each text; a random one where it is None.
            **kwargs: Ignored.

        Returns:
            The ids.

        Raises:
            UsageError: If a value is invalid, if there are not as many ids or metadatas as texts,
                or if an id is the name of a file of the folder, which would be lost.
        """
        listed = checked_texts(texts, "texts")
        given = checked_ids(ids, len(listed))
        names = [name or str(uuid.uuid4()) for name in given]
        facts = checked_metadatas(metadatas, len(listed))
        documents = {
            name: (_added_row(name, text, metadata), Document(text, metadata=metadata))
            for name, text, metadata in zip(names, listed, facts, strict=True)
        }
        with write_lock(self.folder):
            self._current.follow()
            self._refuse_files(names)
            self.apply(Changes(put=list(documents.values())))
            self.tidy()
        return names

    def add_documents(self, documents: list[LangChainDocument], **kwargs: Any) -> list[str]:
        """Add LangChain Documents as :meth:`add_texts` does, with their ids if they have any."""
        listed = list(documents) if isinstance(documents, Iterable) else [documents]
        if not all(isinstance(one, LangChainDocument) for one in listed):
            raise UsageError("documents has to be a list of Document of langchain_core.documents")
        return super().add_documents(listed, **kwargs)

    def _refuse_files(self, names: Sequence[str]) -> None:
        with self._current.read() as (_, reader):
            found = (reader.document(name) for name in names)
            files = [pair[0].source for pair in found if pair and pair[0].origin is Origin.FOLDER]
        if files:
            raise UsageError(
                f"'{files[0]}' is a file of the indexed folder: add the text under another id"
            )

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete added documents by id, or all of them; documents of the folder stay.

        Unknown ids are ignored.

        Raises:
            UsageError: If the ids are not a list of strings.
        """
        wanted = None if ids is None else set(checked_texts(ids, "ids"))
        with write_lock(self.folder):
            self._current.follow()
            added = [row.source for row in self.documents(Origin.ADDED)]
            chosen = [source for source in added if wanted is None or source in wanted]
            self.apply(Changes(removed=chosen))
            self.tidy()
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[LangChainDocument]:
        """Return whole documents by source or id; unknown ones are ignored.

        Raises:
            UsageError: If the ids are not a list of strings.
        """
        ids = checked_texts(ids, "ids")
        with self._current.read() as (_, reader):
            found = [(name, reader.document(name)) for name in ids]
        return [
            LangChainDocument(id=name, page_content=pair[1].text, metadata=dict(pair[0].metadata))
            for name, pair in found
            if pair
        ]

    def similarity_search(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        """Return the ``k`` chunks nearest to ``query`` by cosine, nearest first.

        Raises:
            UsageError: If the query is not a string, ``k`` is less than 1, or the filter is not a
                dictionary.
        """
        found = self.similarity_search_with_score(query, k, filter)
        return [document for document, _ in found]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[LangChainDocument, float]]:
        """Return the ``k`` nearest chunks with their cosines; raises UsageError as above."""
        return self._nearest(self._embedded(query), k, filter)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        """Return the ``k`` chunks nearest to a vector, shape (d,); raises UsageError as above."""
        vector = checked_vector(embedding, self.embedding.identity.dimension)
        found = self._nearest(vector, k, filter)
        return [document for document, _ in found]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[LangChainDocument]:
        """Return ``k`` chunks by maximal marginal relevance (MMR).

        Args:
            query: The question.
            k: Number of chunks.
            fetch_k: Number of nearest chunks to choose from.
            lambda_mult: 1 for relevance only, 0 for diversity only.
            filter: As in :meth:`similarity_search`.
            **kwargs: Ignored.

        Raises:
            UsageError: If a value is invalid.
        """
        check_count(k, "k")
        check_count(fetch_k, "fetch_k")
        check_share(lambda_mult, "lambda_mult")
        vector = self._embedded(query)
        found = self.nearest(vector, fetch_k, checked_filter(filter))
        vectors = [one.vector.tolist() for one in found]
        chosen = maximal_marginal_relevance(vector, vectors, lambda_mult, k) if found else []
        return [chunk_document(found[position].row) for position in chosen]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: (cosine + 1) / 2

    def _nearest(
        self, vector: Vectors, k: int, filter: Filter | None
    ) -> list[tuple[LangChainDocument, float]]:
        check_count(k, "k")
        found = self.nearest(vector, k, checked_filter(filter))
        return [(chunk_document(one.row), one.dense) for one in found]

    def _embedded(self, query: str) -> Vectors:
        return self.embedding.embed_query(checked_text(query, "the query"))


def chunk_document(row: ChunkRow) -> LangChainDocument:
    """Return a chunk as a LangChain Document.

    An added document with a single chunk comes back as it was added. The metadata of any other
    chunk has its ``source``, ``start``, ``end``, ``page`` (of the first character), ``places``,
    ``headings`` and ``language`` as well.
    """
    metadata = dict(row.metadata)
    if row.origin is Origin.ADDED and row.whole:
        return LangChainDocument(id=row.source, page_content=row.chunk.text, metadata=metadata)
    metadata |= {
        "source": row.source,
        "start": row.chunk.start,
        "end": row.chunk.end,
        "page": row.chunk.places[0].page if row.chunk.places else None,
        "places": [list(place) for place in row.chunk.places],
        "headings": list(row.chunk.headings),
        "language": row.language,
    }
    return LangChainDocument(
        id=f"{row.source}#{row.ordinal}", page_content=row.chunk.text, metadata=metadata
    )


def _added_row(name: str, text: str, metadata: Mapping[str, Any]) -> DocumentRow:
    return DocumentRow(
        source=name,
        origin=Origin.ADDED,
        content_hash=sha256(text.encode("utf-8", "surrogatepass")).digest(),
        loader=_ADDED_LOADER,
        language=identify_language(text),
        metadata=metadata,
    )


def open_index(settings: IndexSettings) -> Index:
    """Open the index that the settings name.

    Raises:
        IndexMissingError: If there is none.
        IdentityError: If it was made with another embedding model.
        IndexDamagedError: If it is damaged.
        UsageError: If the settings name no embedding model that runs here.
    """
    return Index.open(settings.index, embedding_model(settings))
