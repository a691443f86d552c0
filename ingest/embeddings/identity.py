"""What makes the vectors of two embedding models comparable."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class EmbeddingIdentity:
    """Everything a vector depends on besides its text.

    Attributes:
        provider: ``bundled``, ``huggingface`` or ``openai``.
        model: The name after the provider's colon.
        weights: Digest of the weights; None where the provider keeps them.
        dimension: Numbers in a vector.
        normalized: Whether vectors have length 1.
        query_prompt: Text put before a question.
        document_prompt: Text put before a chunk.
        max_tokens: Longest input, in tokens with the special ones; the rest is cut.
        precision: Number format of the computation, such as ``bf16``.
    """

    provider: str
    model: str
    weights: str | None
    dimension: int
    normalized: bool
    query_prompt: str
    document_prompt: str
    max_tokens: int
    precision: str

    @property
    def name(self) -> str:
        """The model as ``provider:model``."""
        return f"{self.provider}:{self.model}"

    def differences(self, other: EmbeddingIdentity) -> tuple[str, ...]:
        """Return one ``field: 'ours' != 'theirs'`` line per field that differs."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return tuple(
            f"{name}: {ours!r} != {theirs!r}" for name, ours, theirs in pairs if ours != theirs
        )
