"""Rows of a table are told from prose and can be said in words."""

from __future__ import annotations

import pytest

from ingest.text.tables import has_rule, is_head, is_row, spell_out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| K1 | 30 l |", True),
        ("K1 | 30 l", True),
        ("K1\t30 l", True),
        ("K1      30 l", True),
        ("The K1 holds 30 l.", False),
        ("either|or", False),
        ("Two  spaces after a stop.", False),
    ],
)
def test_a_row_has_bars_tabs_or_columns(text: str, expected: bool) -> None:
    assert is_row(text) is expected


def test_a_head_stands_over_a_rule_or_has_no_number() -> None:
    assert has_rule("| Model | 2024 |\n|---|---|")
    assert is_head("| Model | 2024 |\n|---|---|")
    assert is_head("Model | Capacity")
    assert not is_head("K1 | 30 l")
    assert not has_rule("Model | Capacity")


@pytest.mark.parametrize(
    ("row", "head", "expected"),
    [
        pytest.param(
            "| K1 | 30 l |",
            "| Model | Capacity |\n|---|---|",
            "Model: K1; Capacity: 30 l",
            id="bars",
        ),
        pytest.param(
            "K1      30 l   red",
            "Model   Volume   Hue",
            "Model: K1; Volume: 30 l; Hue: red",
            id="columns",
        ),
        pytest.param(
            "K1\t30 l\tred", "Model\tVolume\tHue", "Model: K1; Volume: 30 l; Hue: red", id="tabs"
        ),
        pytest.param("| K1 | |", "| Model | Note |\n|---|---|", "Model: K1", id="an empty cell"),
        pytest.param(
            "| K1 | 30 l |", "| | Capacity |\n|---|---|", "K1; Capacity: 30 l", id="no name"
        ),
        pytest.param("| K1 | 30 l | red |", "| Model | Capacity |", "K1; 30 l; red", id="no fit"),
        pytest.param("Owner | Ana", "Model | Note", "Owner; Ana", id="a list of pairs"),
        pytest.param("| K1 | 30 l |", "", "K1; 30 l", id="no head"),
        pytest.param(
            "Model: K1 | Hue: red | Size: 7",
            "Model | Hue | Size",
            "Model: K1; Hue: red; Size: 7",
            id="cells that are named already",
        ),
    ],
)
def test_a_row_is_said_with_the_names_of_its_columns(row: str, head: str, expected: str) -> None:
    assert spell_out(row, head) == expected
