"""The retriever of the app, as a LangChain retriever."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from ingest import Document as IndexedDocument
from ingest import Index, chunk_document
from rag_app.retrieval.expansion import Width, sections_between, widen
from rag_app.retrieval.query_rewriting import Rewrite, merge
from rag_app.retrieval.ranking import Ranked, diversify, rank
from rag_app.retrieval.reranking import Rerank, reorder
from rag_app.types import ScoredChunk

CANDIDATES = 60


class HybridRetriever(BaseRetriever):
    """Finds chunks by meaning and by terms, best first; of equal texts only the best.

    Attributes:
        index: The index to search.
        k: How many chunks to return.
        filter: Conditions on the documents, applied before the search.
        rewrite: Gives what else to ask the index.
        rerank: Scores question and chunk together; the best chunks are put in its order.
        diversity: From 0, the best chunks, to 1, chunks as unlike each other as can be.
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
        whole = cache(self.index.document)
        found = [ranked_document(one, whole(one.candidate.row.source)) for one in ranked]
        if self.width == "chunk":
            return found
        chunks = map(ScoredChunk.from_document, found)
        return [one.to_document() for one in widen(chunks, self.width, whole)]

    def rank(self, question: str) -> list[Ranked]:
        """Return all candidates with what their scores are made of, best first."""
        questions = [question, *(self.rewrite(question) if self.rewrite else ())]
        found = [self.index.candidates(one, CANDIDATES, self.filter) for one in questions]
        ranked = rank(question, merge(found))
        if self.rerank:
            ranked = reorder(question, ranked, self.rerank)
        return diversify(ranked, self.diversity)


def ranked_document(ranked: Ranked, whole: IndexedDocument | None) -> Document:
    """Return a chunk of ``whole`` as a LangChain Document with its place and scores."""
    candidate = ranked.candidate
    chunk = candidate.row.chunk
    document = chunk_document(candidate.row)
    document.metadata |= {
        "source": candidate.row.source,
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "page_breaks": list(chunk.page_breaks),
        "headings": list(chunk.headings),
        "language": candidate.row.language,
        "score": ranked.score,
        "dense": candidate.dense,
        "lexical": candidate.lexical,
        "sentences": candidate.sentences,
        "sections": sections_between(whole, chunk.start, chunk.end) if whole else (),
    }
    return document
