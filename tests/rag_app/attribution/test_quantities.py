"""Dates, times, amounts and counts are read however they are written."""

from __future__ import annotations

import pytest

from ingest import Language
from rag_app.attribution.quantities import find_quantities


def read(text: str, language: Language) -> list[tuple[str, ...]]:
    figures = find_quantities(text, language)
    return [
        (one.kind, *(str(value) for value in one.value if value is not None)) for one in figures
    ]


@pytest.mark.parametrize(
    ("text", "language", "figures"),
    [
        ("In 1998 it was dug.", "en", [("date", "1998")]),
        ("It was dug on 12 March 1998.", "en", [("date", "1998", "3", "12")]),
        ("It was dug on March 12, 1998.", "en", [("date", "1998", "3", "12")]),
        ("Foi cavado em 12 de março de 1998.", "pt", [("date", "1998", "3", "12")]),
        ("Due 1998-03-12.", "en", [("date", "1998", "3", "12")]),
        ("Due 25/12/1998.", "en", [("date", "1998", "12", "25")]),
        ("Due 3/4/1998.", "en", [("date", "1998")]),
        ("Até 3/4/1998.", "pt", [("date", "1998", "4", "3")]),
        ("Open from 9 am to 5:30 pm.", "en", [("time", "540"), ("time", "330")]),
        ("Aberta até as 22 horas.", "pt", [("time", "600")]),
        ("It pays 12.5% a year.", "en", [("percent", "12.5")]),
        ("Paga 12,5 por cento ao ano.", "pt", [("percent", "12.5")]),
        ("It costs $1,200.50.", "en", [("money", "1200.50")]),
        ("Custa R$ 1.200,50.", "pt", [("money", "1200.50")]),
        ("It costs EUR 3 million.", "en", [("money", "3000000")]),
        ("The deal was worth $1.8 m.", "en", [("money", "1800000.0")]),
        ("Custou R$ 2 m.", "pt", [("money", "2000000")]),
        ("It sold for $5M.", "en", [("money", "5000000")]),
        ("It has 1.8m users.", "en", [("count", "1800000.0")]),
        ("A porta tem 1,80 m de altura.", "pt", [("count", "1.80")]),
        ("The pool is 3 m deep.", "en", [("count", "3")]),
        ("They have 22 days and five desks.", "en", [("count", "22"), ("count", "5")]),
        ("São 3 milhões de pessoas.", "pt", [("count", "3000000")]),
        ("São três dias.", "pt", [("count", "3")]),
        ("Five hundred people came.", "en", [("count", "500")]),
        ("It lasts 24 (twenty-four) months.", "en", [("count", "24")]),
        ("Prazo de 30 (trinta) dias.", "pt", [("count", "30")]),
        ("Paga R$ 1.234,56 (mil duzentos e trinta e quatro reais).", "pt", [("money", "1234.56")]),
        ("Multa de 2% (dois por cento).", "pt", [("percent", "2")]),
        ("Em 2024 (dois anos depois)", "pt", [("date", "2024"), ("count", "2")]),
        ("About 300 people, COVID-19, version 3.", "en", []),
    ],
)
def test_a_figure_is_read(text: str, language: Language, figures: list[tuple[str, ...]]) -> None:
    assert read(text, language) == figures


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("in 1998", "on 12 March 1998", True),
        ("in May 1998", "on 12 March 1998", False),
        ("3.5 million people", "3,512,000 people", True),
        ("3.5 million people", "3,612,000 people", False),
        ("22 days", "23 days", False),
    ],
)
def test_figures_agree_as_far_as_they_are_exact(one: str, other: str, agree: bool) -> None:
    (first,), (second,) = find_quantities(one, "en"), find_quantities(other, "en")
    assert first.is_like(second)
    assert first.agrees(second) is second.agrees(first) is agree


def test_metres_are_compared_with_metres() -> None:
    door, gate = (find_quantities(f"Tem {size} m.", "pt")[0] for size in ("1,80", "2,10"))
    assert door.is_like(gate)
    assert not door.agrees(gate)


def test_only_what_is_of_one_unit_is_alike() -> None:
    days, hours, euros = (
        find_quantities(text, "en")[0] for text in ("2 days", "2 hours", "2 euros")
    )
    assert not days.is_like(hours)
    assert not days.is_like(euros)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        pytest.param("22 leave days", "25 days", True, id="second word"),
        pytest.param("22 paid leave days", "25 days", False, id="third word"),
    ],
)
def test_the_two_words_after_a_count_name_its_unit(one: str, other: str, alike: bool) -> None:
    first, second = (find_quantities(text, "en")[0] for text in (one, other))
    assert first.is_like(second) is second.is_like(first) is alike


@pytest.mark.parametrize(
    ("rounded", "exact", "agree"),
    [
        pytest.param("10,000 people", "10,400 people", True, id="from ten thousand on"),
        pytest.param("10,000 people", "15,000 people", False, id="rounded otherwise"),
        pytest.param("9,990 people", "9,991 people", False, id="below it"),
    ],
)
def test_only_large_numbers_are_rounded(rounded: str, exact: str, agree: bool) -> None:
    (first,), (second,) = find_quantities(rounded, "en"), find_quantities(exact, "en")
    assert first.agrees(second) is second.agrees(first) is agree
