"""How well embeddings rank the chunks of questions, and whether the one after is better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rag_app.tuning.types import Example, Gain

MEASURES = ("ndcg@10", "mrr@10", "hit@1")
_RANKS = 10
_RESAMPLES = 10_000
_SEED = 20250101
# Cosines of so many questions to all chunks are held at a time.
_BATCH = 256

Vectors = NDArray[np.float32]
Scores = NDArray[np.float64]

_DISCOUNTS = 1 / np.log2(np.arange(2, _RANKS + 2))


def ranking_scores(questions: Vectors, chunks: Vectors, examples: Sequence[Example]) -> Scores:
    """Return ``MEASURES`` of each example's ranking of the chunks; shape (examples, 3).

    Args:
        questions: Vectors of length 1 of the examples' questions, shape (examples, dimension).
        chunks: Vectors of length 1 of all chunks, shape (chunks, dimension).
        examples: The questions with the positions of their chunks.
    """
    scores = []
    for start in range(0, len(examples), _BATCH):
        cosines = questions[start : start + _BATCH] @ chunks.T
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :_RANKS]
        for ranks, example in zip(best, examples[start : start + _BATCH], strict=True):
            scores.append(scores_of_ranking(ranks, example.chunks))
    return np.array(scores, np.float64).reshape(-1, len(MEASURES))


def scores_of_ranking(ranking: ArrayLike, relevant: Sequence[int]) -> tuple[float, float, float]:
    """Return nDCG (Järvelin and Kekäläinen, 2002), reciprocal rank and hit of the first ten."""
    found = np.isin(np.asarray(ranking)[:_RANKS], relevant)
    if not found.any():
        return 0.0, 0.0, 0.0
    gain = float(found @ _DISCOUNTS[: len(found)])
    best = float(_DISCOUNTS[: len(relevant)].sum())
    return gain / best, 1 / (int(found.argmax()) + 1), float(found[0])


def compare(before: Scores, after: Scores, groups: Sequence[int]) -> tuple[Gain, ...]:
    """Return the gain in each measure; ``groups`` says which examples belong together.

    Whole groups are drawn: the questions on one document rise and fall together, and an interval
    of single questions would be too narrow for other documents.
    """
    lows, highs = _interval(after - before, groups)
    columns = zip(MEASURES, before.mean(0), after.mean(0), lows, highs, strict=True)
    return tuple(Gain(name, *map(float, values)) for name, *values in columns)


def is_clearly_better(gains: Sequence[Gain]) -> bool:
    """Return whether the whole interval of nDCG is above 0."""
    return gains[0].low > 0


def _interval(differences: Scores, groups: Sequence[int]) -> tuple[Scores, Scores]:
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member).astype(np.float64)
    sums = np.stack([np.bincount(member, column) for column in differences.T], axis=1)
    random = np.random.default_rng(_SEED)
    draws = random.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), _RESAMPLES)
    means = (draws @ sums) / (draws @ sizes)[:, None]
    lows, highs = np.percentile(means, (2.5, 97.5), axis=0)
    return lows, highs
