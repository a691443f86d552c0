"""Ask the questions of a data set one after another and record the outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pydantic import PrivateAttr

from ingest import Document, EmbeddingModel, UsageError
from rag_app.app import RagApp
from rag_app.chain import RetrievalQA
from rag_app.evaluation.types import Outcome, Question
from rag_app.extractive.selection import read
from rag_app.retrieval import HybridRetriever, Ranked
from rag_app.types import Answer, Retrieved, ScoredChunk

Confidence = Callable[[str, Sequence[ScoredChunk]], float]


def ask_questions(app: RagApp, questions: Sequence[Question]) -> Iterator[Outcome]:
    """Yield the outcome of each question, in order.

    Raises:
        UsageError: The index is empty, or a setting can't be used.
        ProviderError: The chat model failed.
    """
    chain = app.chain()
    retriever = _KeepingRetriever.over(app.retriever())
    chain.retriever = retriever
    retriever.invoke(questions[0].text)  # warm-up: loading models is not the question's time
    confidence = _sentence_confidence(app.embedding) if app.settings.is_extractive else None
    for question in questions:
        answer, chunks = _ask(chain, question.text)
        yield Outcome(
            question=with_relevant_unit(question),
            answer=answer,
            chunks=chunks,
            ranking=tuple(dict.fromkeys(unit(question, one) for one in retriever.kept)),
            confidence=confidence(question.text, chunks) if confidence else None,
        )


class _KeepingRetriever(HybridRetriever):
    """The app's retriever, which also keeps the full ranking of the last question."""

    _kept: list[Ranked] = PrivateAttr(default_factory=list)

    @classmethod
    def over(cls, retriever: HybridRetriever) -> _KeepingRetriever:
        return cls(**{name: getattr(retriever, name) for name in HybridRetriever.model_fields})

    @property
    def kept(self) -> list[Ranked]:
        return self._kept

    def rank(self, question: str) -> list[Ranked]:
        self._kept = super().rank(question)
        return self._kept


def _ask(chain: RetrievalQA, question: str) -> tuple[Answer, tuple[ScoredChunk, ...]]:
    chunks: tuple[ScoredChunk, ...] = ()
    for event in chain.stream(question):
        match event:
            case Retrieved():
                chunks = event.chunks
            case Answer():
                answer = event
    return answer, chunks


def _sentence_confidence(embedding: EmbeddingModel) -> Confidence:
    def confidence(question: str, chunks: Sequence[ScoredChunk]) -> float:
        reading = read(question, chunks, embedding)
        return reading.margin if reading else -1.0

    return confidence


_EVIDENCE = "#evidence"


def unit(question: Question, ranked: Ranked) -> str:
    """Return the unit of relevance that a chunk counts as: a document, or a part of one."""
    row = ranked.candidate.row
    if question.span is None:
        return row.source
    start, end = question.span
    if row.source in question.relevant and row.chunk.start < end and start < row.chunk.end:
        return row.source + _EVIDENCE
    return f"{row.source}#{row.chunk.start}"


def with_relevant_unit(question: Question) -> Question:
    """Return the question with its evidence, if known, as the only relevant unit."""
    if question.span is None:
        return question
    return replace(question, relevant={f"{source}{_EVIDENCE}": 1 for source in question.relevant})


def check_evidence(question: Question, document: Document) -> None:
    """Check that the evidence is at the question's span of the document.

    Raises:
        UsageError: It is not.
    """
    if question.span is None:
        return
    found = document.text[slice(*question.span)]
    if question.span[1] > len(document.text) or question.evidence not in (None, found):
        raise UsageError(
            f"{question.origin}: 'evidence_span' {list(question.span)} is not where the evidence "
            f"stands in the text of the document, which has {len(document.text)} characters"
        )
