"""Measure how often documents are said to disagree that do not, and that do.

    python -m benchmarks.conflicts --bench FOLDER [--sets xquad-en faquad]

The questions of these sets have one answer, so an answer that says that the documents disagree is
a false alarm. Then the quote of each answer to a question for a number or date is planted in
another document of like name and headings with one number changed by rule, whether that number is
the one asked for or not: what is found of these is a lower bound. Last it is planted with another
number and another thing in the place of a word of the question: to find these is wrong.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.retrieval.datasets import Dataset, load_dataset
from benchmarks.retrieval.rag import Rag
from ingest import IndexSettings, detect_language, embedding_model
from ingest.text.terms import content_terms, term_keys
from rag_app.attribution.citations import Cited
from rag_app.attribution.conflicts import asked_kinds, with_conflicts
from rag_app.chain import retrieval_qa
from rag_app.extractive.chat_model import ExtractiveChatModel
from rag_app.types import Answer, ScoredChunk

_TOP_K = 5
_PLANTED = "planted/"
_ANOTHER = {"en": "harbour", "pt": "cais"}
_LAST_NUMBER = re.compile(r"(\d)(?!\d|[.,]\d)(?!.*\d)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on one set.

    Attributes:
        questions: How many were asked.
        alarms: Answers that say that the documents disagree.
        planted: Quotes that were planted with another number.
        found: Planted quotes that an answer says it disagrees with.
        others: Quotes that were planted of another thing, with another number.
        confused: Those of them that an answer says it disagrees with.
    """

    questions: int
    alarms: tuple[Answer, ...]
    planted: int
    found: int
    others: int
    confused: int


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
            f"{measured.found} of {measured.planted} planted numbers found, and "
            f"{measured.confused} of {measured.others} of another thing"
        )
        for answer in measured.alarms:
            print(f"  {answer.question}\n    " + answer.text.replace("\n\n", "\n    "))


def measure(dataset: Dataset, questions: int | None = None) -> Measured:
    """Return what the first ``questions`` of a set, or all, give."""
    rag = Rag()
    rag.index(dataset)
    llm = ExtractiveChatModel(embedding=embedding_model(IndexSettings()))
    answered: list[tuple[Answer, tuple[ScoredChunk, ...]]] = []
    chain = retrieval_qa(
        rag.retriever.model_copy(update={"k": _TOP_K}),
        llm,
        on_answer=lambda chunks, answer: answered.append((answer, chunks)),
    )
    for question in dataset.questions[:questions]:
        chain.invoke(question.text)
    found = [_finds_planted(*one, _changed) for one in answered]
    confused = [_finds_planted(*one, _of_another) for one in answered]
    return Measured(
        questions=len(answered),
        alarms=tuple(answer for answer, _ in answered if answer.conflicts),
        planted=sum(one is not None for one in found),
        found=sum(one is True for one in found),
        others=sum(one is not None for one in confused),
        confused=sum(one is True for one in confused),
    )


def _changed(quote: str, question: str) -> str:
    """Return the quote with another last number; empty without one."""
    if not (match := _LAST_NUMBER.search(quote)):
        return ""
    digit = (int(match[1]) + 3) % 10
    return f"{quote[: match.start(1)]}{digit}{quote[match.end(1) :]}"


def _of_another(quote: str, question: str) -> str:
    """Return the same with another thing in the place of the longest word of the question."""
    language = detect_language(question)
    asked = term_keys(" ".join(content_terms(question, language)), language)
    shared = [
        word
        for word in content_terms(quote, language)
        if word.isalpha() and not asked.isdisjoint(term_keys(word, language))
    ]
    if not shared:
        return ""
    thing = max(shared, key=len)
    return _changed(re.sub(rf"\b{re.escape(thing)}\b", _ANOTHER[language], quote), question)


def _finds_planted(
    answer: Answer, chunks: Sequence[ScoredChunk], change: Callable[[str, str], str]
) -> bool | None:
    """Return whether the changed quote is found; None if there is nothing to change."""
    if not (answer.citations and asked_kinds(answer.question)):
        return None
    quoted = answer.citations[0]
    if not (changed := change(quoted.quote, answer.question)):
        return None
    source = f"{_PLANTED}{quoted.source}"
    origin = next(chunk for chunk in chunks if chunk.source == quoted.source)
    headings = origin.headings_at(quoted.start - origin.start)
    planted = ScoredChunk(changed, source, 0, len(changed), headings=headings, title=origin.title)
    cited = Cited(answer.text, answer.citations, answer.unsupported)
    cited, conflicts = with_conflicts(answer.question, cited, [*chunks, planted])
    return any(cited.citations[n - 1].source == source for group in conflicts for n in group)


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()
