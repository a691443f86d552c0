"""txtai's hybrid search, content off, over passages, lines or pages: it doesn't split by itself."""

from __future__ import annotations

from txtai import Embeddings

from benchmarks.retrieval.datasets import Dataset
from benchmarks.retrieval.systems import DEPTH, Found, ModelWeights


class Hybrid:
    """The weighted sum of BM25 and cosine."""

    def __init__(self, weights: ModelWeights) -> None:
        self._embeddings = Embeddings(
            hybrid=True,
            path=str(weights.folder()),
            instructions={"query": weights.query_prompt, "data": weights.document_prompt},
            gpu=False,
        )

    def index(self, dataset: Dataset) -> None:
        """Count the terms and embed."""
        self._pieces = dataset.pieces
        self._embeddings.index((place, piece.text) for place, piece in enumerate(self._pieces))

    def search(self, question: str) -> list[Found]:
        """Return the pieces found."""
        places = self._embeddings.search(question, DEPTH)
        return [Found.whole(self._pieces[place]) for place, _ in places]


def make(weights: ModelWeights) -> Hybrid:
    """Return the system."""
    return Hybrid(weights)
