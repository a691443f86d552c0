"""Measure how well questions are answered, and compare settings."""

from rag_app.evaluation.datasets import limited, load_dataset
from rag_app.evaluation.evaluate import Progress, evaluate, evaluate_pair
from rag_app.evaluation.types import (
    Change,
    Comparison,
    Dataset,
    Estimate,
    Evaluation,
    Flip,
    Outcome,
    Question,
)

__all__ = [
    "Change",
    "Comparison",
    "Dataset",
    "Estimate",
    "Evaluation",
    "Flip",
    "Outcome",
    "Progress",
    "Question",
    "evaluate",
    "evaluate_pair",
    "limited",
    "load_dataset",
]
