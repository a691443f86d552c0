from __future__ import annotations

import pytest

from ingest import Language
from rag_app.evaluation.squad import contains, token_f1


@pytest.mark.parametrize(
    ("text", "answer", "language", "held"),
    [
        pytest.param("It was The Copper Bridge.", "copper bridge", "en", True, id="case"),
        pytest.param("The defense gave up 308 points.", "308", "en", True, id="number"),
        pytest.param("The defense gave up 1308 points.", "308", "en", False, id="part of a word"),
        pytest.param("moved in\n1962, at last", "in 1962", "en", True, id="line end, comma"),
        pytest.param("bridge of the copper mine", "copper bridge", "en", False, id="order"),
        pytest.param("“Olhão”, in the south", "olhao", "en", True, id="accent in the text"),
        pytest.param("Chloe said", "Chloé", "en", True, id="accent in the answer"),
        pytest.param("Chloe\u0301 said", "Chloé", "en", True, id="accent as a sign of its own"),
        pytest.param("Chlodwig said", "Chloé", "en", False, id="another name"),
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
    ("text", "answer", "held"),
    [
        pytest.param("Garry Marshall's film", "Garry Marshall", True, id="in the text"),
        pytest.param("by Garry Marshall", "Garry Marshall's", True, id="in the answer"),
        pytest.param("Garry Marshall’s film", "Garry Marshall", True, id="typographic"),
        pytest.param("by Garry Marshall", "Garry Marshall’s", True, id="typographic answer"),
        pytest.param("Garry Marshall’s film", "Garry Marshall's film", True, id="two styles"),
        pytest.param("GARRY MARSHALL'S FILM", "Garry Marshall", True, id="capitals"),
        pytest.param("a Marshall 's film", "Marshall's film", True, id="a space before it"),
        pytest.param("Chloé’s letter", "Chloe", True, id="after an accent"),
        pytest.param("the students' union", "students", True, id="plural"),
        pytest.param("the students’ union", "students", True, id="typographic plural"),
        pytest.param("a union of students", "the students’", True, id="plural in the answer"),
        pytest.param("Moses's staff", "Moses'", True, id="two spellings after an s"),
        pytest.param("the McDonalds sign", "McDonald's", True, id="without an apostrophe"),
        pytest.param("in the 1990's", "1990s", True, id="no possessive but a decade"),
        pytest.param("a game of teams", "A's", False, id="no possessive but a letter"),
        pytest.param("John O'Sullivan", "John O", False, id="no possessive but a name"),
        pytest.param("Garry Marshalls", "Garry Marshall", False, id="another name"),
    ],
)
def test_an_answer_is_held_with_and_without_possessives(text: str, answer: str, held: bool) -> None:
    assert contains(text, answer, "en") is held


@pytest.mark.parametrize(
    ("text", "answer", "f1"),
    [
        pytest.param("the copper bridge", "Copper Bridge.", 1.0, id="equal but for articles"),
        pytest.param("a bridge of copper", "copper bridge", 0.8, id="2 of 3 and 2 of 2 words"),
        pytest.param("copper copper", "copper bridge", 0.5, id="a repeated word counts once"),
        pytest.param("Garry Marshall's", "Garry Marshall", 1.0, id="possessive in the text"),
        pytest.param("Garry Marshall", "Garry Marshall’s", 1.0, id="possessive in the answer"),
        pytest.param("the students' union", "students’ union", 1.0, id="plural possessive"),
        pytest.param("McDonalds", "McDonald's", 1.0, id="possessive without an apostrophe"),
        pytest.param("Chloe said", "Chloé", 2 / 3, id="1 of 2 words, but for the accent"),
        pytest.param("Chloé", "Chloe", 1.0, id="accent in the text"),
        pytest.param("tin", "copper", 0.0, id="nothing"),
        pytest.param("", "copper", 0.0, id="an empty answer"),
    ],
)
def test_f1_is_the_harmonic_mean_of_shared_words(text: str, answer: str, f1: float) -> None:
    assert token_f1(text, answer, "en") == pytest.approx(f1)
