"""The values of a tuning: examples made of questions and chunks, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Stage = Literal["measuring before", "training", "measuring after"]
Variant = Literal["whole model", "adapter"]


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk of the index: ``text`` is verbatim, ``embedding_text`` is what is embedded."""

    source: str
    text: str
    embedding_text: str


@dataclass(frozen=True, slots=True)
class KnownQuestion:
    """A question of the user's file, and what it says of the place of the answer.

    Attributes:
        text: The question.
        place: File and line.
        source: The document that answers it, or None for any.
        answers: Accepted answers, as the document words them.
        evidence: The text that answers it, as it stands in the document.
    """

    text: str
    place: str
    source: str | None = None
    answers: tuple[str, ...] = ()
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A question for which no chunk of the index is known, and why."""

    place: str
    question: str
    reason: str


@dataclass(frozen=True, slots=True)
class Example:
    """A question with the chunks that answer it.

    Attributes:
        question: The question.
        chunks: Positions of its chunks among those of the index.
        group: Number of the group that stays on one side of the split.
    """

    question: str
    chunks: tuple[int, ...]
    group: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """Examples to learn from, to stop by, and to be judged by; no group is in two of them."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    held_out: tuple[Example, ...]
    by_document: bool


@dataclass(frozen=True, slots=True)
class Gain:
    """A measure on the held-out questions before and after, each from 0 to 1.

    ``low`` and ``high`` are the 95% bootstrap interval of the mean difference.
    """

    measure: str
    before: float
    after: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """How much higher the measure is after the tuning."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class TuningProgress:
    """How far a stage is: steps done of those that it takes at most."""

    stage: Stage
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class TuningReport:
    """What a tuning made and what it is worth.

    Attributes:
        folder: Where the model was saved.
        base: The model that it was made of, as ``provider:model``.
        variant: What was trained.
        split_by: ``document`` or ``chunk``: what no two parts of the questions share.
        train: Questions learnt from.
        validation: Questions that chose when to stop.
        held_out: Questions that it was judged by.
        unmatched: Questions left out, with the reasons.
        epochs: Epochs after which the validation questions went best; 0 keeps the base model.
        gains: What the held-out questions say.
        recommended: Whether the model is clearly better on them.
        seconds: How long it took.
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
