from __future__ import annotations

import math

import pytest

from rag_app.llms.confidence import Calibration, Signals, calibrations, confidence, read_signals
from rag_app.types import ScoredChunk


def chunks(*scores: float, dense: float = 0.5) -> list[ScoredChunk]:
    return [ScoredChunk("Text.", "a.md", 0, 5, score=score, dense=dense) for score in scores]


def test_signals_say_how_far_the_best_stand_out() -> None:
    found = chunks(0.9, 0.5, 0.3, 0.3, 0.1, 0.8)

    signals = read_signals(found, 1.2, [0.2, 0.8, 0.4, 0.6, *[0.0] * 12])

    assert signals.score == 0.9
    assert signals.lead == pytest.approx(0.9 - 0.3)
    assert signals.peak == pytest.approx(0.8 - (0.8 + 0.6) / 2)
    assert (signals.chunk, signals.sentence) == (0.5, 1.2)


def test_chunks_without_scores_have_no_score_and_no_lead() -> None:
    signals = read_signals(chunks(0.0, 0.0), 1.0, [0.5])

    assert signals.score is None
    assert signals.lead is None


def test_a_single_chunk_leads_by_all_of_its_score() -> None:
    assert read_signals(chunks(0.6), 1.0, [0.5]).lead == 0.6


def test_the_probability_is_the_logistic_function_of_the_weighted_sum() -> None:
    calibration = Calibration({"chunk": 2.0, "peak": -1.0}, bias=0.5, threshold=0.4, floor=0.1)

    probability = calibration.probability(Signals(0.5, 9.0, 0.25, None, None))

    assert probability == pytest.approx(1 / (1 + math.exp(-(2 * 0.5 - 0.25 + 0.5))))


@pytest.mark.parametrize("language", ["en", "pt"])
@pytest.mark.parametrize("scored", [True, False], ids=["scored", "unscored"])
def test_what_fits_well_is_answered_and_what_does_not_is_declined(
    language: str, scored: bool
) -> None:
    assert set(calibrations()) == {"en", "pt"}
    good = Signals(0.75, 1.4, 0.2, 0.75 if scored else None, 0.4 if scored else None)
    poor = Signals(0.1, 0.55, 0.02, 0.3 if scored else None, 0.02 if scored else None)

    assert confidence(good, "pt" if language == "pt" else "en") > 0
    assert confidence(poor, "pt" if language == "pt" else "en") < 0
