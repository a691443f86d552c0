from __future__ import annotations

import functools

import numpy as np
import pytest

from ingest import EmbeddingModel, IndexSettings, embedding_model
from rag_app.interaction import Match, match_tokens, sentence_scores, token_scores

TEXT = "Ada wrote the first program. Bread is baked at dawn in the village."


@functools.cache
def minilm() -> EmbeddingModel:
    return embedding_model(IndexSettings())


def test_each_token_of_the_question_takes_the_nearest_of_the_stretch() -> None:
    question = "Who wrote it?"
    (text,) = match_tokens(question, [TEXT], minilm())
    asked, read = minilm().embed_tokens([question, TEXT])
    nearest = (asked.vectors @ read.vectors.T).max(axis=1)

    assert text.cosines.shape == (4, 15)
    assert text.whole.mean == pytest.approx(nearest.mean())
    assert text.whole.weakest == pytest.approx(np.sort(nearest)[:3].mean())


def test_the_same_text_matches_wholly() -> None:
    (text,) = match_tokens(TEXT, [TEXT], minilm())

    assert text.whole.mean == pytest.approx(1, abs=1e-2)
    assert text.whole.weakest == pytest.approx(1, abs=1e-2)


def test_a_stretch_matches_by_its_own_tokens_only() -> None:
    (text,) = match_tokens("Who wrote the first program?", [TEXT], minilm())
    end = TEXT.index(" Bread")
    first, second = text.within((0, end)), text.within((end + 1, len(TEXT)))

    assert first.mean > second.mean + 0.2
    assert first.weakest > second.weakest + 0.2
    assert text.whole.mean >= max(first.mean, second.mean)


def test_two_stretches_match_as_one() -> None:
    (text,) = match_tokens("Who baked the first program?", [TEXT], minilm())
    end = TEXT.index(" Bread")

    assert text.within((0, end), (end + 1, len(TEXT))) == text.whole


def test_a_sentence_stands_in_the_light_of_those_before_it() -> None:
    lines = ["Marie Curie was a chemist. ", "The hall was a ruin. "]
    question, sentence = "Where was Marie Curie born?", "She was born in Warsaw."
    texts = match_tokens(question, [line + sentence for line in lines], minilm())
    known, unknown = (
        text.within((len(line), len(line + sentence)))
        for line, text in zip(lines, texts, strict=True)
    )

    assert known.mean > unknown.mean + 0.05


@pytest.mark.parametrize(
    ("question", "text", "stretch"),
    [
        pytest.param("Who?", "", (0, 0), id="no text"),
        pytest.param("\u200b", TEXT, (0, len(TEXT)), id="no question"),
        pytest.param("Who?", TEXT, (1, 2), id="within a token"),
    ],
)
def test_without_tokens_nothing_matches(question: str, text: str, stretch: tuple[int, int]) -> None:
    (matched,) = match_tokens(question, [text], minilm())

    assert matched.within(stretch) == Match(0.0, 0.0)


def test_scores_keep_the_order_of_the_texts() -> None:
    texts = ["Bread is baked at dawn.", "Ada wrote a program.", ""]

    bread, program, nothing = token_scores("Who wrote a program?", texts, minilm())

    assert program > bread > nothing == 0.0


def test_the_nearest_sentence_speaks_for_its_text() -> None:
    question = "Who wrote the first program?"
    cosine = float(
        minilm().embed_query(question) @ minilm().embed_query("Ada wrote the first program.")
    )

    score, short, nothing = sentence_scores(question, [TEXT, "Ada", ""], minilm())

    assert score == pytest.approx(cosine, abs=1e-2)
    assert score > short > nothing >= 0
