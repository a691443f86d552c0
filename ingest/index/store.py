"""The index as a LangChain vector store."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from ingest.embeddings import wrap_embeddings
from ingest.errors import UsageError
from ingest.index.documents import Changes, DocumentIndex, Filter
from ingest.index.layout import write_lock
from ingest.index.reader import Vectors
from ingest.index.rows import ChunkRow, DocumentRow, Origin
from ingest.language import identify_language
from ingest.settings import CHUNK_TOKENS
from ingest.types import Document

_ADDED_LOADER = "text/1"


class Index(DocumentIndex, VectorStore):
    """An index on disk. Any number of threads and processes may read it while one writes.

    A folder's documents are kept by :func:`ingest.sync_folder`. Those given to ``add_documents``
    stand beside them, and a sync leaves them alone. A long text is split into chunks, so a search
    returns the part that matches.
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
        """Make an index of ``texts`` in ``folder``, with any LangChain embeddings."""
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
        """Add texts beside the folder's documents; one under a known id replaces it.

        Raises:
            UsageError: An id is the name of a file of the folder, which would be lost.
        """
        listed = list(texts)
        given = list(ids or [None] * len(listed))
        names = [name or str(uuid.uuid4()) for name in given]
        facts = metadatas or [{} for _ in listed]
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

    def _refuse_files(self, names: Sequence[str]) -> None:
        with self._current.read() as (_, reader):
            found = (reader.document(name) for name in names)
            files = [pair[0].source for pair in found if pair and pair[0].origin is Origin.FOLDER]
        if files:
            raise UsageError(
                f"'{files[0]}' is a file of the indexed folder: add the text under another id"
            )

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Delete added documents by id, or all of them; a folder's documents stay."""
        with write_lock(self.folder):
            self._current.follow()
            added = [row.source for row in self.documents(Origin.ADDED)]
            chosen = added if ids is None else [source for source in added if source in set(ids)]
            self.apply(Changes(removed=chosen))
            self.tidy()
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[LangChainDocument]:
        """Return whole documents by their source or id; unknown ones are left out."""
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
        """Return the ``k`` chunks nearest to ``query`` by meaning, nearest first."""
        found = self.similarity_search_with_score(query, k, filter)
        return [document for document, _ in found]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[LangChainDocument, float]]:
        """Return the ``k`` nearest chunks with their cosine."""
        return self._nearest(self.embedding.embed_query(query), k, filter)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        """Return the ``k`` chunks nearest to a vector."""
        vector = np.asarray(embedding, np.float32)
        found = self._nearest(vector / max(float(np.linalg.norm(vector)), 1e-12), k, filter)
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
        """Return ``k`` chunks near to ``query`` and unlike each other."""
        vector = self.embedding.embed_query(query)
        found = self.nearest(vector, fetch_k, filter)
        vectors = [one.vector.tolist() for one in found]
        chosen = maximal_marginal_relevance(vector, vectors, lambda_mult, k) if found else []
        return [chunk_document(found[position].row) for position in chosen]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: (cosine + 1) / 2

    def _nearest(
        self, vector: Vectors, k: int, filter: Filter | None
    ) -> list[tuple[LangChainDocument, float]]:
        return [(chunk_document(one.row), one.dense) for one in self.nearest(vector, k, filter)]


def chunk_document(row: ChunkRow) -> LangChainDocument:
    """Return a chunk as a LangChain Document.

    An added document that is one chunk comes back as it was given; any other chunk carries
    its ``source``, place (``start``, ``end``, ``page``, ``page_breaks``, ``headings``) and
    ``language`` beside its metadata.
    """
    metadata = dict(row.metadata)
    if row.origin is Origin.ADDED and row.whole:
        return LangChainDocument(id=row.source, page_content=row.chunk.text, metadata=metadata)
    metadata |= {
        "source": row.source,
        "start": row.chunk.start,
        "end": row.chunk.end,
        "page": row.chunk.page,
        "page_breaks": list(row.chunk.page_breaks),
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
