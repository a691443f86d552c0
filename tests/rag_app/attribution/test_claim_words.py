from __future__ import annotations

import pytest

from ingest import Language
from ingest.text.terms import number
from rag_app.attribution.claim_support import supports
from rag_app.attribution.claim_words import Wording

TOWN = (
    "In 1990 the old mill burned down, and a new town hall, whose high tower was painted by Rosa, "
    "opened in 2020."
)


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("1.5 million", "1,500,000", "en"),
        ("1,5 milhão", "1.500.000", "pt"),
        ("1.200,50", "1,200.5", "pt"),
        ("twenty", "20", "en"),
        ("tres", "três", "pt"),
        ("quinze", "15", "pt"),
        ("January 9, 2016", "2016-01-09", "en"),
        ("9 de janeiro de 2016", "09.01.2016", "pt"),
        ("January 9, 2016", "9 de janeiro de 2016", "en"),
        ("21st", "21", "en"),
        ("France's", "France", "en"),
        ("João", "JOAO", "pt"),
    ],
)
def test_the_same_value_has_the_same_keys(one: str, other: str, language: Language):
    first, second = (Wording(f"x {text}", language) for text in (one, other))
    for some, others in ((first, second), (second, first)):
        exact = [word for word in some.words if word.exact]
        assert exact
        assert all(map(others.holds, exact))


@pytest.mark.parametrize("word", ["1.2.3", "²", "word"])
def test_what_only_looks_like_a_number_has_no_value(word: str):
    assert number(word) is None


def test_numbers_dates_and_names_must_be_the_very_same():
    exact = [word.text for word in Wording("It fell in May to 4.5 in South Kent.", "en").words]
    assert exact == ["It", "fell", "in", "May", "to", "4.5", "in", "South", "Kent"]
    words = Wording("It fell in May to 4.5 in South Kent, as they may know.", "en").words
    assert [word.text for word in words if word.exact] == ["May", "4.5", "South", "Kent"]


@pytest.mark.parametrize(
    ("said", "claim", "holds"),
    [
        (TOWN, "The old mill burned down in 1990.", True),
        (TOWN, "The old mill of 2020 burned down.", False),
        (TOWN, "The high tower of the town hall was painted by Rosa.", True),
        (TOWN, "The old mill was burned by Rosa.", False),
        (TOWN, "In 1990 the new mill burned down.", False),
        ("It is a city, not a village.", "It is not a village.", True),
        ("It is a city, not a village.", "It is a village.", False),
        ("They did not only read books.", "They did only read books.", True),
    ],
)
def test_a_claim_must_stand_where_the_text_says_it(said: str, claim: str, holds: bool):
    assert supports(Wording(said, "en"), Wording(claim, "en"), 0.6) == holds


@pytest.mark.parametrize(
    ("one", "other", "language", "alike"),
    [
        pytest.param("exato", "exacto", "pt", True, id="four letters of five alike"),
        pytest.param("jewellery", "jewelry", "en", False, id="seven of nine"),
        pytest.param("artefact", "artifact", "en", True, id="the first three alike"),
        pytest.param("mould", "mold", "en", False, id="the first two"),
    ],
)
def test_a_spelling_is_the_same_word_if_nearly_all_letters_are(
    one: str, other: str, language: Language, alike: bool
):
    first, second = (Wording(f"x {word}", language) for word in (one, other))
    assert first.holds(second.words[1]) is second.holds(first.words[1]) is alike
