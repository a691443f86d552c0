"""Measure how often documents are said to disagree that do not, and that do.

    python -m benchmarks.conflicts --bench FOLDER [--sets xquad-en faquad]

The questions of these sets have one answer, so an answer that says that the documents disagree is
a false alarm. Then the quote of each answer to a question for a number or date is planted in
another document with one number changed by rule, whether that number is the one asked for or not:
what is found of these is a lower bound.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.retrieval.datasets import Dataset, load_dataset
from benchmarks.retrieval.rag import Rag
from ingest import IndexSettings, embedding_model
from rag_app.chain import retrieval_qa
from rag_app.citations import Cited
from rag_app.conflicts import asked_kinds, with_conflicts
from rag_app.llms.extractive import ExtractiveChatModel
from rag_app.types import Answer, ScoredChunk

_TOP_K = 5
_LAST_NUMBER = re.compile(r"(\d)(?!\d|[.,]\d)(?!.*\d)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on one set.

    Attributes:
        questions: How many were asked.
        alarms: Answers that say that the documents disagree.
        planted: Quotes that were planted with another number.
        found: Planted quotes that an answer says it disagrees with.
    """

    questions: int
    alarms: tuple[Answer, ...]
    planted: int
    found: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the false alarms and how many planted numbers are found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conflicts")
    parser.add_argument("--bench", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--sets", nargs="+", default=["xquad-en", "faquad"], metavar="SET")
    options = parser.parse_args(arguments)
    for name in options.sets:
        measured = measure(load_dataset(options.bench, name))
        print(
            f"{name}: {len(measured.alarms)} false alarms in {measured.questions} questions; "
            f"{measured.found} of {measured.planted} planted numbers found"
        )
        for answer in measured.alarms:
            print(f"  {answer.question}\n    " + answer.text.replace("\n\n", "\n    "))


def measure(dataset: Dataset, questions: int | None = None) -> Measured:
    """Return what the first ``questions`` of a set, or all, give."""
    rag = Rag()
    rag.index(dataset)
    llm = ExtractiveChatModel(embedding=embedding_model(IndexSettings()))
    chain = retrieval_qa(rag.retriever.model_copy(update={"k": _TOP_K}), llm)
    answered: list[tuple[Answer, tuple[ScoredChunk, ...]]] = []
    chain.on_answer = lambda chunks, answer: answered.append((answer, chunks))
    for question in dataset.questions[:questions]:
        chain.invoke(question.text)
    found = [_finds_planted(*one) for one in answered]
    return Measured(
        questions=len(answered),
        alarms=tuple(answer for answer, _ in answered if answer.conflicts),
        planted=sum(one is not None for one in found),
        found=sum(one is True for one in found),
    )


def _finds_planted(answer: Answer, chunks: Sequence[ScoredChunk]) -> bool | None:
    """Return whether the changed quote is found; None if there is nothing to change."""
    if not (answer.citations and asked_kinds(answer.question)):
        return None
    quote = answer.citations[0].quote
    if not (match := _LAST_NUMBER.search(quote)):
        return None
    digit = (int(match[1]) + 3) % 10
    changed = f"{quote[: match.start(1)]}{digit}{quote[match.end(1) :]}"
    planted = ScoredChunk(changed, "planted", 0, len(changed))
    cited = Cited(answer.text, answer.citations, answer.unsupported)
    cited, conflicts = with_conflicts(answer.question, cited, [*chunks, planted])
    return any(cited.citations[n - 1].source == "planted" for group in conflicts for n in group)


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()
