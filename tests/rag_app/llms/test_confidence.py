from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ingest import Language
from rag_app.interaction import Match
from rag_app.llms.confidence import (
    AnswerWeights,
    Signals,
    calibration,
    confidence,
    is_hopeless,
    read_signals,
    sentence_score,
)
from rag_app.llms.sentences import Features
from rag_app.types import ScoredChunk

MATCH = Match(mean=0.6, weakest=0.4)
NOTHING = Features(*[0.0] * len(Features.__dataclass_fields__))


def chunks(*scores: float) -> list[ScoredChunk]:
    return [ScoredChunk("Text.", "a.md", 0, 5, score=score) for score in scores]


def test_signals_say_how_far_the_best_stand_out() -> None:
    found = chunks(0.9, 0.5, 0.3, 0.3, 0.1, 0.8)
    matches = [Match(0.5, 0.3), MATCH, *[Match(0.1, 0.1)] * 3, Match(0.9, 0.9)]

    signals = read_signals(found, matches, replace(NOTHING, match=0.55, weakest=0.35, terms=0.7))

    assert (signals.text, signals.match, signals.weakest) == (0.6, 0.55, 0.35)
    assert (signals.terms, signals.score) == (0.7, 0.9)
    assert signals.lead == pytest.approx(0.9 - 0.3)


def test_chunks_without_scores_have_no_score_and_no_lead() -> None:
    signals = read_signals(chunks(0.0, 0.0), [MATCH, MATCH], NOTHING)

    assert signals.score is None
    assert signals.lead is None


def test_a_single_chunk_leads_by_all_of_its_score() -> None:
    assert read_signals(chunks(0.6), [MATCH], NOTHING).lead == 0.6


def test_the_probability_is_the_logistic_function_of_the_weighted_sum() -> None:
    weights = AnswerWeights({"text": 2.0, "weakest": -1.0}, bias=0.5, threshold=0.4, floor=0.1)

    probability = weights.probability(Signals(0.5, 9.0, 0.25, 9.0, None, None))

    assert probability == pytest.approx(1 / (1 + math.exp(-(2 * 0.5 - 0.25 + 0.5))))


def test_the_score_of_a_sentence_is_the_weighted_sum_of_its_features() -> None:
    weights = calibration().sentence

    score = sentence_score(replace(NOTHING, terms=0.75, unfinished=1.0))

    assert score == pytest.approx(0.75 * weights["terms"] + weights["unfinished"])


@pytest.mark.parametrize("language", ["en", "pt"])
@pytest.mark.parametrize("scored", [True, False], ids=["scored", "unscored"])
def test_what_fits_well_is_answered_and_what_does_not_is_declined(
    language: Language, scored: bool
) -> None:
    score, lead, low, small = (0.75, 0.4, 0.3, 0.02) if scored else (None,) * 4

    assert confidence(Signals(0.85, 0.85, 0.75, 0.9, score, lead), language) > 0
    assert confidence(Signals(0.35, 0.3, 0.15, 0.1, low, small), language) < 0


def test_high_scores_do_not_make_an_answer_of_what_is_far_from_the_question() -> None:
    far = Signals(0.4, 0.3, 0.15, 0.0, score=1.0, lead=1.0)

    assert confidence(far, "pt") < 0
    assert is_hopeless(far, "pt")
    assert calibration().scored["pt"].probability(far) > 0.9


def test_terms_and_nearness_speak_for_a_sentence_and_no_end_against_it() -> None:
    weights = calibration().sentence

    assert set(weights) == set(Features.__dataclass_fields__)
    assert {name for name, weight in weights.items() if weight < 0} == {
        "unfinished",
        "question",
        "short",
    }
