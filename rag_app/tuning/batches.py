"""Batches of pairs in which all other chunks are true and hard negatives."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sentence_transformers import DefaultBatchSampler

# Pairs of one document in a row: its chunks are the ones confused with each other, so they are
# hard negatives. Chosen by hand.
_NEIGHBOURS = 8


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and one of its chunks, as embedded, and the chunk's document."""

    question: str
    chunk: str
    source: str


class DocumentBatches(DefaultBatchSampler):
    """Positions of pairs in batches of a few documents each, reshuffled every epoch."""

    def __init__(self, dataset: Any, pairs: Sequence[Pair], **options: Any) -> None:
        super().__init__(dataset, **options)
        self._pairs = pairs

    def __len__(self) -> int:
        return -(-len(self._pairs) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        # The scheduler expects this number of batches; the others come in other epochs.
        seed = f"{self.seed} {self.epoch}"
        yield from deal(self._pairs, self.batch_size, random.Random(seed))[: len(self)]


def deal(pairs: Sequence[Pair], size: int, rng: random.Random) -> list[list[int]]:
    """Return the positions of all pairs in batches without two equal questions or chunks."""
    queue = _by_neighbourhood(pairs, rng)
    batches = []
    while queue:
        batch: list[int] = []
        seen: set[str] = set()
        rest = []
        for at in queue:
            texts = {pairs[at].question, pairs[at].chunk}
            if len(batch) < size and seen.isdisjoint(texts):
                batch.append(at)
                seen |= texts
            else:
                rest.append(at)
        batches.append(batch)
        queue = rest
    return batches


def _by_neighbourhood(pairs: Sequence[Pair], rng: random.Random) -> list[int]:
    by_source: dict[str, list[int]] = defaultdict(list)
    for at in rng.sample(range(len(pairs)), len(pairs)):
        by_source[pairs[at].source].append(at)
    blocks = [
        positions[start : start + _NEIGHBOURS]
        for positions in by_source.values()
        for start in range(0, len(positions), _NEIGHBOURS)
    ]
    rng.shuffle(blocks)
    return [at for block in blocks for at in block]
