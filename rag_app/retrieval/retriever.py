"""The retriever of the app, as a LangChain retriever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from ingest import Document as IndexedDocument
from ingest import Index, chunk_document
from rag_app.retrieval.expansion import Width, sections_between, widen
from rag_app.retrieval.query_rewriting import Rewrite, merge
from rag_app.retrieval.ranking import Ranked, mmr, rank
from rag_app.retrieval.reranking import Rerank, reorder
from rag_app.types import ScoredChunk

# Best by cosine, and as many by BM25; chosen by hand.
CANDIDATES = 60


class HybridRetriever(BaseRetriever):
    """Dense and lexical search in one ranking, best first, without duplicate texts.

    Attributes:
        index: The index to search.
        k: Number of chunks to return.
        filter: Metadata that a document must have, applied before the search.
        rewrite: Gives additional texts to search for.
        rerank: Scores question and chunk together and so reorders the best chunks.
        diversity: MMR trade-off: 0 relevance only, 1 diversity only.
        width: How much of the document around a chunk is returned with it.
    """

    index: Index
    k: int = 5
    filter: Mapping[str, str] | None = None
    rewrite: Rewrite | None = None
    rerank: Rerank | None = None
    diversity: float = 0.0
    width: Width = "chunk"

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        ranked = self.rank(query)[: int(kwargs.get("k", self.k))]
        whole = self.index.texts(one.candidate.row.source for one in ranked).get
        found = [ranked_document(one, whole(one.candidate.row.source)) for one in ranked]
        if self.width == "chunk":
            return found
        chunks = map(ScoredChunk.from_document, found)
        return [one.to_document() for one in widen(chunks, self.width, whole)]

    def rank(self, question: str) -> list[Ranked]:
        """Return all candidates with the components of their scores, best first."""
        questions = [question, *(self.rewrite(question) if self.rewrite else ())]
        found = [self.index.candidates(one, CANDIDATES, self.filter) for one in questions]
        ranked = rank(question, merge(found))
        if self.rerank:
            ranked = reorder(question, ranked, self.rerank)
        return mmr(ranked, self.diversity)


def ranked_document(ranked: Ranked, whole: IndexedDocument | None) -> Document:
    """Return a chunk of ``whole`` as a LangChain Document with its location and scores."""
    candidate = ranked.candidate
    chunk = candidate.row.chunk
    document = chunk_document(candidate.row)
    document.metadata |= {
        "source": candidate.row.source,
        "start": chunk.start,
        "end": chunk.end,
        "places": list(chunk.places),
        "headings": list(chunk.headings),
        "language": candidate.row.language,
        "score": ranked.score,
        "dense": candidate.dense,
        "lexical": candidate.lexical,
        "sentences": candidate.sentences,
        "sections": sections_between(whole, chunk.start, chunk.end) if whole else (),
    }
    return document
