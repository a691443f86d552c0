from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from rag_app.llms.confidence import Calibration, Signals, calibration
from rag_app.llms.selection import Reading, Sentence
from rag_app.llms.sentences import Candidate, Features
from rag_app.types import ScoredChunk

NOTHING = Features(*[0.0] * len(fields(Features)))
NEAR = Signals(dense=0.9, terms=0.9, lead=0.5)
FAR = Signals(dense=0.7, terms=0.0, lead=0.1)


def chunk(dense: float, score: float = 0.0) -> ScoredChunk:
    return ScoredChunk("Text.", "a.md", 0, 5, score=score, dense=dense)


def chunks(*scores: float) -> list[ScoredChunk]:
    return [chunk(0.6, score) for score in scores]


def test_signals_are_of_the_nearest_chunk_and_of_the_best_sentence() -> None:
    best = replace(NOTHING, cosine=0.55, terms=0.5, before=0.25, around=0.125)

    signals = Signals.of([chunk(0.4, 0.9), chunk(0.6, 0.5), chunk(0.1, 0.3)], best)

    assert (signals.dense, signals.terms) == (0.6, 0.875)
    assert signals.lead == pytest.approx(0.9 - (0.5 + 0.3) / 2)


def test_a_lone_chunk_leads_as_most_do() -> None:
    assert Signals.of(chunks(0.6), NOTHING).lead == calibration().usual["lead"]


@pytest.mark.parametrize("count", [1, 3])
def test_chunks_without_scores_lead_as_most_do(count: int) -> None:
    assert Signals.of(chunks(*[0.0] * count), NOTHING).lead == calibration().usual["lead"]


def test_the_probability_is_the_logistic_function_of_the_weighted_sum() -> None:
    answer = {"dense": 2.0, "terms": -1.0}
    weights = Calibration({}, answer, bias=0.5, usual={}, threshold=0.4, floor=0.1)

    probability = weights.probability(Signals(dense=0.5, terms=0.25, lead=9.0))

    assert probability == pytest.approx(1 / (1 + math.exp(-(2 * 0.5 - 0.25 + 0.5))))


def test_the_score_of_a_sentence_is_the_weighted_sum_of_its_features() -> None:
    weights = calibration()

    score = weights.score(replace(NOTHING, terms=0.75, unfinished=1.0))

    expected = 0.75 * weights.sentence["terms"] + weights.sentence["unfinished"]
    assert score == pytest.approx(expected)


def test_what_is_near_is_answered_and_what_is_far_is_declined() -> None:
    weights = calibration()

    assert weights.probability(NEAR) > weights.threshold
    assert weights.probability(FAR) < weights.threshold
    assert weights.probability(FAR) < weights.probability(NEAR)


def test_the_margin_of_a_reading_is_what_it_has_above_the_threshold() -> None:
    def reading(signals: Signals) -> Reading:
        features = replace(NOTHING, terms=signals.terms)
        best = Sentence(Candidate(0, 0, "Text.", features), share=1.0)
        found = chunk(signals.dense, signals.lead), chunk(0.0, 0.0)
        return Reading("en", found, (best,))

    weights = calibration()
    for signals in (NEAR, FAR):
        found = reading(signals)
        assert found.signals == signals
        assert found.confidence == weights.probability(signals)
        assert found.margin == pytest.approx(found.confidence - weights.threshold)


def test_a_chat_model_is_asked_wherever_the_reader_answers() -> None:
    weights = calibration()

    assert 0 < weights.floor <= weights.threshold < 1


def test_every_feature_and_signal_has_a_weight() -> None:
    weights = calibration()

    assert set(weights.sentence) == {field.name for field in fields(Features)}
    assert set(weights.answer) == {field.name for field in fields(Signals)}


def test_terms_and_nearness_speak_for_a_sentence_and_no_end_against_it() -> None:
    against = {name for name, weight in calibration().sentence.items() if weight < 0}

    assert against == {"unfinished", "question", "short"}
