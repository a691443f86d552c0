"""The types of a tuning: examples of questions with chunks, and the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Stage = Literal["measuring before", "training", "measuring after"]
Variant = Literal["whole model", "adapter"]


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk of the index: ``text`` is verbatim, ``embedding_text`` is embedded."""

    source: str
    text: str
    embedding_text: str


@dataclass(frozen=True, slots=True)
class KnownQuestion:
    """A question of the user's file, with what it says about the answer.

    Attributes:
        text: The question.
        place: File and line.
        source: The document that answers it; None for any.
        answers: Accepted answers, verbatim.
        evidence: The text that answers it, verbatim.
    """

    text: str
    place: str
    source: str | None = None
    answers: tuple[str, ...] = ()
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A question without a matching chunk, and why."""

    place: str
    question: str
    reason: str


@dataclass(frozen=True, slots=True)
class Example:
    """A question with the chunks that answer it.

    Attributes:
        question: The question.
        chunks: Positions of its chunks in the list of the index's chunks.
        group: Number of its group, which is never split.
    """

    question: str
    chunks: tuple[int, ...]
    group: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """Examples for training, validation and test; no group is in two of them."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    held_out: tuple[Example, ...]
    by_document: bool


@dataclass(frozen=True, slots=True)
class Gain:
    """A metric on the held-out questions before and after, each from 0 to 1.

    ``low`` and ``high`` are the 95% bootstrap interval of the mean difference.
    """

    metric: str
    before: float
    after: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """The change of the metric."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class TuningProgress:
    """Progress of a stage: steps done, of at most ``total``."""

    stage: Stage
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class TuningReport:
    """The result of a tuning.

    Attributes:
        folder: Where the model was saved.
        base: The base model, as ``provider:model``.
        variant: What was trained.
        split_by: ``document`` or ``chunk``: what no two parts of the split share.
        train: Number of training questions.
        validation: Number of validation questions.
        held_out: Number of test questions.
        unmatched: Questions left out, with the reasons.
        epochs: The epoch with the best validation score; 0 is the base model.
        gains: Metrics on the held-out questions.
        recommended: Whether the model is clearly better on them.
        seconds: Total time.
    """

    folder: Path
    base: str
    variant: Variant
    split_by: Literal["document", "chunk"]
    train: int
    validation: int
    held_out: int
    unmatched: tuple[Unmatched, ...]
    epochs: int
    gains: tuple[Gain, ...]
    recommended: bool
    seconds: float

    def to_record(self) -> dict[str, Any]:
        """Return the stable JSON shape of the report."""
        gains = [asdict(gain) for gain in self.gains]
        gains = [{"measure": gain.pop("metric"), **gain} for gain in gains]
        return asdict(self) | {"folder": str(self.folder), "gains": gains}
