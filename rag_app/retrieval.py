"""From a question to scored chunks: found by meaning and by terms, then looked at ever closer.

1. The index gives the best chunks by cosine and by BM25, with both scores.
2. Both are fused, and the best 50 are compared with the question by parts of words and by how
   close together its terms stand.
3. The best 10 are compared by the meaning of each of their sentences.

Each score is put on a scale from 0 to 1 over the question's candidates and they are added with
weights (Bruch et al., "An Analysis of Fusion Functions for Hybrid Retrieval", 2023). How far the
embedding model is trusted depends on the question's language: MiniLM was trained on English.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from numpy.typing import ArrayLike, NDArray

from ingest import (
    Candidate,
    EmbeddingModel,
    Index,
    Language,
    chunk_document,
    detect_language,
    split_sentences,
)
from rag_app.matching import gram_scores, proximity_scores

CANDIDATES = 100
_MATCHED = 50
_READ = 10
_SHORTEST_SENTENCE = 20

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each score counts, all between 0 and 1.

    Attributes:
        dense: The cosine against the lexical scores, which count the rest.
        grams: Parts of words against whole terms, within the lexical share.
        proximity: Terms close together, on top.
        sentence: The sentence nearest in meaning, on top.
    """

    dense: float
    grams: float
    proximity: float = 0.25
    sentence: float = 0.45


# Chosen on the even questions of SciFact, XQuAD-en, ClapNQ and FaQuAD.
WEIGHTS: Mapping[Language, Weights] = {
    "en": Weights(dense=0.6, grams=0.35),
    "pt": Weights(dense=0.25, grams=0.6),
}


class HybridRetriever(BaseRetriever):
    """Finds chunks by meaning and by terms, best first.

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
        weights = WEIGHTS[detect_language(query)]
        ranked = rank(query, candidates, self.index.embedding, weights)
        return [_document(candidate, score) for candidate, score in ranked[:k]]


def rank(
    question: str, candidates: Sequence[Candidate], embedding: EmbeddingModel, weights: Weights
) -> list[tuple[Candidate, float]]:
    """Return the candidates best first, each with its score between 0 and 1."""
    found = _sorted(_fuse(candidates, weights))
    matched = _sorted(_match(question, found[:_MATCHED], weights))
    read = _sorted(_read(question, matched[:_READ], embedding, weights))
    ranked = [*read, *matched[_READ:], *found[_MATCHED:]]
    best_possible = 1 + weights.proximity + weights.sentence
    # Those looked at less closely stand behind the others, whatever their first score was.
    scores = np.minimum.accumulate([one.score / best_possible for one in ranked] or [0.0])
    return [(one.candidate, float(score)) for one, score in zip(ranked, scores, strict=False)]


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A candidate with its scores on a scale from 0 to 1, and their weighted sum so far."""

    candidate: Candidate
    dense: float
    lexical: float
    score: float


def _fuse(candidates: Sequence[Candidate], weights: Weights) -> list[_Ranked]:
    dense = _scaled([candidate.dense for candidate in candidates])
    lexical = _scaled([candidate.lexical for candidate in candidates])
    scores = weights.dense * dense + (1 - weights.dense) * lexical
    return [_Ranked(*one) for one in zip(candidates, dense, lexical, scores, strict=True)]


def _match(question: str, ranked: Sequence[_Ranked], weights: Weights) -> list[_Ranked]:
    """Add how parts of words match, and how close together the terms stand."""
    texts = [one.candidate.row.chunk.embedding_text for one in ranked]
    grams = _scaled(gram_scores(question, texts))
    close = proximity_scores(question, texts)
    lexical = (1 - weights.grams) * np.array(
        [one.lexical for one in ranked]
    ) + weights.grams * grams
    dense = np.array([one.dense for one in ranked])
    scores = weights.dense * dense + (1 - weights.dense) * lexical + weights.proximity * close
    return [replace(one, score=float(score)) for one, score in zip(ranked, scores, strict=True)]


def _read(
    question: str, ranked: Sequence[_Ranked], embedding: EmbeddingModel, weights: Weights
) -> list[_Ranked]:
    """Add the cosine of the sentence nearest to the question."""
    spans = [_sentences(one.candidate.row.chunk.text) for one in ranked]
    vectors = embedding.embed_sentences([sentence for sentences in spans for sentence in sentences])
    cosines = vectors @ embedding.embed_query(question)
    ends = np.cumsum([len(sentences) for sentences in spans])
    nearest = [float(part.max()) for part in np.split(cosines, ends[:-1])] if spans else []
    return [
        replace(one, score=one.score + weights.sentence * max(cosine, 0.0))
        for one, cosine in zip(ranked, nearest, strict=True)
    ]


def _sentences(text: str) -> list[str]:
    """Return the sentences of a chunk, or all of it if none is long enough to say something."""
    sentences = [text[start:end] for start, end in split_sentences(text)]
    return [sentence for sentence in sentences if len(sentence) >= _SHORTEST_SENTENCE] or [text]


def _scaled(scores: ArrayLike) -> Scores:
    values = np.asarray(scores, np.float64)
    if not values.size or values.max() == values.min():
        return np.zeros_like(values)
    scaled: Scores = (values - values.min()) / (values.max() - values.min())
    return scaled


def _sorted(ranked: Sequence[_Ranked]) -> list[_Ranked]:
    """Order by score; equal scores by place, so that the order never depends on history."""
    return sorted(
        ranked,
        key=lambda one: (-round(one.score, 9), one.candidate.row.source, one.candidate.row.ordinal),
    )


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
