"""An embedding model by sentence-transformers and the exact cosine, with the model's prompts.

all-MiniLM-L6-v2 reads 256 tokens of a text, e5 512.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from benchmarks.retrieval.datasets import Dataset
from benchmarks.retrieval.systems import DEPTH, E5, MINILM, Found, ModelWeights


class Cosine:
    """Meaning alone, over passages, lines, sections or pages."""

    def __init__(self, weights: ModelWeights) -> None:
        self._model = SentenceTransformer(str(weights.folder()), device="cpu")
        self._weights = weights

    def index(self, dataset: Dataset) -> None:
        """Embed the pieces."""
        self._pieces = dataset.pieces
        self._vectors = self._model.encode(
            [piece.text for piece in dataset.pieces],
            prompt=self._weights.document_prompt,
            normalize_embeddings=True,
        )

    def scores(self, question: str) -> NDArray[np.float32]:
        """Return the cosine of each piece."""
        vector = self._model.encode(
            question, prompt=self._weights.query_prompt, normalize_embeddings=True
        )
        cosines: NDArray[np.float32] = self._vectors @ vector
        return cosines

    def search(self, question: str) -> list[Found]:
        """Return the pieces found."""
        nearest = np.argsort(-self.scores(question), kind="stable")[:DEPTH]
        return [Found.whole(self._pieces[place]) for place in nearest]


def make_minilm() -> Cosine:
    """Return the system with the weights of MiniLM."""
    return Cosine(MINILM)


def make_e5() -> Cosine:
    """Return the system with the weights of e5."""
    return Cosine(E5)
