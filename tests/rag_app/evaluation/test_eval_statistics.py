from __future__ import annotations

import pytest

from rag_app.evaluation.statistics import auroc, mean, permutation_p, ratio


def test_an_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    values = [0.0, 1.0] * 50

    first, second = mean(values), mean(values)

    assert first == second
    assert first.low is not None
    assert first.high is not None
    # 0.5 ± 1.96 · 0.5 / √100
    assert first.value == 0.5
    assert first.low == pytest.approx(0.402, abs=0.015)
    assert first.high == pytest.approx(0.598, abs=0.015)
    assert first.count == 100


@pytest.mark.parametrize("values", [[0.7], [1.0] * 8], ids=["one value", "equal values"])
def test_values_that_say_nothing_of_their_spread_have_no_interval(values: list[float]) -> None:
    estimate = mean(values)

    assert (estimate.value, estimate.low, estimate.high) == (values[0], None, None)


@pytest.mark.parametrize(
    ("positives", "negatives", "area"),
    [
        pytest.param([3, 4, 5], [0, 1, 2], 1.0, id="apart"),
        pytest.param([0, 1], [2, 3], 0.0, id="the wrong way round"),
        pytest.param([1, 3], [2, 2], 0.5, id="half of the pairs"),
        pytest.param([1, 1], [1, 1], 0.5, id="ties count half"),
    ],
)
def test_auroc_is_the_share_of_pairs_in_order(
    positives: list[float], negatives: list[float], area: float
) -> None:
    assert auroc(positives, negatives).value == area


def test_a_ratio_weighs_by_the_whole() -> None:
    assert ratio([1, 0], [1, 3]).value == 0.25


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        pytest.param([0.0] * 9, 1.0, id="nothing changed"),
        pytest.param([1.0, 1.0], 0.5, id="two wins: 2 of 4 signs"),
        pytest.param([1.0] * 6 + [0.0] * 30, 2 / 2**6, id="ties say nothing"),
        pytest.param([1.0, -1.0], 1.0, id="balance"),
    ],
)
def test_p_is_the_share_of_signs_as_extreme(differences: list[float], p: float) -> None:
    assert permutation_p(differences) == pytest.approx(p, abs=0.01)
