"""One generation of the index, ready to be searched.

A base file holds FAISS and BM25 over the chunks of an earlier generation. What was added since is
read from the catalog and searched beside it; what was removed is masked. So a small change never
rewrites a large file, and an index without a base file is only slower to open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from ingest.errors import IndexDamagedError
from ingest.index.analysis import document_terms
from ingest.index.columns import fingerprint
from ingest.index.dense import DenseIndex, build_flat
from ingest.index.files import read_arrays, write_arrays
from ingest.index.lexical import LexicalIndex, Postings
from ingest.index.reader import Reader, Vectors
from ingest.index.rows import ChunkRow, State

TAIL_LIMIT = 500
_BASE_NAME = re.compile(r"base-([0-9]+)\.bin")


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found: its id, cosine and BM25 score."""

    chunk_id: int
    dense: float
    lexical: float


@dataclass(frozen=True, slots=True)
class Base:
    """What a base file holds: ids in ascending order, and FAISS and postings by position."""

    generation: int
    ids: NDArray[np.int64]
    vectors: Any
    postings: Postings


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The chunks of one generation by position: those of the base, then those added since."""

    state: State
    base: Base
    ids: NDArray[np.int64]
    alive: NDArray[np.bool_]
    dense: DenseIndex
    lexical: LexicalIndex

    @classmethod
    def load(
        cls, reader: Reader, version: Path, dimension: int, previous: Snapshot | None = None
    ) -> Snapshot:
        """Read the generation that ``reader`` sees, reusing the base of an earlier snapshot.

        Raises:
            IndexDamagedError: If the catalog and what is derived from it don't add up.
        """
        state = reader.state()
        if previous and state.horizon <= previous.base.generation <= state.generation:
            base = previous.base
        else:
            base = _find_base(version, state) or _empty_base(dimension)
        tail = reader.chunks_since(base.generation)
        ids = np.concatenate([base.ids, np.array([row.id for row in tail], np.int64)])
        alive = ~np.isin(ids, reader.removed_since(base.generation))
        if int(alive.sum()) != state.chunks or fingerprint(ids[alive]) != state.fingerprint:
            raise IndexDamagedError(
                f"the chunks in the catalog are not the {state.chunks} that were committed"
            )
        vectors = build_flat(reader.vectors_since(base.generation, dimension))
        parts = (base.postings, _postings(tail))
        return cls(
            state, base, ids, alive, DenseIndex((base.vectors, vectors)), LexicalIndex(parts, alive)
        )

    def search(
        self, query: Vectors, terms: Sequence[str], k: int, allowed: NDArray[np.int64] | None
    ) -> list[Hit]:
        """Return the ``k`` best chunks by meaning and the ``k`` best by terms, with both scores.

        Args:
            query: The embedding of the question, shape (d,), of length 1.
            terms: What BM25 looks for.
            k: How many of each side.
            allowed: Ids of the chunks to search, ascending; None for all.
        """
        mask = self.alive if allowed is None else self.alive & np.isin(self.ids, allowed)
        nearest, _ = self.dense.search(query, mask, k)
        bm25 = np.where(mask, self.lexical.scores(terms), np.float32(0))
        best = np.argsort(-bm25, kind="stable")[:k]
        positions = np.unique(np.concatenate([nearest, best[bm25[best] > 0]]))
        cosines = self.dense.cosines(query, positions)
        return [
            Hit(int(self.ids[position]), float(cosine), float(bm25[position]))
            for position, cosine in zip(positions, cosines, strict=True)
        ]

    def nearest(
        self, query: Vectors, k: int, allowed: NDArray[np.int64] | None
    ) -> list[tuple[int, float]]:
        """Return the ids and cosines of the ``k`` chunks nearest to ``query``, nearest first."""
        mask = self.alive if allowed is None else self.alive & np.isin(self.ids, allowed)
        positions, cosines = self.dense.search(query, mask, k)
        return [(int(self.ids[p]), float(c)) for p, c in zip(positions, cosines, strict=True)]

    def write_base(self, version: Path) -> None:
        """Write this generation as the base file, and remove the older ones."""
        dense = build_flat(_alive_vectors(self.dense, self.alive))
        postings = Postings.merge(self.lexical.parts, self.alive)
        write_arrays(
            _base_path(version, self.state.generation),
            _label(self.state.index_id, self.state.generation),
            {
                "ids": self.ids[self.alive],
                "faiss": faiss.serialize_index(dense),
                "terms": postings.terms,
                "offsets": postings.offsets,
                "positions": postings.positions,
                "counts": postings.counts,
                "lengths": postings.lengths,
            },
        )
        for generation in _base_generations(version):
            if generation < self.state.generation:
                _base_path(version, generation).unlink(missing_ok=True)


def base_is_due(reader: Reader, version: Path) -> bool:
    """Return whether so much has changed since the newest base that a new one is due."""
    state = reader.state()
    usable = [g for g in _base_generations(version) if state.horizon <= g <= state.generation]
    return reader.changes_since(max(usable, default=0)) > TAIL_LIMIT


def _find_base(version: Path, state: State) -> Base | None:
    """Return the newest base that is whole and fits the generation, or None."""
    for generation in sorted(_base_generations(version), reverse=True):
        if state.horizon <= generation <= state.generation:
            try:
                return _read_base(version, state.index_id, generation)
            except (FileNotFoundError, IndexDamagedError):
                continue
    return None


def _read_base(version: Path, index_id: str, generation: int) -> Base:
    arrays: dict[str, Any] = read_arrays(
        _base_path(version, generation), _label(index_id, generation)
    )
    ids, serialized = arrays.pop("ids"), arrays.pop("faiss")
    return Base(generation, ids, faiss.deserialize_index(serialized), Postings(**arrays))


def _empty_base(dimension: int) -> Base:
    empty = np.empty((0, dimension), np.float32)
    return Base(0, np.empty(0, np.int64), build_flat(empty), Postings.build([]))


def _postings(rows: Sequence[ChunkRow]) -> Postings:
    return Postings.build([document_terms(r.chunk.embedding_text, r.language) for r in rows])


def _alive_vectors(dense: DenseIndex, alive: NDArray[np.bool_]) -> Vectors:
    vectors = [part.reconstruct_n(0, part.ntotal) for part in dense.parts if part.ntotal]
    return np.concatenate(vectors)[alive] if vectors else np.empty((0, dense.parts[0].d), "f")


def _base_generations(version: Path) -> list[int]:
    names = (_BASE_NAME.fullmatch(path.name) for path in version.iterdir())
    return [int(match[1]) for match in names if match]


def _base_path(version: Path, generation: int) -> Path:
    return version / f"base-{generation}.bin"


def _label(index_id: str, generation: int) -> str:
    return f"{index_id} {generation}"
