"""Ranking metrics of embeddings, and whether they improved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rag_app.evaluation.statistics import ratio
from rag_app.tuning.types import Example, Gain

METRICS = ("ndcg@10", "mrr@10", "hit@1")
_RANKS = 10
# Questions whose cosines to all chunks are in memory at a time; chosen by hand.
_BATCH = 256

Vectors = NDArray[np.float32]
Scores = NDArray[np.float64]

_DISCOUNTS = 1 / np.log2(np.arange(2, _RANKS + 2))


def ranking_scores(questions: Vectors, chunks: Vectors, examples: Sequence[Example]) -> Scores:
    """Return ``METRICS`` of each example's ranking of the chunks; shape (examples, 3).

    Args:
        questions: Unit vectors of the examples' questions, shape (examples, dimension).
        chunks: Unit vectors of all chunks, shape (chunks, dimension).
        examples: The questions with the positions of their chunks.
    """
    scores = []
    for start in range(0, len(examples), _BATCH):
        cosines = questions[start : start + _BATCH] @ chunks.T
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :_RANKS]
        for ranks, example in zip(best, examples[start : start + _BATCH], strict=True):
            scores.append(scores_of_ranking(ranks, example.chunks))
    return np.array(scores, np.float64).reshape(-1, len(METRICS))


def scores_of_ranking(ranking: ArrayLike, relevant: Sequence[int]) -> tuple[float, float, float]:
    """Return nDCG@10 (Järvelin and Kekäläinen, 2002), reciprocal rank@10 and hit@1."""
    found = np.isin(np.asarray(ranking)[:_RANKS], relevant)
    if not found.any():
        return 0.0, 0.0, 0.0
    gain = float(found @ _DISCOUNTS[: len(found)])
    best = float(_DISCOUNTS[: len(relevant)].sum())
    return gain / best, 1 / (int(found.argmax()) + 1), float(found[0])


def compare(before: Scores, after: Scores, groups: Sequence[int]) -> tuple[Gain, ...]:
    """Return the gain in each metric.

    The bootstrap resamples groups: scores of questions on one document are correlated, and an
    interval over single questions would be too narrow for other documents.

    Args:
        before: Scores before, shape (examples, 3).
        after: Scores after, shape (examples, 3).
        groups: The group of each example.
    """
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member).tolist()
    gains = []
    for name, old, new in zip(METRICS, before.T, after.T, strict=True):
        change = ratio(np.bincount(member, new - old).tolist(), sizes)
        low, high = (change.value if end is None else end for end in (change.low, change.high))
        gains.append(Gain(name, float(old.mean()), float(new.mean()), low, high))
    return tuple(gains)


def is_clearly_better(gains: Sequence[Gain]) -> bool:
    """Return whether the whole interval of nDCG is above 0."""
    return gains[0].low > 0
