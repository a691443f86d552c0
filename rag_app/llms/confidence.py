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

    None of them compares chunks: in a small folder the best one stands out whatever is asked.

    Attributes:
        dense: The cosine of the nearest chunk.
        cosine: The cosine of the best sentence.
        terms: The share of the question's terms in the best sentence.
        around: The share of those that are only around it.
    """

    dense: float
    cosine: float
    terms: float
    around: float

    @classmethod
    def of(cls, chunks: Sequence[ScoredChunk], best: Features) -> Signals:
        """Return the signals of what was retrieved, and of the best sentence in it."""
        return cls(
            dense=max(chunk.dense for chunk in chunks),
            cosine=best.cosine,
            terms=best.terms,
            around=best.before + best.around,
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the reader goes by.

    Attributes:
        sentence: What each of the `Features` counts for a sentence, by its name.
        answer: What each of the `Signals` counts for an answer, by its name.
        bias: What is added to the sum of the signals.
        threshold: The least probability at which the extractive reader answers.
        floor: The least probability of hardly any answerable question; below it, another chat
            model is not asked at all.
    """

    sentence: Mapping[str, float]
    answer: Mapping[str, float]
    bias: float
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
