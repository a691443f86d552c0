"""Questions with what is retrieved for them, with and without the chunks that answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.office import right
from benchmarks.retrieval.datasets import Question, load_dataset, read_rows
from benchmarks.retrieval.rag import Rag
from ingest import EmbeddingModel, detect_language
from rag_app.evaluation.answers import contains
from rag_app.llms.selection import Reading, rank, read
from rag_app.retrieval import HybridRetriever
from rag_app.types import ScoredChunk

TOP_K = 5
# So many more are retrieved that five are left when those that answer are taken out.
_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Case:
    """A question as the reader sees it.

    Attributes:
        row: The question's line in the set.
        answerable: Whether the chunks are meant to answer.
        reading: What the reader makes of them.
    """

    row: dict[str, Any]
    answerable: bool
    reading: Reading

    @property
    def question(self) -> str:
        """What is asked."""
        return str(self.row["text"])

    def holds_answer(self, text: str) -> bool:
        """Tell whether an accepted answer stands in a text."""
        if "kind" in self.row:
            return right(self.row, text)
        language = detect_language(self.question)
        return any(contains(text, answer, language) for answer in self.row["answers"])

    def reranked(self) -> Case:
        """Return the case as the weights of sentences now have it."""
        found = [one.candidate for one in self.reading.sentences]
        return replace(self, reading=replace(self.reading, sentences=tuple(rank(found))))


@dataclass(frozen=True, slots=True)
class Cases:
    """A set as cases, in its order; ``without`` has each answering chunk taken out."""

    name: str
    asked: tuple[Case, ...]
    without: tuple[Case, ...]

    @property
    def even(self) -> Cases:
        """Every second case, from the first on: those that may be learned from."""
        return Cases(self.name, self.asked[::2], self.without[::2])

    @property
    def odd(self) -> Cases:
        """Every second case, from the second on: those that are reported."""
        return Cases(self.name, self.asked[1::2], self.without[1::2])

    def reranked(self) -> Cases:
        """Return the cases as the weights of sentences now have them."""
        asked, without = ([case.reranked() for case in each] for each in (self.asked, self.without))
        return Cases(self.name, tuple(asked), tuple(without))


def load_cases(bench: Path, name: str) -> Cases:
    """Return the cases of a set; a set with unanswerable questions has none ``without``."""
    dataset, rows = load_dataset(bench, name), read_rows(bench / name / "queries.jsonl")
    rag = Rag()
    rag.index(dataset)
    reader = _Reader(rag.retriever)
    gold = {question.text: question for question in dataset.questions}
    asked, without = [], []
    for row in rows:
        found = reader.retrieve(row["text"])
        asked.append(reader.case(row, row["answerable"], found[:TOP_K]))
        if all(one["answerable"] for one in rows):
            others = [one for one in found if not _answers(one, gold[row["text"]])]
            without.append(reader.case(row, False, others[:TOP_K]))
    return Cases(name, tuple(asked), tuple(without))


class _Reader:
    """The retriever and the reader of the app, taken apart."""

    def __init__(self, retriever: HybridRetriever) -> None:
        self._retriever = retriever
        self._embedding: EmbeddingModel = retriever.index.embedding

    def retrieve(self, question: str) -> list[ScoredChunk]:
        documents = self._retriever.invoke(question, k=_DEPTH)
        return [ScoredChunk.from_document(document) for document in documents]

    def case(self, row: dict[str, Any], answerable: bool, chunks: list[ScoredChunk]) -> Case:
        reading = read(row["text"], chunks, self._embedding)
        assert reading
        return Case(row, answerable, reading)


def _answers(chunk: ScoredChunk, question: Question) -> bool:
    """Tell whether the chunk is of the evidence; its whole document is, where no span is known."""
    if chunk.source not in question.sources:
        return False
    start, end = question.span or (chunk.start, chunk.end)
    return chunk.start < end and chunk.end > start
