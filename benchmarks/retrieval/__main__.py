"""Measure retrieval side by side with other systems on the same texts.

    python -m benchmarks.retrieval --bench FOLDER [--weights minilm|e5] [--sets A,B]
        [--systems A,B] [--json FILE]

Every system runs as its own documentation sets it up and is asked for the same number of texts.
A system whose packages are missing is skipped. The other hybrid searches embed with the weights of
--weights and the prompts of that model; rag-app always with its default, bundled:e5-small-en-pt.
"its terms" and "its meaning" are the two searches that it fuses; "MiniLM" and "e5" are those models
alone. The weights of its ranking were chosen on the even questions: what is held out is "odd",
every second question.

RAG_BENCH_INDEXES names a folder in which rag-app's indexes are kept from run to run; remove one
after a change to how documents are cut or embedded.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.retrieval.datasets import SETS, Dataset, load_dataset
from benchmarks.retrieval.metrics import metrics
from benchmarks.retrieval.systems import SYSTEMS, WEIGHTS, Found, System

OURS = "rag-app"
_WARM = 5


@dataclass(frozen=True, slots=True)
class Result:
    """How one system did on one set.

    Attributes:
        system: The system.
        dataset: The set.
        scores: By metric: over all questions, and over every second one.
        build_seconds: To make the index, models loaded.
        question_seconds: The median question.
    """

    system: str
    dataset: str
    scores: dict[str, tuple[float, float]]
    build_seconds: float
    question_seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = _options(arguments)
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    systems = _make(options.systems, options.weights)
    results: list[Result] = []
    for name in options.sets:
        results += evaluate(systems, load_dataset(options.bench, name))
    print(table(results, options.weights))
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in results], indent=2))


def evaluate(systems: Mapping[str, System], dataset: Dataset) -> list[Result]:
    """Return how each system does on a set; they take turns at each question."""
    built = {name: _index(name, system, dataset) for name, system in systems.items()}
    answers: dict[str, list[tuple[list[Found], float]]] = {name: [] for name in systems}
    for question in (*dataset.questions[:_WARM], *dataset.questions):
        for name, system in systems.items():
            answers[name].append(_timed(system, question.text))
    return [
        Result(
            name,
            dataset.name,
            score(dataset, [found for found, _ in timed[_WARM:]]),
            built[name],
            statistics.median(seconds for _, seconds in timed[_WARM:]),
        )
        for name, timed in answers.items()
    ]


def _index(name: str, system: System, dataset: Dataset) -> float:
    print(f"{dataset.name}: {name} indexes", file=sys.stderr)
    started = time.perf_counter()
    system.index(dataset)
    return time.perf_counter() - started


def score(dataset: Dataset, found: Sequence[Sequence[Found]]) -> dict[str, tuple[float, float]]:
    """Return the mean of each metric over all questions, and over those with an odd index."""
    means = {}
    for name, metric in metrics(dataset).items():
        pairs = zip(dataset.questions, found, strict=True)
        each = [(place, metric(*pair)) for place, pair in enumerate(pairs)]
        counted = [(place, value) for place, value in each if value is not None]
        odd = [value for place, value in counted if place % 2]
        means[name] = (statistics.fmean(value for _, value in counted), statistics.fmean(odd))
    return means


def table(results: Sequence[Result], title: str) -> str:
    """Return the results as a Markdown table, a column for each system."""
    systems = list(dict.fromkeys(one.system for one in results))
    rows = [[title, *systems]]
    for dataset in dict.fromkeys(one.dataset for one in results):
        rows += _rows(dataset, [one for one in results if one.dataset == dataset])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    lines = (
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(f"| {line} |" for line in lines)


def _rows(dataset: str, results: Sequence[Result]) -> list[list[str]]:
    rows = [
        [f"{dataset} {metric}, {half}", *(f"{one.scores[metric][place]:.3f}" for one in results)]
        for metric in results[0].scores
        for place, half in enumerate(("all", "odd"))
    ]
    # Times mean little by themselves: ours are 1 where we take part.
    first = next((one for one in results if one.system == OURS), results[0])
    questions = [one.question_seconds / first.question_seconds for one in results]
    builds = [one.build_seconds / first.build_seconds for one in results]
    rows.append([f"{dataset} time of a question", *(f"× {ratio:.2f}" for ratio in questions)])
    rows.append([f"{dataset} time to index", *(f"× {ratio:.2f}" for ratio in builds)])
    return rows


def _timed(system: System, question: str) -> tuple[list[Found], float]:
    started = time.perf_counter()
    found = system.search(question)
    return found, time.perf_counter() - started


def _make(names: Sequence[str], weights: str) -> dict[str, System]:
    systems = {}
    for name in names:
        if missing := SYSTEMS[name].missing:
            print(f"{name} skipped: not installed: {', '.join(missing)}", file=sys.stderr)
        else:
            systems[name] = SYSTEMS[name].make(WEIGHTS[weights])
    return systems


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retrieval",
        description=(__doc__ or "").splitlines()[0],
        epilog=(__doc__ or "").rpartition("\n\n")[2],
    )
    parser.add_argument("--bench", type=Path, required=True, help="folder of the question sets")
    parser.add_argument("--sets", type=_names(SETS), default=SETS, help=", ".join(SETS))
    parser.add_argument(
        "--systems", type=_names(SYSTEMS), default=tuple(SYSTEMS), help=", ".join(SYSTEMS)
    )
    parser.add_argument(
        "--weights", choices=WEIGHTS, default="minilm", help="of the other hybrid searches"
    )
    parser.add_argument("--json", type=Path, help="write the results, in seconds, to this file")
    return parser.parse_args(arguments)


def _names(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a parser of names with commas between, of which each must be known."""
    possible = tuple(known)

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names).difference(possible):
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(sorted(unknown))}; possible: {', '.join(possible)}"
            )
        return names

    return parse


if __name__ == "__main__":
    main()
