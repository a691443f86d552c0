"""The types of an evaluation: questions with ground truth, outcomes, and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ingest import FileProblem
from rag_app.types import Answer, ScoredChunk


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what its data set says about the answer.

    Attributes:
        id: Its name in the data set.
        text: The question.
        origin: File and line, for error messages.
        answers: Accepted answers.
        verbatim: Whether a good answer contains an accepted answer word for word.
        answerable: Whether the documents answer it; None if the data set does not say.
        relevant: Documents that answer it, by source, with a grade of 1 or more.
        span: Character offsets of the evidence in the one relevant document.
        evidence: The text at ``span``, if the data set has it.
    """

    id: str
    text: str
    origin: str = ""
    answers: tuple[str, ...] = ()
    verbatim: bool = True
    answerable: bool | None = None
    relevant: Mapping[str, int] = field(default_factory=dict)
    span: tuple[int, int] | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions and the documents to ask.

    ``corpus`` is a folder of documents, a file of passages, or None for the user's own index.
    """

    name: str
    questions: tuple[Question, ...]
    corpus: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one question, with what was retrieved.

    Attributes:
        question: The question.
        answer: The answer.
        chunks: The chunks that the answer was made from, best first.
        ranking: Everything retrieved, best first, in the units of ``relevant``: documents, or
            parts of them.
        confidence: Margin of the best sentence over the abstention threshold; None if the chat
            model has no confidence.
    """

    question: Question
    answer: Answer
    chunks: tuple[ScoredChunk, ...]
    ranking: tuple[str, ...]
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The value of a metric with its 95% bootstrap interval; none if all values are equal.

    ``count`` is the number of questions behind it.
    """

    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of one configuration on one data set.

    Attributes:
        dataset: Name of the data set.
        configuration: Chat model, embedding model and settings, on one line.
        outcomes: One per question.
        scores: For each metric of single questions, its value by question id, where it applies.
        metrics: Every metric that the data set allows, by name.
        recall: Recall at ranks 1, 2, 3, …; empty if no relevant documents are known.
        latency_ms: Median and 95th percentile of the total time of a question, by name.
        failed: Documents of the data set that could not be read or have no text.
    """

    dataset: str
    configuration: str
    outcomes: tuple[Outcome, ...]
    scores: Mapping[str, Mapping[str, float]]
    metrics: Mapping[str, Estimate]
    recall: Mapping[int, float]
    latency_ms: Mapping[str, float]
    failed: tuple[FileProblem, ...] = ()

    def right(self, outcome: Outcome) -> bool | None:
        """Return whether the outcome is right; None if the data set does not say.

        Right is: abstaining, if the question is unanswerable; else an answer that contains an
        accepted one; if none is known, a relevant document among the first five.
        """
        question = outcome.question
        if question.answerable is False:
            return outcome.answer.abstained
        for metric in ("answer_in_answer", "hit@5"):
            if question.id in self.scores.get(metric, {}):
                return bool(self.scores[metric][question.id])
        return None


@dataclass(frozen=True, slots=True)
class Change:
    """One metric under two configurations, question by question.

    Attributes:
        metric: Its name.
        before: Its mean under the first configuration.
        after: Its mean under the second.
        difference: The mean of the differences.
        p: The p-value of a permutation test.
        wins: Questions for which the second is better.
        losses: Questions for which it is worse.
        ties: Questions for which both are equal.
    """

    metric: str
    before: float
    after: float
    difference: Estimate
    p: float
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True, slots=True)
class Flip:
    """A question that one configuration gets right and the other wrong."""

    question: Question
    before: Answer
    after: Answer
    gained: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two configurations on the same questions."""

    before: Evaluation
    after: Evaluation
    changes: tuple[Change, ...]
    flips: tuple[Flip, ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as tables show it: its name, and its meaning in a few words."""

    name: str
    meaning: str


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "ndcg@10": Metric("nDCG@10", "relevant documents in the first ten, weighted by rank"),
        "recall@10": Metric("recall@10", "share of the relevant documents in the first ten"),
        "mrr@10": Metric("MRR@10", "reciprocal rank of the first relevant document"),
        "hit@1": Metric("hit@1", "the first document is relevant"),
        "hit@5": Metric("hit@5", "one of the first five documents is relevant"),
        "answer_in_context": Metric("answer in context", "a chunk contains an accepted answer"),
        "answer_in_answer": Metric("answer in answer", "the answer contains an accepted answer"),
        "f1": Metric("word F1", "word overlap of the answer with an accepted one"),
        "abstention_auroc": Metric(
            "abstention AUROC", "chance that an answerable question has the higher confidence"
        ),
        "abstention_precision": Metric(
            "abstention precision", "share of the abstentions on unanswerable questions"
        ),
        "abstention_recall": Metric(
            "abstention recall", "share of the unanswerable questions with an abstention"
        ),
        "citation_precision": Metric("citation precision", "citations whose quote was verified"),
    }
)
