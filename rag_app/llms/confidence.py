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
    def of(cls, chunks: Sequence[ScoredChunk], best: Features) -> Signals:
        """Return the signals of what was retrieved, best first, and of the best sentence in it."""
        first, *others = (chunk.score for chunk in chunks)
        lead = first - math.fsum(others) / len(others) if others else first
        return cls(
            dense=max(chunk.dense for chunk in chunks),
            terms=best.terms + best.before + best.around,
            # Some retrievers give no scores.
            lead=lead if first else calibration().lead,
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the reader goes by.

    Attributes:
        sentence: What each of the `Features` counts for a sentence, by its name.
        answer: What each of the `Signals` counts for an answer, by its name.
        bias: What is added to the sum of the signals.
        lead: The mean lead of the questions that it was fitted to.
        threshold: The least probability at which the extractive reader answers.
        floor: The least probability of hardly any answerable question; below it, another chat
            model is not asked at all.
    """

    sentence: Mapping[str, float]
    answer: Mapping[str, float]
    bias: float
    lead: float
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
