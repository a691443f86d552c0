"""Choose the weights of rag-app's ranking on the even questions; show what the odd ones say.

    python -m benchmarks.retrieval.weights --bench FOLDER [--sets A,B] [--ablate]

From the defaults of `Weights`, one weight after the other is set to the best of a few values, until
none changes. Best is the highest mean over all sets, of which each counts once, whatever its
language or number of questions. --ablate chooses nothing: it shows what each set loses on the odd
questions without one part of the ranking, at the weights in use.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from benchmarks.retrieval.datasets import SETS, Dataset, load_dataset
from benchmarks.retrieval.metrics import metrics
from benchmarks.retrieval.rag import Rag
from benchmarks.retrieval.systems import DEPTH, Found
from ingest import Candidate
from rag_app.retrieval import ranking
from rag_app.retrieval.ranking import WEIGHTS, Weights
from rag_app.retrieval.retriever import CANDIDATES

GRID = {
    "meaning": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    "across": (0.7, 0.8, 0.9, 0.95, 1.0),
    "sentence": (0.0, 0.25, 0.4, 0.5, 0.6, 0.75, 1.0),
    "grams": (0.0, 0.25, 0.4, 0.5, 0.6, 0.75, 1.0),
    "repeated": (0.0, 0.01, 0.02, 0.03, 0.05, 0.08),
}
WITHOUT: Mapping[str, dict[str, float]] = {
    "words": {"meaning": 1.0, "across": 1.0},
    "meaning": {"meaning": 0.0, "across": 0.0},
    "the question's language": {"across": WEIGHTS.meaning},
    "the gap between languages": {"gap": 0.0},
    "the nearest sentence": {"sentence": 0.0},
    "the whole chunk": {"sentence": 1.0},
    "parts of words": {"grams": 0.0},
    "whole terms": {"grams": 1.0},
    "loss for repeated files": {"repeated": 0.0},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A set with the candidates of each of its questions."""

    dataset: Dataset
    candidates: tuple[list[Candidate], ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the weights and what they reach, or what each part adds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True, help="folder of the question sets")
    parser.add_argument("--sets", default=",".join(SETS), help="some of " + ", ".join(SETS))
    parser.add_argument("--ablate", action="store_true", help="show what each part adds")
    options = parser.parse_args(arguments)
    _remember_matches()
    sets = [_ask(options.bench, name) for name in options.sets.split(",")]
    if options.ablate:
        _print_ablation(sets)
    else:
        _print(choose(Weights(), sets), sets)


def choose(weights: Weights, sets: Sequence[Asked]) -> Weights:
    """Return the weights at which no single step on the grid does better on the even questions."""
    best = _objective(sets, weights)
    while True:
        before = weights
        for name, values in GRID.items():
            for value in values:
                other = replace(weights, **{name: value})
                if (reached := _objective(sets, other)) > best + 1e-9:
                    best, weights = reached, other
            print(f"{best:.4f} with {weights}", file=sys.stderr)
        if weights == before:
            return weights


def mean(asked: Asked, weights: Weights, half: int) -> float:
    """Return the mean of a set's metrics over its even (0) or odd (1) questions."""
    found = list(_found(asked, weights, half))
    questions = asked.dataset.questions[half::2]
    values = []
    for metric in metrics(asked.dataset).values():
        each = (metric(*pair) for pair in zip(questions, found, strict=True))
        values.append(statistics.fmean(value for value in each if value is not None))
    return statistics.fmean(values)


def _objective(sets: Sequence[Asked], weights: Weights) -> float:
    return statistics.fmean(mean(one, weights, 0) for one in sets)


def _found(asked: Asked, weights: Weights, half: int) -> Iterator[list[Found]]:
    for question, candidates in zip(
        asked.dataset.questions[half::2], asked.candidates[half::2], strict=True
    ):
        ranked = ranking.rank(question.text, candidates, weights)
        rows = [one.candidate.row for one in ranked[:DEPTH]]
        yield [Found(row.source, row.chunk.start, row.chunk.end) for row in rows]


def _print(weights: Weights, sets: Sequence[Asked]) -> None:
    print(f"{weights}\n")
    print(f"{'':16}{'even':>8}{'odd':>8}")
    means = [(mean(one, weights, 0), mean(one, weights, 1)) for one in sets]
    for one, (even, odd) in zip(sets, means, strict=True):
        print(f"{one.dataset.name:16}{even:8.4f}{odd:8.4f}")
    even, odd = (statistics.fmean(half) for half in zip(*means, strict=True))
    print(f"{'mean':16}{even:8.4f}{odd:8.4f}")


def _print_ablation(sets: Sequence[Asked]) -> None:
    """Print a Markdown table: a set's mean in the first row, below what it loses."""
    whole = [mean(one, WEIGHTS, 1) for one in sets]
    print("| odd questions |", " | ".join([*(one.dataset.name for one in sets), "mean"]), "|")
    print("|---" * (len(sets) + 2) + "|")
    print("| whole ranking |", " | ".join(f"{one:.3f}" for one in _with_mean(whole)), "|")
    for name, changes in WITHOUT.items():
        without = replace(WEIGHTS, **changes)
        differences = [
            mean(one, without, 1) - reached for one, reached in zip(sets, whole, strict=True)
        ]
        cells = " | ".join(f"{one:+.3f}" for one in _with_mean(differences))
        print(f"| without {name} | {cells} |", flush=True)


def _with_mean(values: list[float]) -> list[float]:
    return [*values, statistics.fmean(values)]


def _ask(bench: Path, name: str) -> Asked:
    print(f"{name}: index and candidates", file=sys.stderr)
    rag, dataset = Rag(), load_dataset(bench, name)
    rag.index(dataset)
    index = rag.retriever.index
    candidates = tuple(index.candidates(one.text, CANDIDATES) for one in dataset.questions)
    return Asked(dataset, candidates)


def _remember_matches() -> None:
    """Compute what doesn't depend on the weights once; it takes most of the time."""
    compute = lru_cache(maxsize=100_000)(ranking.gram_scores)
    ranking.gram_scores = lambda question, texts: compute(question, tuple(texts))
    ranking.identify_language = lru_cache(maxsize=100_000)(ranking.identify_language)


if __name__ == "__main__":
    main()
