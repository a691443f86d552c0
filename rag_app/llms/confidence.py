"""How sure the reader is that the chunks answer the question: a calibrated probability.

A logistic regression over a few signals. Its weights come from ``confidence.json``, which
``python -m benchmarks.answers --fit`` writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources

from ingest import Language
from rag_app.types import ScoredChunk

_CHUNKS = 5
_EIGHTH = 8


@dataclass(frozen=True, slots=True)
class Signals:
    """What the probability is made of; ``score`` and ``lead`` are None for chunks without scores.

    Attributes:
        chunk: The highest cosine of a chunk and the question.
        sentence: The score of the best sentence.
        peak: The highest cosine of a sentence, above the mean of the best eighth.
        score: The score of the best chunk.
        lead: The same above the mean of the next four.
    """

    chunk: float
    sentence: float
    peak: float
    score: float | None
    lead: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What signals count.

    Attributes:
        weights: By the name of the signal; those of other names count nothing.
        bias: What is added to their sum.
        threshold: The least probability at which the extractive reader answers.
        floor: The least probability at which another chat model is asked at all.
    """

    weights: Mapping[str, float]
    bias: float
    threshold: float
    floor: float

    def probability(self, signals: Signals) -> float:
        """Return the probability, 0 to 1, that the question is answered."""
        values = asdict(signals)
        total = self.bias + sum(weight * values[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-total))


def read_signals(
    chunks: Sequence[ScoredChunk], best_sentence: float, cosines: Sequence[float]
) -> Signals:
    """Return the signals of a question.

    Args:
        chunks: What was retrieved, best first.
        best_sentence: The score of the best sentence.
        cosines: Of the question and each sentence.
    """
    scores = [chunk.score for chunk in chunks[:_CHUNKS]]
    highest = sorted(cosines, reverse=True)[: max(1, len(cosines) // _EIGHTH)]
    others = scores[1:] or [0.0]
    return Signals(
        chunk=max(chunk.dense for chunk in chunks[:_CHUNKS]),
        sentence=best_sentence,
        peak=highest[0] - math.fsum(highest) / len(highest),
        score=scores[0] if any(scores) else None,
        lead=scores[0] - math.fsum(others) / len(others) if any(scores) else None,
    )


def confidence(signals: Signals, language: Language) -> float:
    """Return the probability of an answer above the threshold; below 0 there is none."""
    calibration = _calibration(signals, language)
    return calibration.probability(signals) - calibration.threshold


def is_hopeless(signals: Signals, language: Language) -> bool:
    """Return whether hardly any answerable question looks like that."""
    calibration = _calibration(signals, language)
    return calibration.probability(signals) < calibration.floor


def _calibration(signals: Signals, language: Language) -> Calibration:
    return calibrations()[language]["unscored" if signals.score is None else "scored"]


@lru_cache(maxsize=1)
def calibrations() -> Mapping[str, Mapping[str, Calibration]]:
    """Return the table by language, for chunks with scores and without."""
    table = json.loads((resources.files("rag_app.llms") / "confidence.json").read_text("utf-8"))
    return {
        language: {kind: Calibration(**values) for kind, values in kinds.items()}
        for language, kinds in table["languages"].items()
    }
