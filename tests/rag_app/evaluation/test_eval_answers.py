from __future__ import annotations

import pytest

from ingest import Language
from rag_app.evaluation.answers import contains, token_f1


@pytest.mark.parametrize(
    ("text", "answer", "language", "held"),
    [
        pytest.param("It was The Copper Bridge.", "copper bridge", "en", True, id="case"),
        pytest.param("The defense gave up 308 points.", "308", "en", True, id="number"),
        pytest.param("The defense gave up 1308 points.", "308", "en", False, id="part of a word"),
        pytest.param("moved in\n1962, at last", "in 1962", "en", True, id="line end, comma"),
        pytest.param("bridge of the copper mine", "copper bridge", "en", False, id="order"),
        pytest.param("“Olhão”, in the south", "olhao", "en", False, id="accents count"),
        pytest.param("a lei do Estado", "Lei do o Estado", "pt", True, id="portuguese articles"),
        pytest.param("vitamin a", "A", "en", True, id="an answer that is an article"),
        pytest.param("anything", "?!", "en", False, id="an answer without words"),
    ],
)
def test_an_answer_is_held_as_whole_words(
    text: str, answer: str, language: Language, held: bool
) -> None:
    assert contains(text, answer, language) is held


@pytest.mark.parametrize(
    ("text", "answer", "f1"),
    [
        pytest.param("the copper bridge", "Copper Bridge.", 1.0, id="equal but for articles"),
        pytest.param("a bridge of copper", "copper bridge", 0.8, id="2 of 3 and 2 of 2 words"),
        pytest.param("copper copper", "copper bridge", 0.5, id="a repeated word counts once"),
        pytest.param("tin", "copper", 0.0, id="nothing"),
        pytest.param("", "copper", 0.0, id="an empty answer"),
    ],
)
def test_f1_is_the_harmonic_mean_of_shared_words(text: str, answer: str, f1: float) -> None:
    assert token_f1(text, answer, "en") == pytest.approx(f1)
