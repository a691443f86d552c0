"""all-MiniLM-L6-v2 by sentence-transformers and the exact cosine; it reads 256 tokens of a text."""

from __future__ import annotations

import numpy as np
from sentence_transformers import SentenceTransformer

from benchmarks.retrieval.datasets import Dataset
from benchmarks.retrieval.systems import DEPTH, Found
from ingest.embeddings.bundled import bundled_folder


class MiniLM:
    """Meaning alone, over passages, lines or pages."""

    def __init__(self) -> None:
        self._model = SentenceTransformer(str(bundled_folder()), device="cpu")

    def index(self, dataset: Dataset) -> None:
        """Embed the pieces."""
        self._pieces = dataset.pieces
        self._vectors = self._model.encode(
            [piece.text for piece in dataset.pieces], normalize_embeddings=True
        )

    def search(self, question: str) -> list[Found]:
        """Return the pieces found."""
        cosines = self._vectors @ self._model.encode(question, normalize_embeddings=True)
        nearest = np.argsort(-cosines, kind="stable")[:DEPTH]
        return [Found.whole(self._pieces[place]) for place in nearest]


def make() -> MiniLM:
    """Return the system."""
    return MiniLM()
