"""How sure the reader is of a sentence, and that the chunks answer the question at all.

The weights come from ``reader.json``, which ``python -m benchmarks.answers --fit`` writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from ingest import Language
from rag_app.interaction import Match
from rag_app.llms.sentences import Features
from rag_app.types import ScoredChunk

_CHUNKS = 5


@dataclass(frozen=True, slots=True)
class Signals:
    """What the probability of an answer is made of.

    ``score`` and ``lead`` are None for the chunks of a retriever without scores.

    Attributes:
        text: How near the tokens of a chunk come to the question's, of the nearest chunk.
        match: The same of the best sentence.
        weakest: The same of the best sentence and the three tokens that match worst.
        terms: The share of the question's terms in the best sentence.
        score: The score of the best chunk.
        lead: The same above the mean of the next four.
    """

    text: float
    match: float
    weakest: float
    terms: float
    score: float | None
    lead: float | None


@dataclass(frozen=True, slots=True)
class AnswerWeights:
    """What each of the `Signals` counts, by its name; those of other names count nothing.

    Attributes:
        weights: By the name of the signal.
        bias: What is added to their sum.
        threshold: The least probability at which the extractive reader answers.
        floor: The least probability of hardly any answerable question; below it, another chat
            model is not asked at all.
    """

    weights: Mapping[str, float]
    bias: float
    threshold: float
    floor: float

    def probability(self, signals: Signals) -> float:
        """Return the probability, 0 to 1, that the question is answered."""
        return 1 / (1 + math.exp(-self.bias - _weighted(self.weights, signals)))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the reader goes by.

    Attributes:
        sentence: What each of the `Features` counts for a sentence, by its name.
        scored: How sure of an answer it is, by the language of the question.
        unscored: The same without regard to scores, which the chunks of some retrievers lack.
    """

    sentence: Mapping[str, float]
    scored: Mapping[Language, AnswerWeights]
    unscored: Mapping[Language, AnswerWeights]


def sentence_score(features: Features) -> float:
    """Return how much speaks for a sentence, a weighted sum."""
    return _weighted(calibration().sentence, features)


def read_signals(
    chunks: Sequence[ScoredChunk], matches: Sequence[Match], best: Features
) -> Signals:
    """Return the signals of a question.

    Args:
        chunks: What was retrieved, best first.
        matches: How each chunk matches the question.
        best: What speaks for the best sentence.
    """
    scores = [chunk.score for chunk in chunks[:_CHUNKS]]
    others = scores[1:] or [0.0]
    return Signals(
        text=max(match.mean for match in matches[:_CHUNKS]),
        match=best.match,
        weakest=best.weakest,
        terms=best.terms,
        score=scores[0] if any(scores) else None,
        lead=scores[0] - math.fsum(others) / len(others) if any(scores) else None,
    )


def confidence(signals: Signals, language: Language) -> float:
    """Return the probability of an answer above the threshold; below 0 there is none."""
    unscored = calibration().unscored[language]
    probability = unscored.probability(signals)
    if signals.score is None:
        return probability - unscored.threshold
    scored = calibration().scored[language]
    sure = scored.probability(signals) - scored.threshold
    # Scores compare: in a small folder the best chunk stands out whatever is asked.
    return sure if probability >= unscored.floor else min(sure, probability - unscored.floor)


def is_hopeless(signals: Signals, language: Language) -> bool:
    """Return whether hardly any answerable question looks like that."""
    kinds = (calibration().unscored, *(() if signals.score is None else (calibration().scored,)))
    return any(kind[language].probability(signals) < kind[language].floor for kind in kinds)


@lru_cache(maxsize=1)
def calibration() -> Calibration:
    """Return the weights that the package ships."""
    table = json.loads((resources.files("rag_app.llms") / "reader.json").read_text("utf-8"))
    scored, unscored = (
        {language: AnswerWeights(**weights) for language, weights in table[kind].items()}
        for kind in ("scored", "unscored")
    )
    return Calibration(table["sentence"], scored, unscored)


def _weighted(weights: Mapping[str, float], values: Features | Signals) -> float:
    return math.fsum(weight * getattr(values, name) for name, weight in weights.items())
