from __future__ import annotations

import pytest

from rag_app.retrieval.lexical_features import named_scores


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


def test_a_question_of_stop_words_names_nothing() -> None:
    assert named_scores("what is the", ["what-is-the.md"]).tolist() == [0]


def test_no_files_have_no_scores() -> None:
    assert named_scores("cats", []).shape == (0,)
