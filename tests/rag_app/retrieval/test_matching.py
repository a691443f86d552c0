from __future__ import annotations

import pytest

from rag_app.retrieval.matching import gram_scores, proximity_scores

FILLER = "Nothing else of note was ever said about it there. "


@pytest.mark.parametrize(
    ("question", "text"),
    [
        pytest.param("aprovações", "A aprovação sai hoje.", id="portuguese plural"),
        pytest.param("reranking", "A reranker orders chunks.", id="english form"),
        pytest.param("Mikolof", "Written by Mikolov.", id="typing error"),
        pytest.param("educacao", "A educação básica.", id="no accents"),
    ],
)
def test_parts_of_words_match(question: str, text: str) -> None:
    matching, other = gram_scores(question, [text, "Um dois."])

    assert matching > other == 0


def test_a_rare_part_counts_more_than_a_common_one() -> None:
    texts = ["zebra stripes", "horse saddle", "horse racing", "horse riding"]

    scores = gram_scores("horse zebra", texts)

    assert scores[0] == max(scores)


def test_terms_together_beat_terms_apart() -> None:
    together = "The copper bridge fell. " + FILLER * 3
    apart = "The copper fell. " + FILLER * 3 + "A bridge stood."
    half = "The copper fell."
    none = FILLER

    scores = proximity_scores("copper bridge", [together, apart, half, none])

    assert scores[0] == pytest.approx(1)
    assert scores[0] > scores[1] > 0 == scores[3]
    assert scores[1] == max(scores[1:])


def test_a_question_of_stop_words_matches_nothing() -> None:
    assert gram_scores("what is the", ["the what is"]).tolist() == [0]
    assert proximity_scores("what is the", ["the what is"]).tolist() == [0]


def test_no_texts_have_no_scores() -> None:
    assert gram_scores("cats", []).shape == proximity_scores("cats", []).shape == (0,)
