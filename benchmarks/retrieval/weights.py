"""Choose the weights of rag-app's ranking on the even questions; show what the odd ones say.

    python -m benchmarks.retrieval.weights --bench FOLDER

From the same neutral start in both languages, one weight after the other is set to the best of a
few values, until none changes. English weights are those with the best mean over SciFact, CLAP NQ
and XQuAD, Portuguese ones are the best on FaQuAD. What the words of file names count is chosen
after that, on the reports, and taken for both languages: only their questions name files.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from benchmarks.retrieval.datasets import Dataset, load_dataset
from benchmarks.retrieval.measures import measures
from benchmarks.retrieval.rag import Rag
from benchmarks.retrieval.systems import DEPTH, Found
from ingest import Candidate, EmbeddingModel
from rag_app.retrieval import ranking
from rag_app.retrieval.ranking import Weights
from rag_app.retrieval.retriever import CANDIDATES

ENGLISH, PORTUGUESE, REPORTS = ("scifact", "clapnq", "xquad-en"), "faquad", "sec-10-q"
GRID = {
    "dense": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    "grams": (0.0, 0.2, 0.35, 0.5, 0.6, 0.75),
    "proximity": (0.0, 0.1, 0.25, 0.4, 0.6),
}
SENTENCE = {"sentence": (0.2, 0.45, 0.7, 1.0)}
TOKENS = {"tokens": (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)}
NAMED = {"named": (0.0, 0.1, 0.2, 0.5, 1.0)}
START = Weights(dense=0.5, grams=0.35, proximity=0.25, sentence=0.0, tokens=0.0, named=0.5)


Scores = Callable[[str, Sequence[str], EmbeddingModel], list[float]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A set with the candidates of each of its questions."""

    dataset: Dataset
    candidates: tuple[list[Candidate], ...]
    embedding: EmbeddingModel


def main() -> None:
    """Print the weights of both languages and what they reach."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True, help="folder of the question sets")
    bench = parser.parse_args().bench
    _remember_matches()
    passages, reports = [_ask(bench, name) for name in ENGLISH], _ask(bench, REPORTS)
    english = choose(_closest(START, passages), NAMED, [reports])
    _print("en", english, [*passages, reports])
    portuguese = _ask(bench, PORTUGUESE)
    start = replace(START, named=english.named)
    _print("pt", _closest(start, [portuguese]), [portuguese])


def choose(weights: Weights, grid: dict[str, tuple[float, ...]], sets: Sequence[Asked]) -> Weights:
    """Return the weights at which no single step on the grid does better on the even questions."""
    best = _objective(sets, weights)
    while True:
        before = weights
        for name, values in grid.items():
            for value in values:
                other = replace(weights, **{name: value})
                if (reached := _objective(sets, other)) > best + 1e-9:
                    best, weights = reached, other
            print(f"{best:.4f} with {weights}", file=sys.stderr)
        if weights == before:
            return weights


def _closest(start: Weights, sets: Sequence[Asked]) -> Weights:
    """Return the best weights that look at sentences or at tokens; both would cost twice."""
    by_sentence = choose(replace(start, sentence=0.45), GRID | SENTENCE, sets)
    by_tokens = choose(replace(start, tokens=1.0), GRID | TOKENS, sets)
    return max(by_sentence, by_tokens, key=lambda weights: _objective(sets, weights))


def mean(asked: Asked, weights: Weights, half: int) -> float:
    """Return the mean of a set's measures over its even (0) or odd (1) questions."""
    found = list(_found(asked, weights, half))
    questions = asked.dataset.questions[half::2]
    values = []
    for measure in measures(asked.dataset).values():
        each = (measure(*pair) for pair in zip(questions, found, strict=True))
        values.append(statistics.fmean(value for value in each if value is not None))
    return statistics.fmean(values)


def _objective(sets: Sequence[Asked], weights: Weights) -> float:
    return statistics.fmean(mean(one, weights, 0) for one in sets)


def _found(asked: Asked, weights: Weights, half: int) -> Iterator[list[Found]]:
    for question, candidates in zip(
        asked.dataset.questions[half::2], asked.candidates[half::2], strict=True
    ):
        ranked = ranking.rank(question.text, candidates, asked.embedding, weights)
        rows = [one.candidate.row for one in ranked[:DEPTH]]
        yield [Found(row.source, row.chunk.start, row.chunk.end) for row in rows]


def _print(language: str, weights: Weights, sets: Sequence[Asked]) -> None:
    print(f"{language}: {weights}")
    for one in sets:
        even, odd = mean(one, weights, 0), mean(one, weights, 1)
        print(f"  {one.dataset.name:10} even {even:.4f}  odd {odd:.4f}", flush=True)


def _ask(bench: Path, name: str) -> Asked:
    print(f"{name}: index and candidates", file=sys.stderr)
    rag, dataset = Rag(), load_dataset(bench, name)
    rag.index(dataset)
    index = rag.retriever.index
    candidates = tuple(index.candidates(one.text, CANDIDATES) for one in dataset.questions)
    return Asked(dataset, candidates, index.embedding)


def _remember_matches() -> None:
    """Compute what doesn't depend on the weights once; it takes most of the time."""
    for name in ("gram_scores", "proximity_scores", "named_scores"):
        compute = lru_cache(maxsize=100_000)(getattr(ranking, name))
        remembered = lambda question, texts, compute=compute: compute(question, tuple(texts))  # noqa: E731
        setattr(ranking, name, remembered)
    for name in ("sentence_scores", "token_scores"):
        setattr(ranking, name, _each_once(getattr(ranking, name)))


def _each_once(scores: Scores) -> Scores:
    known: dict[tuple[str, str], float] = {}

    def remembered(question: str, texts: Sequence[str], embedding: EmbeddingModel) -> list[float]:
        new = [text for text in texts if (question, text) not in known]
        added = scores(question, new, embedding) if new else []
        known.update(zip(((question, text) for text in new), added, strict=True))
        return [known[question, text] for text in texts]

    return remembered


if __name__ == "__main__":
    main()
