from __future__ import annotations

import math

import pytest
from outcomes import evaluation, outcome

from rag_app.evaluation.statistics import compare


def test_ranking_metrics_are_those_of_trec_eval() -> None:
    second = outcome("q", relevant={"b": 1}, ranking="a b c".split())
    half = outcome("r", relevant={"c": 1, "x": 1}, ranking="a b c".split())

    found = evaluation(second, half)

    assert found.scores["ndcg@10"]["q"] == pytest.approx(1 / math.log2(3))
    assert found.scores["ndcg@10"]["r"] == pytest.approx(0.5 / (1 + 1 / math.log2(3)))
    assert found.scores["mrr@10"] == pytest.approx({"q": 1 / 2, "r": 1 / 3})
    assert found.scores["recall@10"] == {"q": 1.0, "r": 0.5}
    assert found.scores["hit@1"] == {"q": 0.0, "r": 0.0}
    assert found.scores["hit@5"] == {"q": 1.0, "r": 1.0}
    assert {rank: found.recall[rank] for rank in (1, 2, 3, 50)} == {1: 0, 2: 0.5, 3: 0.75, 50: 0.75}


def test_a_rank_beyond_ten_does_not_count_at_ten() -> None:
    ranking = [f"d{number}" for number in range(20)]

    found = evaluation(outcome("q", relevant={"d10": 1}, ranking=ranking))

    assert {name: found.scores[name]["q"] for name in ("ndcg@10", "recall@10", "mrr@10")} == {
        "ndcg@10": 0.0,
        "recall@10": 0.0,
        "mrr@10": 0.0,
    }
    assert found.recall[15] == 1


def test_what_is_not_known_is_left_out() -> None:
    assert set(evaluation(outcome("q")).metrics) == set()
    assert set(evaluation(outcome("q", answerable=True)).metrics) == set()
    assert evaluation(outcome("q")).recall == {}


def test_answers_are_looked_for_without_their_markers() -> None:
    found = evaluation(
        outcome("q", answers=["copper"], chunks=["All copper."], answer="It is copper [1][2]."),
        outcome("r", answers=["1"], chunks=["Tin."], answer="It is tin. [1]"),
    )

    assert found.scores["answer_in_context"] == {"q": 1.0, "r": 0.0}
    assert found.scores["answer_in_answer"] == {"q": 1.0, "r": 0.0}
    assert found.scores["f1"] == pytest.approx({"q": 0.5, "r": 0.0})


def test_an_abstention_has_no_answer_even_if_words_agree() -> None:
    abstention = outcome(
        "q", answers=["documents"], answer="The documents don't say.", abstained=True
    )

    found = evaluation(abstention)

    assert (found.scores["answer_in_answer"]["q"], found.scores["f1"]["q"]) == (0.0, 0.0)


def test_long_answers_are_compared_by_words_alone() -> None:
    found = evaluation(outcome("q", answers=["It is copper, mostly."], verbatim=False))

    assert set(found.scores) == {"f1"}


def test_abstention_metrics_count_the_abstentions() -> None:
    found = evaluation(
        outcome("a", answerable=True, confidence=0.5),
        outcome("b", answerable=True, confidence=-0.1, abstained=True),
        outcome("c", answerable=False, confidence=-0.2, abstained=True),
        outcome("d", answerable=False, confidence=0.2),
    )

    assert found.metrics["abstention_precision"].value == 0.5
    assert found.metrics["abstention_recall"].value == 0.5
    assert found.metrics["abstention_auroc"].value == 0.75


def test_citation_precision_is_the_share_of_verified_citations() -> None:
    found = evaluation(
        outcome("q", verified=[True, True, False]), outcome("r", verified=[True]), outcome("s")
    )

    assert found.metrics["citation_precision"].value == 0.75
    assert found.metrics["citation_precision"].count == 2


def test_latency_is_median_and_95th_percentile() -> None:
    found = evaluation(*(outcome(str(n), seconds=n / 1000) for n in range(101)))

    assert found.latency_ms == {"p50": 50.0, "p95": 95.0}


@pytest.mark.parametrize(
    ("went", "right"),
    [
        pytest.param(outcome("q", answerable=False, abstained=True), True, id="right abstention"),
        pytest.param(outcome("q", answerable=False), False, id="missing abstention"),
        pytest.param(
            outcome("q", answers=["tin"], relevant={"a": 1}, ranking=["a"]),
            False,
            id="a wrong answer from the right place",
        ),
        pytest.param(outcome("q", relevant={"a": 1}, ranking=["a"]), True, id="the right place"),
        pytest.param(outcome("q"), None, id="nothing is known"),
    ],
)
def test_a_question_went_well_if(went: object, right: bool | None) -> None:
    found = evaluation(went)  # type: ignore[arg-type]

    assert found.right(found.outcomes[0]) is right


def test_a_comparison_counts_wins_losses_and_flips() -> None:
    def asked(*answers: str) -> object:
        return evaluation(
            *(outcome(str(n), answers=["copper"], answer=one) for n, one in enumerate(answers))
        )

    comparison = compare(asked("copper", "tin", "tin"), asked("tin", "copper", "tin"))  # type: ignore[arg-type]

    change = next(one for one in comparison.changes if one.metric == "answer_in_answer")
    assert (change.wins, change.losses, change.ties, change.p) == (1, 1, 1, 1.0)
    assert change.before == change.after == pytest.approx(1 / 3)
    assert [(flip.question.id, flip.gained) for flip in comparison.flips] == [
        ("0", False),
        ("1", True),
    ]
