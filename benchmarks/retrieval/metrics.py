"""Metrics of a ranking: each is a number between 0 and 1 for one question."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from benchmarks.retrieval.datasets import Dataset, Question
from benchmarks.retrieval.systems import Found

Metric = Callable[[Question, Sequence[Found]], float | None]


def metrics(dataset: Dataset) -> dict[str, Metric]:
    """Return the metrics of a set, by name."""
    match dataset.name:
        case "xquad-en":
            return {"hit@1": span_hit}
        case "office" | "fastapi-pt-en" | "fastapi-en-pt":
            return {"hit@1": any_hit(1), "hit@5": any_hit(5)}
        case "sec-10-q":
            return {"hit@1": file_hit(1), "hit@5": file_hit(5), "files@10": file_coverage}
    return {"nDCG@10": ndcg}


def ndcg(question: Question, found: Sequence[Found], depth: int = 10) -> float:
    """Return nDCG of the distinct sources (Järvelin and Kekäläinen, 2002), all gains 1."""
    ranked = list(dict.fromkeys(one.source for one in found))[:depth]
    gain = sum(_discount(rank) for rank, one in enumerate(ranked) if one in question.sources)
    return gain / sum(_discount(rank) for rank in range(min(depth, len(question.sources))))


def span_hit(question: Question, found: Sequence[Found]) -> float:
    """Return 1 if the first text found overlaps the evidence."""
    if not found or question.span is None or found[0].source not in question.sources:
        return 0.0
    start, end = question.span
    return float(found[0].start < end and found[0].end > start)


def any_hit(depth: int) -> Metric:
    """Return a metric: is one of the first ``depth`` texts of a file that answers?"""
    return lambda question, found: float(
        any(one.source in question.sources for one in found[:depth])
    )


def file_hit(depth: int) -> Metric:
    """Return a metric: is one of the first ``depth`` texts of the one file that answers?"""

    def metric(question: Question, found: Sequence[Found]) -> float | None:
        if len(question.sources) > 1:
            return None
        return float(any(one.source in question.sources for one in found[:depth]))

    return metric


def file_coverage(question: Question, found: Sequence[Found]) -> float | None:
    """Return the share of the several files that answer among the first ten texts."""
    if len(question.sources) == 1:
        return None
    return len(question.sources & {one.source for one in found[:10]}) / len(question.sources)


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 2)
