"""From a question to scored chunks: meaning and terms, fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from numpy.typing import NDArray

from ingest import Candidate, Index, chunk_document, detect_language

CANDIDATES = 100
# How much the cosine counts against BM25. MiniLM was trained on English.
DENSE_WEIGHT = {"en": 0.6, "pt": 0.2}


class HybridRetriever(BaseRetriever):
    """Finds chunks by meaning (cosine) and by terms (BM25), and orders them by both.

    Each side's scores are put on a scale from 0 to 1 over the candidates of the question, then
    added with weights (Bruch et al., "An Analysis of Fusion Functions for Hybrid Retrieval", 2023).

    Attributes:
        index: The index to search.
        k: How many chunks to return.
        filter: Conditions on the documents, applied before the search.
    """

    index: Index
    k: int = 5
    filter: Mapping[str, str] | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        k = int(kwargs.get("k", self.k))
        candidates = self.index.candidates(query, CANDIDATES, self.filter)
        scores = fuse(candidates, DENSE_WEIGHT[detect_language(query)])
        order = sorted(
            range(len(candidates)), key=lambda at: _rank(candidates[at], float(scores[at]))
        )
        return [_document(candidates[at], float(scores[at])) for at in order[:k]]


def fuse(candidates: Sequence[Candidate], dense_weight: float) -> NDArray[np.float64]:
    """Return the fused score of each candidate, 0 to 1; shape (n,)."""
    dense = _scaled([candidate.dense for candidate in candidates])
    lexical = _scaled([candidate.lexical for candidate in candidates])
    return dense_weight * dense + (1 - dense_weight) * lexical


def _scaled(scores: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(scores, np.float64)
    if not values.size:
        return values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _rank(candidate: Candidate, score: float) -> tuple[float, str, int]:
    """Order by score; equal scores by place, so that the order never depends on history."""
    return -round(score, 9), candidate.row.source, candidate.row.ordinal


def _document(candidate: Candidate, score: float) -> Document:
    document = chunk_document(candidate.row)
    chunk = candidate.row.chunk
    document.metadata |= {
        "source": candidate.row.source,
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "page_breaks": list(chunk.page_breaks),
        "headings": list(chunk.headings),
        "score": score,
        "dense": candidate.dense,
        "lexical": candidate.lexical,
    }
    return document
