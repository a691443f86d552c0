"""What each measure is called, and what it says, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


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
