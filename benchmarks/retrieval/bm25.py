"""BM25 by bm25s as its documentation sets it up: stop words and a stemmer of the language."""

from __future__ import annotations

from typing import Any

import bm25s
import numpy as np
import Stemmer
from numpy.typing import NDArray

from benchmarks.retrieval.datasets import Dataset
from benchmarks.retrieval.systems import DEPTH, Found

STEMMERS = {"en": "english", "pt": "portuguese"}


class BM25:
    """Terms alone, over passages, lines or pages."""

    def index(self, dataset: Dataset) -> None:
        """Count the terms."""
        self._pieces = dataset.pieces
        self._language = dataset.language
        self._stemmer = Stemmer.Stemmer(STEMMERS[dataset.language])
        self._bm25 = bm25s.BM25()
        self._bm25.index(self._terms([piece.text for piece in dataset.pieces]), show_progress=False)

    def scores(self, question: str) -> NDArray[np.float32]:
        """Return the score of each piece."""
        (terms,) = self._terms(question, return_ids=False)
        if not terms:
            return np.zeros(len(self._pieces), np.float32)
        scores: NDArray[np.float32] = self._bm25.get_scores(terms)
        return scores

    def search(self, question: str) -> list[Found]:
        """Return the pieces found."""
        depth = min(DEPTH, len(self._pieces))
        places, _ = self._bm25.retrieve(self._terms(question), k=depth, show_progress=False)
        return [Found.whole(self._pieces[place]) for place in places[0]]

    def _terms(self, texts: list[str] | str, return_ids: bool = True) -> Any:
        return bm25s.tokenize(
            texts,
            stopwords=self._language,
            stemmer=self._stemmer,
            return_ids=return_ids,
            show_progress=False,
        )


def make() -> BM25:
    """Return the system."""
    return BM25()
