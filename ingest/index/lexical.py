"""BM25 over an inverted index in flat arrays.

Statistics count exactly the live chunks, so an index that grew step by step scores like one built
at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from ingest.text.bm25 import idf, length_norms


@dataclass(frozen=True, slots=True)
class Postings:
    """An inverted index over n chunks, identified by position.

    Attributes:
        terms: Hashes of the distinct terms, ascending; shape (t,), uint64.
        offsets: Where the postings of each term begin; shape (t + 1,), int64.
        positions: Chunks that contain the term, ascending within a term; shape (p,), int32.
        counts: How often the term occurs in them; shape (p,), int32.
        lengths: Number of terms in each chunk; shape (n,), int32.
    """

    terms: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    positions: NDArray[np.int32]
    counts: NDArray[np.int32]
    lengths: NDArray[np.int32]

    @classmethod
    def build(cls, chunks: Sequence[Sequence[str]]) -> Postings:
        """Return the postings of the terms of each chunk."""
        counted = [Counter(chunk) for chunk in chunks]
        hashed: dict[str, int] = {}
        for terms in counted:
            for term in terms:
                if term not in hashed:
                    hashed[term] = _hash(term)
        sizes = [len(terms) for terms in counted]
        return cls._group(
            np.array([hashed[term] for terms in counted for term in terms], np.uint64),
            np.repeat(np.arange(len(counted), dtype=np.int32), sizes),
            np.array([count for terms in counted for count in terms.values()], np.int32),
            np.array([len(chunk) for chunk in chunks], np.int32),
        )

    @classmethod
    def merge(cls, parts: Sequence[Postings], alive: NDArray[np.bool_]) -> Postings:
        """Join consecutive parts, keeping only the chunks where ``alive``, shape (n,), is true."""
        renumbered = np.cumsum(alive, dtype=np.int32) - np.int32(1)
        starts = np.cumsum([0, *(len(part.lengths) for part in parts)]).astype(np.int32)
        terms = np.concatenate([np.repeat(p.terms, np.diff(p.offsets)) for p in parts])
        positions = np.concatenate([p.positions + s for p, s in zip(parts, starts, strict=False)])
        counts = np.concatenate([part.counts for part in parts])
        lengths = np.concatenate([part.lengths for part in parts])
        kept = alive[positions]
        return cls._group(terms[kept], renumbered[positions[kept]], counts[kept], lengths[alive])

    @classmethod
    def _group(
        cls,
        terms: NDArray[np.uint64],
        positions: NDArray[np.int32],
        counts: NDArray[np.int32],
        lengths: NDArray[np.int32],
    ) -> Postings:
        order = np.argsort(terms, kind="stable")
        distinct, starts = np.unique(terms[order], return_index=True)
        offsets = np.append(starts, len(terms)).astype(np.int64)
        return cls(distinct, offsets, positions[order], counts[order], lengths)

    def find(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the positions that contain ``term`` and its counts there; each of shape (k,)."""
        digest = np.uint64(_hash(term))
        at = int(np.searchsorted(self.terms, digest))
        if at == len(self.terms) or self.terms[at] != digest:
            return self.positions[:0], self.counts[:0]
        span = slice(self.offsets[at], self.offsets[at + 1])
        return self.positions[span], self.counts[span]


@dataclass(frozen=True, slots=True)
class LexicalIndex:
    """BM25 over consecutive parts; chunks that are not ``alive``, shape (n,), are ignored."""

    parts: tuple[Postings, ...]
    alive: NDArray[np.bool_]

    def scores(self, terms: Sequence[str]) -> NDArray[np.float32]:
        """Return the BM25 score of every chunk, 0 without any of the terms; shape (n,)."""
        scores = np.zeros(len(self.alive), np.float32)
        lengths = np.concatenate([part.lengths for part in self.parts])
        alive_count = int(self.alive.sum())
        if not alive_count:
            return scores
        mean = max(float(lengths[self.alive].mean()), 1.0)
        norms = length_norms(lengths, mean).astype(np.float32)
        for term in terms:
            positions, counts = self._find(term)
            rarity = np.float32(idf(len(positions), alive_count))
            scores[positions] += rarity * counts / (counts + norms[positions])
        return scores

    def _find(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        found, start = [], 0
        for part in self.parts:
            positions, counts = part.find(term)
            found.append((positions + np.int32(start), counts))
            start += len(part.lengths)
        positions = np.concatenate([positions for positions, _ in found])
        counts = np.concatenate([counts for _, counts in found])
        kept = self.alive[positions]
        return positions[kept], counts[kept]


def _hash(term: str) -> int:
    return xxhash.xxh3_64_intdigest(term.encode())
