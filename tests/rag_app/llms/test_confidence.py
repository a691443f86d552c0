from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from rag_app.llms.confidence import Calibration, Signals, calibration
from rag_app.llms.selection import Reading, Sentence
from rag_app.llms.sentences import Candidate, Features
from rag_app.types import ScoredChunk

NOTHING = Features(*[0.0] * len(fields(Features)))
NEAR = Signals(dense=0.9, across=0.0, terms=0.9, unnamed=0.0, lead=0.5)
FAR = Signals(dense=0.7, across=0.0, terms=0.1, unnamed=0.4, lead=0.1)


def candidate(
    features: Features = NOTHING, covered: float = 0.0, unnamed: float = 0.0
) -> Candidate:
    return Candidate(0, 0, "Text.", features, covered, unnamed)


def chunk(dense: float, score: float = 0.0) -> ScoredChunk:
    return ScoredChunk("Text.", "a.md", 0, 5, score=score, dense=dense)


def chunks(*scores: float) -> list[ScoredChunk]:
    return [chunk(0.6, score) for score in scores]


def test_signals_are_of_the_nearest_chunk_and_of_the_best_sentence() -> None:
    sentences = [
        candidate(covered=covered, unnamed=unnamed)
        for covered, unnamed in ((0.875, 0.5), (0.5, 0.25), (0.5, 0.5), (0.5, 0.0))
    ]

    signals = Signals.of([chunk(0.4, 0.9), chunk(0.6, 0.5), chunk(0.1, 0.3)], sentences)

    assert (signals.dense, signals.terms, signals.unnamed) == (0.6, 0.875, 0.25)
    assert signals.across == 0.0
    assert signals.lead == pytest.approx(0.9 - (0.5 + 0.3) / 2)


def test_the_terms_of_a_sentence_in_another_language_are_as_usual() -> None:
    best = candidate(replace(NOTHING, across=1.0), covered=0.1, unnamed=0.25)

    signals = Signals.of(chunks(0.6, 0.2), [best])

    assert (signals.across, signals.unnamed) == (1.0, 0.25)
    assert signals.terms == calibration().usual["terms"]


def test_a_lone_chunk_leads_as_most_do() -> None:
    assert Signals.of(chunks(0.6), [candidate()]).lead == calibration().usual["lead"]


@pytest.mark.parametrize("count", [1, 3])
def test_chunks_without_scores_lead_as_most_do(count: int) -> None:
    assert Signals.of(chunks(*[0.0] * count), [candidate()]).lead == calibration().usual["lead"]


def test_the_probability_is_the_logistic_function_of_the_weighted_sum() -> None:
    answer = {"dense": 2.0, "terms": -1.0}
    weights = Calibration({}, answer, bias=0.5, usual={}, threshold=0.4, floor=0.1)

    probability = weights.probability(
        Signals(dense=0.5, across=9.0, terms=0.25, unnamed=9.0, lead=9.0)
    )

    assert probability == pytest.approx(1 / (1 + math.exp(-(2 * 0.5 - 0.25 + 0.5))))


def test_the_score_of_a_sentence_is_the_weighted_sum_of_its_features() -> None:
    weights = calibration()

    score = weights.score(replace(NOTHING, terms=0.75, asked=1.0))

    expected = 0.75 * weights.sentence["terms"] + weights.sentence["asked"]
    assert score == pytest.approx(expected)


def test_what_is_near_is_answered_and_what_is_far_is_declined() -> None:
    weights = calibration()

    assert weights.probability(NEAR) > weights.threshold
    assert weights.probability(FAR) < weights.threshold
    assert weights.probability(FAR) < weights.probability(NEAR)


def test_the_margin_of_a_reading_is_what_it_has_above_the_threshold() -> None:
    def reading(signals: Signals) -> Reading:
        best = Sentence(candidate(covered=signals.terms, unnamed=signals.unnamed), share=1.0)
        found = chunk(signals.dense, signals.lead), chunk(0.0, 0.0)
        return Reading(found, (best,))

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


def test_everything_speaks_for_a_sentence_and_a_missing_name_against_an_answer() -> None:
    weights = calibration()

    assert all(weight > 0 for weight in weights.sentence.values())
    assert {name for name, weight in weights.answer.items() if weight < 0} == {"unnamed"}
