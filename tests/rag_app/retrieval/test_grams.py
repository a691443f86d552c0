from __future__ import annotations

import math

import numpy as np
import pytest

from rag_app.retrieval.lexical_features import gram_scores


@pytest.mark.parametrize(
    ("question", "text"),
    [
        pytest.param("Mikolof", "Written by Mikolov.", id="a typing error"),
        pytest.param("aprovações", "A aprovação sai hoje.", id="a Portuguese plural"),
        pytest.param("Quem trancou o curso?", "O aluno pode trancar.", id="a Portuguese verb form"),
        pytest.param("reranking", "A reranker orders chunks.", id="an English form"),
        pytest.param("transformadores", "The transformer reads.", id="a word of two languages"),
        pytest.param("educacao", "A educação básica.", id="without the accents"),
        pytest.param("EDUCAÇÃO", "a educacao basica.", id="with accents that the text lacks"),
        pytest.param("Donaudampfschiff", "Ein Dampfer fuhr.", id="a compound"),
        pytest.param("part 7310-22-B", "The 7310-22-B fits.", id="a part number"),
    ],
)
def test_parts_of_words_match(question: str, text: str) -> None:
    matching, other = gram_scores(question, [text, "Um dois."])

    assert matching > other == 0


def test_the_score_is_bm25_of_the_parts() -> None:
    texts = ["cats cats", "dogs"]
    # Both are known between spaces: " cats cats " has 11 letters, " dogs " has 6.
    lengths, parts = (11, 6), 3  # " cat", "cats", "ats "
    rarity = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    norm = 0.9 * (1 - 0.4 + 0.4 * lengths[0] / np.mean(lengths))

    assert gram_scores("cats", texts) == pytest.approx([parts * rarity * 2 / (2 + norm), 0])


def test_a_part_that_the_question_repeats_counts_once() -> None:
    texts = ["cats sleep", "dogs sleep"]

    assert gram_scores("cats, cats and cats", texts).tolist() == gram_scores("cats", texts).tolist()


def test_a_rare_part_counts_more_than_a_common_one() -> None:
    rare, common, *_ = gram_scores(
        "horse zebra", ["zebra stripes", "horse saddles", "horse racing", "horse riding"]
    )

    assert rare > common > 0


def test_of_two_texts_with_a_part_the_shorter_has_the_higher_score() -> None:
    short, long = gram_scores("zebra", ["A zebra.", "A zebra. " + "Nothing else is known. " * 9])

    assert short > long > 0


def test_the_beginning_of_a_word_is_told_from_its_middle() -> None:
    beginning, middle = gram_scores("art", ["art for all", "the party"])

    assert beginning > middle == 0


@pytest.mark.parametrize("question", ["", "what is the", "?!"])
def test_a_question_without_a_word_on_a_topic_matches_nothing(question: str) -> None:
    assert gram_scores(question, ["the what is", ""]).tolist() == [0, 0]


def test_a_text_without_words_matches_nothing() -> None:
    scores = gram_scores("zebra", ["", "--- ***", "a zebra"])

    assert scores[:2].tolist() == [0, 0]
    assert scores[2] > 0
    assert gram_scores("zebra", [""]).tolist() == [0]


def test_no_texts_have_no_scores() -> None:
    assert gram_scores("cats", []).shape == (0,)
