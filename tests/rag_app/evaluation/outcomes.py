"""Outcomes and evaluations made without asking anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rag_app.evaluation import Evaluation, Outcome, Question
from rag_app.evaluation.metrics import aggregate, latency_ms, question_scores, recall_curve
from rag_app.types import Answer, Citation, ScoredChunk


def outcome(
    name: str,
    *,
    text: str = "What is it?",
    answers: Sequence[str] = (),
    verbatim: bool = True,
    answerable: bool | None = None,
    relevant: Mapping[str, int] | None = None,
    ranking: Sequence[str] = (),
    chunks: Sequence[str] = (),
    answer: str = "It is copper. [1]",
    abstained: bool = False,
    verified: Sequence[bool] = (),
    confidence: float | None = None,
    seconds: float = 0.01,
) -> Outcome:
    """Return how a question named ``name`` went."""
    question = Question(
        id=name,
        text=text,
        answers=tuple(answers),
        verbatim=verbatim,
        answerable=answerable,
        relevant=relevant or {},
    )
    citations = tuple(
        Citation(n, "a.md", None, 0, 1, "x", 0.5, known) for n, known in enumerate(verified, 1)
    )
    return Outcome(
        question=question,
        answer=Answer(
            question=text,
            text=answer,
            citations=citations,
            abstained=abstained,
            timings={"total": seconds},
        ),
        chunks=tuple(ScoredChunk(one, "a.md", 0, len(one), score=0.5) for one in chunks),
        ranking=tuple(ranking),
        confidence=confidence,
    )


def evaluation(*outcomes: Outcome, dataset: str = "set") -> Evaluation:
    """Return the evaluation of the outcomes."""
    scores = question_scores(outcomes)
    return Evaluation(
        dataset=dataset,
        configuration="extractive, top 5",
        outcomes=outcomes,
        scores=scores,
        metrics=aggregate(outcomes, scores),
        recall=recall_curve(outcomes),
        latency_ms=latency_ms(outcomes),
    )
