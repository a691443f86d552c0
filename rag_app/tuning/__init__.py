"""Tune the embedding model to the user's own documents."""

from rag_app.tuning.examples import read_questions
from rag_app.tuning.model_card import verdict
from rag_app.tuning.tune_embedding import tune
from rag_app.tuning.types import Gain, KnownQuestion, TuningProgress, TuningReport, Unmatched

__all__ = [
    "Gain",
    "KnownQuestion",
    "TuningProgress",
    "TuningReport",
    "Unmatched",
    "read_questions",
    "tune",
    "verdict",
]
