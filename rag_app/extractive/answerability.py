"""Calibrated scores: of a sentence as the answer, and of the chunks holding an answer at all.

Two logistic models; ``python -m benchmarks.answers --fit`` fits their weights and writes them to
``answerability.json``. They are the same for all languages.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from statistics import fmean

from rag_app.extractive.sentence_features import Candidate, Features
from rag_app.types import ScoredChunk

_NAMING = 3


@dataclass(frozen=True, slots=True)
class Signals:
    """The features of the probability that the question is answered.

    Attributes:
        dense: The cosine of the nearest chunk.
        across: 1 if the best sentence is in another language than the question.
        terms: The share of the question's terms in the best sentence, above it and before it.
        unnamed: The share of those that are names or numbers, and neither in nor above any of the
            three best sentences: what they say may be of another thing.
        dense_lead: The cosine of the best chunk above the mean of the others'.
        lexical_lead: Its BM25 score above the mean of theirs.
    """

    dense: float
    across: float
    terms: float
    unnamed: float
    dense_lead: float
    lexical_lead: float

    @classmethod
    def of(cls, chunks: Sequence[ScoredChunk], sentences: Sequence[Candidate]) -> Signals:
        """Return the signals of the retrieved chunks and their sentences, both best first.

        Unknown values are replaced by their means: the leads of a single chunk or of chunks without
        scores, and the terms of a sentence in another language than the question.
        """
        first, *others = chunks
        usual = calibration().usual
        best = sentences[0]
        across = best.features.across
        held = best.features.terms + best.features.above + best.features.before
        leads = {name: usual[f"{name}_lead"] for name in ("dense", "lexical")}
        if first.score and others:
            for name in leads:
                mean = fmean(getattr(one, name) for one in others)
                leads[name] = getattr(first, name) - mean
        return cls(
            dense=max(chunk.dense for chunk in chunks),
            across=across,
            terms=usual["terms"] if across else held,
            unnamed=math.fsum(
                share
                for name, share in best.missing.items()
                if all(name in one.missing for one in sentences[:_NAMING])
            ),
            dense_lead=leads["dense"],
            lexical_lead=leads["lexical"],
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fitted weights and thresholds.

    Attributes:
        sentence: Weight of each of the `Features` of a sentence, by name.
        answer: Weight of each of the `Signals`, by name.
        bias: Bias of the answer's probability.
        usual: Means of the signals that can be unknown, by name.
        threshold: Minimum probability at which the extractive model answers.
        floor: Minimum probability at which an abstention shows the nearest passages; hardly any
            answerable question falls below it.
    """

    sentence: Mapping[str, float]
    answer: Mapping[str, float]
    bias: float
    usual: Mapping[str, float]
    threshold: float
    floor: float

    def score(self, features: Features) -> float:
        """Return the score of a sentence, the logarithm of its odds up to a constant."""
        return _weighted(self.sentence, features)

    def probability(self, signals: Signals) -> float:
        """Return the probability, 0 to 1, that the question is answered."""
        return 1 / (1 + math.exp(-self.bias - _weighted(self.answer, signals)))


@lru_cache(maxsize=1)
def calibration() -> Calibration:
    """Return the bundled weights."""
    table = json.loads(
        (resources.files("rag_app.extractive") / "answerability.json").read_text("utf-8")
    )
    return Calibration(**table["calibration"])


def _weighted(weights: Mapping[str, float], values: Features | Signals) -> float:
    return math.fsum(weight * getattr(values, name) for name, weight in weights.items())
