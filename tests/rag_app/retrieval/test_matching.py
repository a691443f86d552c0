from __future__ import annotations

import pytest

from rag_app.retrieval.matching import gram_scores, named_scores, proximity_scores

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


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        pytest.param("Revenue of ACME in the second quarter?", [0, 0, 0], id="one word of several"),
        pytest.param("Revenue in Q2 2023?", [1, 0, 0], id="part of the name"),
        pytest.param("What did acme sell in Q2 of 2023?", [1, 0, 0], id="whole name"),
        pytest.param("What is the safety policy?", [0, 0, 1], id="name of one word"),
        pytest.param("Is there a .pdf or .txt?", [0, 0, 0], id="ending"),
    ],
)
def test_a_question_names_a_file_by_two_of_its_words_or_all(
    question: str, expected: list[float]
) -> None:
    sources = ["2023 Q2 ACME.pdf", "reports/2022_Q3-Globex.pdf", "Policies.txt"]

    assert named_scores(question, sources).tolist() == expected


def test_folders_are_part_of_a_file_s_name_and_more_words_count_more() -> None:
    sources = ["2023/Q2/acme.pdf", "2023/Q2/globex.pdf", "2023/Q3/acme.pdf", "2022/Q2/initech.pdf"]

    scores = named_scores("acme in Q2 of 2023", sources)

    assert scores[0] == pytest.approx(1)
    assert scores[0] > scores[2] > scores[3] == 0


def test_a_portuguese_question_names_a_file_without_its_accents() -> None:
    sources = ["relatorio-anual-2022.md", "relatorio-anual-2023.md"]

    scores = named_scores("O que diz o relatório anual de 2023?", sources)

    assert scores[1] > scores[0] > 0


def test_a_question_of_stop_words_matches_nothing() -> None:
    assert gram_scores("what is the", ["the what is"]).tolist() == [0]
    assert proximity_scores("what is the", ["the what is"]).tolist() == [0]


def test_no_texts_have_no_scores() -> None:
    assert gram_scores("cats", []).shape == proximity_scores("cats", []).shape == (0,)
    assert named_scores("cats", []).shape == (0,)
