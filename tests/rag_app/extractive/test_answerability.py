from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from rag_app.extractive.answerability import Calibration, Signals, calibration
from rag_app.extractive.selection import Reading, Sentence
from rag_app.extractive.sentence_features import Candidate, Features
from rag_app.types import ScoredChunk

NOTHING = Features(*[0.0] * len(fields(Features)))
NEAR = Signals(dense=0.9, across=0.0, terms=0.9, unnamed=0.0, dense_lead=0.03, lexical_lead=6.0)
FAR = Signals(dense=0.7, across=0.0, terms=0.1, unnamed=0.4, dense_lead=0.0, lexical_lead=0.0)


def candidate(
    terms: float = 0.0,
    above: float = 0.0,
    before: float = 0.0,
    across: float = 0.0,
    **missing: float,
) -> Candidate:
    features = replace(NOTHING, terms=terms, above=above, before=before, across=across)
    return Candidate(0, 0, "Text.", features, missing)


def chunk(dense: float, score: float = 0.0, lexical: float = 0.0) -> ScoredChunk:
    return ScoredChunk("Text.", "a.md", 0, 5, score=score, dense=dense, lexical=lexical)


def test_signals_are_of_the_chunks_and_of_the_best_sentences() -> None:
    sentences = [
        candidate(0.5, 0.25, 0.125, Ana=0.25, Rui=0.125),
        candidate(Rui=0.125),
        candidate(Ana=0.25, Rui=0.125),
        candidate(),
    ]
    found = [chunk(0.4, 0.9, 6.0), chunk(0.6, 0.5, 1.0), chunk(0.1, 0.3, 2.0)]

    signals = Signals.of(found, sentences)

    assert (signals.dense, signals.terms, signals.unnamed) == (0.6, 0.875, 0.125)
    assert signals.across == 0.0
    assert signals.dense_lead == pytest.approx(0.4 - (0.6 + 0.1) / 2)
    assert signals.lexical_lead == pytest.approx(6.0 - (1.0 + 2.0) / 2)


def test_the_terms_of_a_sentence_in_another_language_are_as_usual() -> None:
    best = candidate(terms=0.1, across=1.0, Ana=0.25)

    signals = Signals.of([chunk(0.6), chunk(0.5)], [best])

    assert (signals.across, signals.unnamed) == (1.0, 0.25)
    assert signals.terms == calibration().usual["terms"]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param([chunk(0.6, 0.6, 2.0)], id="a lone chunk"),
        pytest.param([chunk(0.6), chunk(0.5)], id="without scores"),
    ],
)
def test_a_lead_that_cannot_be_told_is_as_most_are(found: list[ScoredChunk]) -> None:
    signals, usual = Signals.of(found, [candidate()]), calibration().usual

    assert signals.dense_lead == usual["dense_lead"]
    assert signals.lexical_lead == usual["lexical_lead"]


def test_the_probability_is_the_logistic_function_of_the_weighted_sum() -> None:
    answer = {"dense": 2.0, "terms": -1.0}
    weights = Calibration({}, answer, bias=0.5, usual={}, threshold=0.4, floor=0.1)

    probability = weights.probability(
        Signals(dense=0.5, across=9.0, terms=0.25, unnamed=9.0, dense_lead=9.0, lexical_lead=9.0)
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
    def reading(dense: float, terms: float, **missing: float) -> Reading:
        best = Sentence(candidate(terms, **missing), share=1.0)
        return Reading((chunk(dense, 0.9, 6.0), chunk(dense - 0.03, 0.5, 2.0)), (best,))

    weights = calibration()
    for found in (reading(0.9, 0.9), reading(0.7, 0.1, Ana=0.4)):
        assert found.confidence == weights.probability(found.signals)
        assert found.margin == pytest.approx(found.confidence - weights.threshold)
    assert reading(0.9, 0.9).margin > 0 > reading(0.7, 0.1, Ana=0.4).margin


def test_a_number_that_is_nowhere_leaves_no_confidence() -> None:
    best = Sentence(candidate(0.9), share=1.0)

    assert Reading((chunk(0.9),), (best,), is_of_another=True).confidence == 0.0


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
