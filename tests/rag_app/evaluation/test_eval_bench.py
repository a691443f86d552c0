"""Floors on public data sets; needs the folder that holds them in RAG_BENCH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rag_app.evaluation import evaluate, limited, load_dataset
from rag_app.settings import Settings

BENCH = os.environ.get("RAG_BENCH")


@pytest.mark.slow
@pytest.mark.skipif(BENCH is None, reason="needs the public data sets: set RAG_BENCH")
@pytest.mark.parametrize(
    ("name", "questions", "floors"),
    [
        pytest.param(
            "faquad",
            100,
            {
                "ndcg@10": 0.9,
                "recall@10": 0.97,
                "answer_in_context": 0.93,
                "answer_in_answer": 0.75,
            },
            id="faquad",
        ),
        pytest.param(
            "office",
            100,
            {
                "hit@5": 0.92,
                "answer_in_answer": 0.6,
                "abstention_auroc": 0.75,
                "citation_precision": 0.99,
            },
            id="office",
        ),
    ],
)
def test_metrics_do_not_fall(name: str, questions: int, floors: dict[str, float]) -> None:
    assert BENCH is not None

    found = evaluate(limited(load_dataset(Path(BENCH) / name), questions), Settings())

    measured = {metric: found.metrics[metric].value for metric in floors}
    assert {metric: value for metric, value in measured.items() if value < floors[metric]} == {}
