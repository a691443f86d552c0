"""How near the words of a claim have to stand in a sentence: each limit from both sides."""

from __future__ import annotations

import pytest

from rag_app.attribution.claim_support import supports
from rag_app.attribution.claim_words import Wording


def holds(said: str, claim: str) -> bool:
    return supports(Wording(said, "en"), Wording(claim, "en"), 0.5)


@pytest.mark.parametrize(
    ("between", "found"),
    [
        pytest.param("", True, id="next to it"),
        pytest.param("oak ash elm", True, id="fourth word"),
        pytest.param("oak ash elm fir", False, id="fifth word"),
    ],
)
@pytest.mark.parametrize(
    ("said", "claim"),
    [
        ("Every wagon carries tractor {} 12 straw bales.", "The tractor 12 hay."),
        ("Straw bales 12 {} tractor carries every wagon.", "The hay 12 tractor."),
    ],
    ids=["before", "after"],
)
def test_a_number_stands_at_most_four_words_from_its_neighbour(
    said: str, claim: str, between: str, found: bool
):
    assert holds(said.format(between), claim) is found


@pytest.mark.parametrize(
    ("neighbour", "found"),
    [
        pytest.param("harvest", True, id="next word"),
        pytest.param("autumn", True, id="second word"),
        pytest.param("tractor", False, id="third word"),
    ],
)
def test_the_two_words_beside_a_number_tell_its_place(neighbour: str, found: bool):
    said = f"With oak {neighbour} 12 ash elm fir yew tractor autumn harvest wagons."
    assert holds(said, "The tractor autumn harvest 12 wagons.") is found


@pytest.mark.parametrize(
    ("before", "found"),
    [
        pytest.param("", True, id="first"),
        pytest.param("Oak", True, id="second"),
        pytest.param("Oak ash", False, id="third"),
    ],
)
def test_a_clause_with_its_number_may_move_to_either_edge(before: str, found: bool):
    said = f"{before.lower()} 12 straw bales fir yew gum wagon."
    assert holds(said, "The wagon 12.") is found


@pytest.mark.parametrize(
    ("claim", "agree"),
    [
        pytest.param("At night doors are not kept lit.", True, id="the two words after"),
        pytest.param("At night lamps are not left lit.", True, id="the first and the last"),
        pytest.param("At night lamps are not kept shut.", True, id="the first and the second"),
        pytest.param("At night doors are not left lit.", False, id="the last alone"),
        pytest.param("At night lamps are not left shut.", False, id="the first alone"),
    ],
)
def test_two_of_the_three_words_around_it_tell_what_is_denied(claim: str, agree: bool):
    assert holds("At night lamps are not kept lit.", claim) is agree
