"""Rerank the best chunks with a cross-encoder, which reads question and chunk together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingest import load_cross_encoder
from rag_app.retrieval.ranking import Ranked

# Chosen by hand: enough to reorder, few enough for a cross-encoder to score on a CPU.
_DEPTH = 30

# Takes a question and n texts, and returns n scores.
Rerank = Callable[[str, Sequence[str]], Sequence[float]]


def cross_encoder(name: str) -> Rerank:
    """Return the reranker ``huggingface:<id or folder>``.

    Raises:
        UsageError: The name has another form, or there is no such model.
        MissingExtraError: sentence-transformers is not installed.
    """
    encoder = load_cross_encoder(name, "a reranker")

    def rerank(question: str, texts: Sequence[str]) -> Sequence[float]:
        pairs = [(question, text) for text in texts]
        scores: Sequence[float] = encoder.predict(pairs, show_progress_bar=False).tolist()
        return scores

    return rerank


def reorder(question: str, ranked: Sequence[Ranked], rerank: Rerank) -> list[Ranked]:
    """Return ``ranked`` with the best 30 in the reranker's order; their scores do not change."""
    head = ranked[:_DEPTH]
    scores = rerank(question, [one.candidate.row.chunk.embedding_text for one in head])
    order = sorted(range(len(head)), key=lambda at: -scores[at])
    return [*(head[at] for at in order), *ranked[_DEPTH:]]
