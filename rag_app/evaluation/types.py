"""The values of an evaluation: questions with what is known of them, and how they were answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ingest import FileProblem
from rag_app.types import Answer, ScoredChunk


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and what its data set knows about the answer.

    Attributes:
        id: Its name in the data set.
        text: The question.
        origin: File and line that it comes from.
        answers: Accepted answers.
        verbatim: Whether an accepted answer should occur word for word in a good answer.
        answerable: Whether the documents answer it; None where the data set doesn't say.
        relevant: Documents that answer it, by source, with a grade of 1 or more.
        span: Where in the one relevant document the answer stands, in characters.
        evidence: The text at ``span``, if the data set gives it.
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
    """Questions and what they are asked of.

    ``corpus`` is a folder of documents, a file of passages, or None for the user's own index.
    """

    name: str
    questions: tuple[Question, ...]
    corpus: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one question went.

    Attributes:
        question: The question.
        answer: The answer.
        chunks: What the answer was made from, best first.
        ranking: All that was found, best first, in the units that ``relevant`` is counted in:
            documents, or parts of them.
        confidence: By how much the best sentence is better than an answer has to be; None if the
            chat model gives no confidence.
    """

    question: Question
    answer: Answer
    chunks: tuple[ScoredChunk, ...]
    ranking: tuple[str, ...]
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% bootstrap interval; without one where all values are equal.

    ``count`` says how many questions it was taken from.
    """

    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of one configuration on one data set.

    Attributes:
        dataset: Name of the data set.
        configuration: The chat model, the embedding model and how many chunks it reads.
        outcomes: How each question went.
        scores: For each measure of single questions, the value by question id, where known.
        figures: Every measure of the set, where the data set can tell.
        recall: Recall at ranks 1, 2, 3, … ; empty where no relevant documents are known.
        latency_ms: Median and 95th percentile of the whole time of a question, by name.
        failed: Documents of the data set that could not be read, or have no text.
    """

    dataset: str
    configuration: str
    outcomes: tuple[Outcome, ...]
    scores: Mapping[str, Mapping[str, float]]
    figures: Mapping[str, Estimate]
    recall: Mapping[int, float]
    latency_ms: Mapping[str, float]
    failed: tuple[FileProblem, ...] = ()

    def right(self, outcome: Outcome) -> bool | None:
        """Return whether the question went well; None where the data set can't tell.

        An unanswerable question should be declined; the answer to any other should hold an
        accepted answer; where none is known, a relevant document should be among the first five.
        """
        question = outcome.question
        if question.answerable is False:
            return outcome.answer.abstained
        for measure in ("answer_in_answer", "hit@5"):
            if question.id in self.scores.get(measure, {}):
                return bool(self.scores[measure][question.id])
        return None


@dataclass(frozen=True, slots=True)
class Change:
    """One measure under two configurations, question by question.

    Attributes:
        measure: Its name.
        before: Its mean under the first configuration.
        after: Its mean under the second.
        difference: The mean of the differences.
        p: Chance of a difference as large if the configurations were equal (permutation test).
        wins: Questions for which the second is better.
        losses: Questions for which it is worse.
        ties: The others.
    """

    measure: str
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
class Label:
    """The name of a measure and its meaning in a few words."""

    name: str
    meaning: str


MEASURES: Mapping[str, Label] = MappingProxyType(
    {
        "ndcg@10": Label("nDCG@10", "relevant documents among the first ten, high up"),
        "recall@10": Label("recall@10", "share of the relevant documents among the first ten"),
        "mrr@10": Label("MRR@10", "1 by the rank of the first relevant document"),
        "hit@1": Label("hit@1", "the first document is relevant"),
        "hit@5": Label("hit@5", "one of the first five documents is relevant"),
        "answer_in_context": Label("answer in context", "the chunks read hold an accepted answer"),
        "answer_in_answer": Label("answer in answer", "the answer holds an accepted answer"),
        "f1": Label("word F1", "words that the answer shares with an accepted one"),
        "abstention_auroc": Label(
            "abstention AUROC", "an answerable question has the higher confidence"
        ),
        "abstention_precision": Label(
            "abstention precision", "declined questions that have no answer"
        ),
        "abstention_recall": Label(
            "abstention recall", "questions without answer that are declined"
        ),
        "citation_precision": Label("citation precision", "citations whose quote was verified"),
    }
)
