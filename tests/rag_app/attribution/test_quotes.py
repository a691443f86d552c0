"""How much of a claim a quote has to hold: each limit from both sides."""

from __future__ import annotations

import pytest

from rag_app.attribution.citations import cite
from rag_app.types import ScoredChunk


def supporting(claim: str, *texts: str) -> list[str]:
    """Return the quotes that support a claim; none if it is unsupported."""
    chunks = [ScoredChunk(text, f"{n}.md", 0, len(text)) for n, text in enumerate(texts)]
    cited = cite(claim, chunks)
    assert bool(cited.unsupported) is not any(one.verified for one in cited.citations)
    return [one.quote for one in cited.citations if one.verified]


GARDEN = "Behind the garden wall grow roses, tulips and lilies."


@pytest.mark.parametrize(
    ("claim", "supported"),
    [
        pytest.param("The garden wall roses wither soon.", True, id="three terms of five"),
        pytest.param("The garden wall roses tulips wither under snow frost.", False, id="4 of 7"),
    ],
)
def test_three_fifths_of_the_terms_support_a_claim(claim: str, supported: bool):
    assert supporting(claim, GARDEN) == ([GARDEN] if supported else [])


FERRY = "The ferry carries coal, timber, wheat, wool, glass, tin and copper along the coast."
KEEPER = "A lighthouse keeper lives above the northern harbour."
WHEAT = "A sack of wheat costs 40 euros."


@pytest.mark.parametrize(
    ("part", "supported"),
    [
        pytest.param("coal timber wheat wool glass silk tea spice", True, id="seven terms of ten"),
        pytest.param("coal timber wheat wool silk tea spice", False, id="six of nine"),
    ],
)
def test_of_a_part_of_a_claim_seven_tenths_must_be_said(part: str, supported: bool):
    claim = f"The lighthouse keeper lives above the harbour, and the ferry carries {part}."
    assert supporting(claim, FERRY, KEEPER) == ([KEEPER, FERRY] if supported else [])


@pytest.mark.parametrize(
    ("part", "supported"),
    [
        pytest.param("wheat costs 40", True, id="three terms"),
        pytest.param("wheat is 40", False, id="two terms"),
    ],
)
def test_a_part_of_a_claim_has_three_terms(part: str, supported: bool):
    claim = f"The lighthouse keeper lives above the harbour, and {part}."
    assert supporting(claim, WHEAT, KEEPER) == ([KEEPER, WHEAT] if supported else [])


MARKET = "The market sells apples, pears, plums, figs, dates, limes, leeks, grapes and 40 melons."
FERRIES = "Every day the harbour ferries carry 90 passengers."


@pytest.mark.parametrize(
    ("fruit", "supported"),
    [
        pytest.param("apples, pears, plums, figs, dates, limes, leeks", True, id="eighth"),
        pytest.param("apples, pears, plums, figs, dates, limes, leeks, grapes", False, id="ninth"),
    ],
)
def test_a_claim_is_cut_at_one_of_its_first_eight_joints(fruit: str, supported: bool):
    # "40 melons" is too short to be a part: only the last joint cuts where the sentences do.
    claim = f"The market sells {fruit}, 40 melons, and the harbour ferries carry 90 passengers."
    assert supporting(claim, MARKET, FERRIES) == ([MARKET, FERRIES] if supported else [])


MILL = "The old stone mill grinds winter wheat and rye daily."
RYE = "A sack of rye costs 40 euros."


@pytest.mark.parametrize(
    ("grinds", "supported"),
    [
        pytest.param("winter wheat", True, id="seven terms of nine"),
        pytest.param("winter wheat daily", False, id="eight of ten"),
    ],
)
def test_what_is_nearly_all_in_one_sentence_is_not_looked_for_in_parts(
    grinds: str, supported: bool
):
    claim = f"The old stone mill grinds {grinds}, and the rye costs 40."
    assert supporting(claim, MILL, RYE) == ([MILL, RYE] if supported else [])
