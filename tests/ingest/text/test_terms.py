"""Two words are one term if they say the same, however they are written."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ingest.text.terms import number, strip_accents, term, term_keys


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [
        ("1.200,50", "1,200.50", "1200.50"),
        ("3,75", "3.75", "3.75"),
        ("12.000", "12,000", "12000"),
        ("1.234.567,8", "1,234,567.8", "1234567.8"),
        ("14", "fourteen", "14"),
    ],
)
def test_a_number_is_one_value_in_both_notations(one: str, other: str, value: str) -> None:
    assert number(one) == number(other) == Decimal(value)
    assert term(one, "pt") == term(other, "en") == {value}


@pytest.mark.parametrize("identifier", ["1.2.3", "007", "0041"])
def test_an_identifier_of_digits_keeps_them_all(identifier: str) -> None:
    assert term(identifier, "en") == {identifier}


def test_a_term_has_a_key_with_and_without_accents() -> None:
    assert term("aprovação", "pt") & term("aprovações", "pt")
    assert term("aprovação", "pt") & term("aprovacao", "pt")
    assert strip_accents("Ação à Île") == "Acao a Ile"


def test_an_identifier_with_a_hyphen_is_also_the_one_without() -> None:
    assert term_keys("pump KT-560", "en") & term("KT560", "en")


@pytest.mark.parametrize("word", ["3D", "2º", "20240101T1200", "12h30", "3½", "4k"])
def test_a_word_that_begins_with_a_digit_is_no_number(word: str) -> None:
    assert number(word) is None
    assert len(term(word, "en")) == 1
