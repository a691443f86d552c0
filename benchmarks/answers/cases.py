"""Questions with what is retrieved for them, with and without the chunks that answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.office import right
from benchmarks.retrieval.datasets import ACROSS, Question, load_dataset, read_rows
from benchmarks.retrieval.rag import Rag
from ingest import Candidate, EmbeddingModel, Index, detect_language
from ingest.index.records import ChunkRow
from rag_app.conversation.follow_ups import carry_on
from rag_app.evaluation.squad import contains
from rag_app.extractive.answerability import Calibration
from rag_app.extractive.selection import Reading, rank, read
from rag_app.retrieval.ranking import rank as rank_chunks
from rag_app.retrieval.retriever import CANDIDATES, ranked_document
from rag_app.types import ScoredChunk

TOP_K = 5
# The sets made of documentation have thousands of questions.
_MOST = 400


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

    def reranked(self, weights: Calibration) -> Case:
        """Return the case as other weights of sentences have it."""
        found = [one.candidate for one in self.reading.sentences]
        return replace(self, reading=replace(self.reading, sentences=tuple(rank(found, weights))))


@dataclass(frozen=True, slots=True)
class Cases:
    """A set as cases, in its order; ``without`` never had what answers: chunks, or documents."""

    name: str
    asked: tuple[Case, ...]
    without: tuple[Case, ...]

    @property
    def every(self) -> tuple[Case, ...]:
        """All cases."""
        return (*self.asked, *self.without)

    @property
    def even(self) -> Cases:
        """Every second case, from the first on: those that may be learned from."""
        return Cases(self.name, self.asked[::2], self.without[::2])

    @property
    def odd(self) -> Cases:
        """Every second case, from the second on: those that are reported."""
        return Cases(self.name, self.asked[1::2], self.without[1::2])

    def reranked(self, weights: Calibration) -> Cases:
        """Return the cases as other weights of sentences have them."""
        asked, without = (
            [case.reranked(weights) for case in each] for each in (self.asked, self.without)
        )
        return Cases(self.name, tuple(asked), tuple(without))


def load_cases(bench: Path, name: str) -> Cases:
    """Return the cases of a set; only ClapNQ, whose passages are a sample, has none ``without``."""
    dataset = load_dataset(bench, name)
    if name in ACROSS:
        rows = [{"text": one.text, "answerable": True} for one in dataset.questions[:_MOST]]
    else:
        rows = read_rows(bench / name / "queries.jsonl")
    rag = Rag()
    rag.index(dataset)
    index = rag.retriever.index
    gold = {question.text: question for question in dataset.questions}
    asked, without = [], []
    for given in rows:
        row = given | {"text": _alone(given, index.embedding)}
        if not row.setdefault("answerable", True) or given["text"] in gold:
            found = index.candidates(row["text"], CANDIDATES)
            asked.append(_case(row, row["answerable"], found, index))
        if row["answerable"] and given["text"] in gold and name != "clapnq":
            others = [one for one in found if not _answers(one.row, gold[given["text"]])]
            without += [_case(row, False, others, index)] if others else []
    return Cases(name, tuple(asked), tuple(without))


def _alone(row: dict[str, Any], embedding: EmbeddingModel) -> str:
    """Return the question as it can be understood without those before it."""
    *earlier, question = [*row.get("before", ()), row["text"]]
    for at, asked in enumerate(earlier):
        earlier[at] = carry_on(asked, earlier[at - 1], embedding) if at else asked
    return carry_on(question, earlier[-1], embedding) if earlier else str(question)


def _case(row: dict[str, Any], answerable: bool, found: Sequence[Candidate], index: Index) -> Case:
    ranked = rank_chunks(row["text"], found)[:TOP_K]
    chunks = [
        ScoredChunk.from_document(ranked_document(one, index.document(one.candidate.row.source)))
        for one in ranked
    ]
    reading = read(row["text"], chunks, index.embedding)
    assert reading
    return Case(row, answerable, reading)


def _answers(chunk: ChunkRow, question: Question) -> bool:
    """Tell whether the chunk is of the evidence; its whole document is, where no span is known."""
    if chunk.source not in question.sources:
        return False
    start, end = question.span or (chunk.chunk.start, chunk.chunk.end)
    return chunk.chunk.start < end and chunk.chunk.end > start
