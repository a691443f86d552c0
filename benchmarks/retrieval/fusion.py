"""Plain hybrid search: half the cosine, half BM25, each on a scale from 0 to 1.

Scaled and compared are the pieces that are among the best 100 of either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.retrieval.bm25 import BM25
from benchmarks.retrieval.cosine import Cosine
from benchmarks.retrieval.datasets import Dataset
from benchmarks.retrieval.systems import DEPTH, Found, ModelWeights

_BEST = 100

Scores = NDArray[np.float32]


class Fusion:
    """The mean of scaled scores."""

    def __init__(self, weights: ModelWeights) -> None:
        self._dense, self._lexical = Cosine(weights), BM25()

    def index(self, dataset: Dataset) -> None:
        """Count the terms and embed."""
        self._pieces = dataset.pieces
        self._dense.index(dataset)
        self._lexical.index(dataset)

    def search(self, question: str) -> list[Found]:
        """Return the pieces found."""
        scores = self._dense.scores(question), self._lexical.scores(question)
        places = np.union1d(*(np.argsort(-one, kind="stable")[:_BEST] for one in scores))
        fused = sum(_scaled(one[places]) for one in scores)
        best = places[np.argsort(-fused, kind="stable")[:DEPTH]]
        return [Found.whole(self._pieces[place]) for place in best]


def _scaled(scores: Scores) -> Scores:
    spread = scores.max() - scores.min()
    return (scores - scores.min()) / spread if spread else np.zeros_like(scores)


def make(weights: ModelWeights) -> Fusion:
    """Return the system."""
    return Fusion(weights)
