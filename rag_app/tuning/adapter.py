"""Train a linear adapter on precomputed embeddings; the network does not change.

Questions and chunks share the adapter, so the model need not tell them apart: the saved folder
only gains a ``Dense`` module at the end. Training starts at the identity, and weight decay pulls
back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize
from torch.nn.functional import log_softmax, normalize

from rag_app.tuning.retrieval_metrics import Vectors, ranking_scores
from rag_app.tuning.types import Example

# Chosen by cross-validation on the training articles of benchmarks/tune_xquad.py.
_LEARNING_RATE = 3e-4
_WEIGHT_DECAY = 1.0
_SCALE = 20.0
_BATCH = 128
POOL = 4096
_PATIENCE = 5

OnStep = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class EmbeddedExamples:
    """Examples with the vectors of their questions, shape (examples, dimension)."""

    examples: Sequence[Example]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Adapter:
    """A matrix to multiply vectors with, shape (dimension, dimension), and its epoch."""

    matrix: Vectors
    epoch: int

    def apply(self, vectors: Vectors) -> Vectors:
        """Return the adapted unit vectors, shape (n, dimension)."""
        adapted = vectors @ self.matrix.T
        unit: Vectors = adapted / np.linalg.norm(adapted, axis=1, keepdims=True)
        return unit

    def put_on(self, network: SentenceTransformer) -> SentenceTransformer:
        """Return the network with the adapter as its last layers."""
        size = len(self.matrix)
        dense = Dense(
            size,
            size,
            bias=False,
            activation_function=torch.nn.Identity(),
            init_weight=torch.from_numpy(self.matrix),
        )
        return SentenceTransformer(
            modules=[*network.children(), dense, Normalize()],
            prompts={name: prompt or "" for name, prompt in network.prompts.items()},
            device=str(network.device),
        )


def train_adapter(
    train: EmbeddedExamples,
    validation: EmbeddedExamples,
    chunks: Vectors,
    pool: Sequence[int],
    epochs: int,
    seed: int,
    on_step: OnStep,
) -> Adapter:
    """Return the adapter of the epoch with the best validation score.

    Args:
        train: Training examples.
        validation: Examples for early stopping.
        chunks: Vectors of all chunks, shape (chunks, dimension).
        pool: Positions of the chunks that are the negatives of a training question.
        epochs: Most epochs.
        seed: Random seed.
        on_step: Called with the epochs done and the most epochs.
    """
    identity = np.eye(chunks.shape[1], dtype=np.float32)
    best, score = Adapter(identity, 0), _score(Adapter(identity, 0), validation, chunks)
    learner = _Learner(train, chunks, pool, seed)
    for epoch in range(1, epochs + 1):
        candidate = Adapter(learner.epoch(), epoch)
        on_step(epoch, epochs)
        if (now := _score(candidate, validation, chunks)) > score:
            best, score = candidate, now
        elif epoch - best.epoch >= _PATIENCE:
            break
    return best


def _score(adapter: Adapter, validation: EmbeddedExamples, chunks: Vectors) -> float:
    scores = ranking_scores(
        adapter.apply(validation.vectors), adapter.apply(chunks), validation.examples
    )
    return float(scores[:, 0].mean())


class _Learner:
    """Gradient descent on the difference between the adapter and the identity."""

    def __init__(
        self, train: EmbeddedExamples, chunks: Vectors, pool: Sequence[int], seed: int
    ) -> None:
        place = {at: number for number, at in enumerate(pool)}
        self._questions = torch.from_numpy(train.vectors)
        self._chunks = torch.from_numpy(chunks[list(pool)])
        self._right = [[place[at] for at in example.chunks] for example in train.examples]
        self._order = torch.Generator().manual_seed(seed)
        size = chunks.shape[1]
        self._added = torch.nn.Parameter(torch.zeros(size, size))
        self._optimizer = torch.optim.AdamW(
            [self._added], lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
        )

    def epoch(self) -> Vectors:
        """Train for one epoch and return the matrix, shape (dimension, dimension)."""
        order = torch.randperm(len(self._questions), generator=self._order)
        for batch in torch.split(order, _BATCH):
            self._optimizer.zero_grad()
            self._loss(batch).backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        matrix: Vectors = (torch.eye(len(self._added)) + self._added.detach()).numpy()
        return matrix

    def _loss(self, batch: torch.Tensor) -> torch.Tensor:
        questions, chunks = self._adapted(self._questions[batch]), self._adapted(self._chunks)
        logs = log_softmax(_SCALE * questions @ chunks.T, dim=1)
        rows = zip(logs, batch.tolist(), strict=True)
        return -torch.stack([row[self._right[at]].mean() for row, at in rows]).mean()

    def _adapted(self, vectors: torch.Tensor) -> torch.Tensor:
        return normalize(vectors + vectors @ self._added.T, dim=1)
