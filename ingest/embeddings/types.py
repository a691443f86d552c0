"""The value types of embeddings: the model's identity, passages, and sentence vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingIdentity:
    """Everything a vector depends on besides its text.

    Attributes:
        provider: ``bundled``, ``huggingface``, ``openai`` or ``langchain``.
        model: The name after the colon.
        weights: Digest of the weights; None if they are not on this machine.
        dimension: Numbers in a vector.
        normalized: Whether vectors have length 1.
        query_prompt: Prefix of a question.
        document_prompt: Prefix of a chunk.
        max_tokens: Longest input, in tokens including special ones; the rest is cut.
        precision: Number format of the computation, such as ``bf16``.
    """

    provider: str
    model: str
    weights: str | None = None
    dimension: int
    normalized: bool = True
    query_prompt: str = ""
    document_prompt: str = ""
    max_tokens: int
    precision: str

    @property
    def name(self) -> str:
        """The model as ``provider:model``."""
        return f"{self.provider}:{self.model}"

    def differences(self, other: EmbeddingIdentity) -> tuple[str, ...]:
        """Return a string ``field: 'ours' != 'theirs'`` for each field that differs."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return tuple(
            f"{name}: {ours!r} != {theirs!r}" for name, ours, theirs in pairs if ours != theirs
        )


Span = tuple[int, int]


class ScoredSpan(NamedTuple):
    """A span of a text with its cosine with a question."""

    start: int
    end: int
    cosine: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A text with its context, and the sentences that get their own vectors.

    Attributes:
        context: The place of the text, such as its headings; may be empty.
        text: The text.
        sentences: Character offsets in the text, as (start, end).
    """

    context: str
    text: str
    sentences: tuple[Span, ...] = ()

    @property
    def whole(self) -> str:
        """The context and the text, as they are embedded."""
        return f"{self.context}\n{self.text}" if self.context else self.text

    @property
    def whole_sentences(self) -> list[Span]:
        """The offsets of the sentences in :attr:`whole`."""
        moved = len(self.whole) - len(self.text)
        return [(start + moved, end + moved) for start, end in self.sentences]


@dataclass(frozen=True, slots=True)
class SentenceVectors:
    """Vectors of the sentences of a text, quantized to one byte per number.

    Attributes:
        spans: Offsets of the sentences in the text, as (start, end); shape (n, 2).
        values: Integers from -127 to 127; shape (n, dimension).
        scales: The factor of each row of values; shape (n,).
    """

    spans: NDArray[np.int32]
    values: NDArray[np.int8]
    scales: NDArray[np.float32]

    @classmethod
    def of(cls, spans: tuple[Span, ...], vectors: NDArray[np.float32]) -> SentenceVectors:
        """Quantize vectors, shape (n, dimension)."""
        scales = np.abs(vectors).max(axis=1, initial=0.0) / 127
        values = np.rint(vectors / np.maximum(scales, 1e-12)[:, None]).astype(np.int8)
        return cls(np.array(spans, np.int32).reshape(-1, 2), values, scales.astype(np.float32))

    @classmethod
    def from_bytes(cls, data: bytes, dimension: int) -> SentenceVectors:
        """Read the bytes of :meth:`to_bytes`; raises ValueError if the dimension does not fit."""
        row = 3 * 4 + dimension
        count, rest = divmod(len(data), row)
        if rest:
            raise ValueError(f"{len(data)} bytes are not rows of {row}")
        numbers, values = count * 8, count * 12
        return cls(
            np.frombuffer(data, "<i4", 2 * count).reshape(-1, 2),
            np.frombuffer(data, np.int8, offset=values).reshape(count, dimension),
            np.frombuffer(data, "<f4", count, offset=numbers),
        )

    def to_bytes(self) -> bytes:
        """Return the spans, scales and values as little-endian bytes."""
        return b"".join(
            (
                self.spans.astype("<i4").tobytes(),
                self.scales.astype("<f4").tobytes(),
                self.values.tobytes(),
            )
        )

    def scored(self, query: NDArray[np.float32]) -> tuple[ScoredSpan, ...]:
        """Return the cosine of each sentence with ``query``, of length 1, shape (dimension,)."""
        (spans,) = scored_together([self], query)
        return spans


def scored_together(
    passages: Sequence[SentenceVectors], query: NDArray[np.float32]
) -> list[tuple[ScoredSpan, ...]]:
    """Return the cosines of the sentences of each passage with ``query``, shape (dimension,)."""
    if not passages:
        return []
    values = np.concatenate([one.values for one in passages])
    scales = np.concatenate([one.scales for one in passages])
    cosines = iter(((values @ query) * scales).tolist())
    return [
        tuple(ScoredSpan(start, end, next(cosines)) for start, end in one.spans.tolist())
        for one in passages
    ]


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """The vector of a whole passage, of length 1, and those of its sentences."""

    whole: NDArray[np.float32]
    sentences: SentenceVectors
