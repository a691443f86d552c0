"""How sure the reader is of a sentence, and that the chunks answer the question at all.

The weights come from ``reader.json``, which ``python -m benchmarks.answers --fit`` writes. They are
the same for all languages.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from rag_app.llms.sentences import Features
from rag_app.types import ScoredChunk


@dataclass(frozen=True, slots=True)
class Signals:
    """What the probability of an answer is made of.

    Attributes:
        dense: The cosine of the nearest chunk.
        terms: The share of the question's terms in the best sentence and around it.
        lead: The score of the best chunk above the mean of the others.
    """

    dense: float
    terms: float
    lead: float

    @classmethod
    def of(cls, chunks: Sequence[ScoredChunk], best: Features, *, across: bool = False) -> Signals:
        """Return the signals of what was retrieved, best first, and of the best sentence in it.

        What can't be told is taken to be as usual: the lead of a lone chunk, or without scores, and
        the terms of a sentence in another language than the question (``across``).
        """
        first, *others = (chunk.score for chunk in chunks)
        leads = first > 0 and len(others) > 0
        usual = calibration().usual
        return cls(
            dense=max(chunk.dense for chunk in chunks),
            terms=usual["terms"] if across else best.terms + best.before + best.around,
            lead=first - math.fsum(others) / len(others) if leads else usual["lead"],
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the reader goes by.

    Attributes:
        sentence: What each of the `Features` counts for a sentence, by its name.
        answer: What each of the `Signals` counts for an answer, by its name.
        bias: What is added to the sum of the signals.
        usual: The mean of the signals that can be unknown, by their names.
        threshold: The least probability at which the extractive reader answers.
        floor: The least probability of hardly any answerable question; below it, another chat
            model is not asked at all.
    """

    sentence: Mapping[str, float]
    answer: Mapping[str, float]
    bias: float
    usual: Mapping[str, float]
    threshold: float
    floor: float

    def score(self, features: Features) -> float:
        """Return how much speaks for a sentence."""
        return _weighted(self.sentence, features)

    def probability(self, signals: Signals) -> float:
        """Return the probability, 0 to 1, that the question is answered."""
        return 1 / (1 + math.exp(-self.bias - _weighted(self.answer, signals)))


@lru_cache(maxsize=1)
def calibration() -> Calibration:
    """Return the weights that the package ships."""
    table = json.loads((resources.files("rag_app.llms") / "reader.json").read_text("utf-8"))
    return Calibration(**table["calibration"])


def _weighted(weights: Mapping[str, float], values: Features | Signals) -> float:
    return math.fsum(weight * getattr(values, name) for name, weight in weights.items())
