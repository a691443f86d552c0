"""Exact nearest neighbours by cosine, with FAISS, over vectors of length 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def build_flat(vectors: Vectors) -> Any:
    """Return a FAISS index of the rows of ``vectors``, shape (n, d)."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


@dataclass(frozen=True, slots=True)
class DenseIndex:
    """FAISS indexes whose positions follow each other; only chosen positions are searched."""

    parts: tuple[Any, ...]

    def search(
        self, query: Vectors, allowed: NDArray[np.bool_], k: int
    ) -> tuple[NDArray[np.int64], Vectors]:
        """Return the ``k`` allowed positions nearest to ``query``, nearest first, and cosines.

        Fewer than ``k`` come back when fewer are allowed. Equal cosines keep the position order.
        """
        positions, scores, start = [], [], 0
        for part in self.parts:
            found, cosines = _search_part(part, query, allowed[start : start + part.ntotal], k)
            positions.append(found + start)
            scores.append(cosines)
            start += part.ntotal
        joined, cosines = np.concatenate(positions), np.concatenate(scores)
        order = np.lexsort((joined, -cosines))[:k]
        return joined[order], cosines[order]

    def at(self, positions: NDArray[np.int64]) -> Vectors:
        """Return the vectors at the positions, shape (n, d)."""
        vectors, start = np.empty((len(positions), self.parts[0].d), np.float32), 0
        for part in self.parts:
            inside = (positions >= start) & (positions < start + part.ntotal)
            if inside.any():
                vectors[inside] = part.reconstruct_batch(positions[inside] - start)
            start += part.ntotal
        return vectors

    def vectors(self, chosen: NDArray[np.bool_]) -> Vectors:
        """Return the vectors at the chosen positions, shape (n, d)."""
        vectors = np.empty((int(chosen.sum()), self.parts[0].d), np.float32)
        start = filled = 0
        for part in self.parts:
            inside = chosen[start : start + part.ntotal]
            count = int(inside.sum())
            if count:
                held = faiss.rev_swig_ptr(part.get_xb(), part.ntotal * part.d)
                rows = held.reshape(part.ntotal, part.d)
                np.compress(inside, rows, axis=0, out=vectors[filled : filled + count])
            start, filled = start + part.ntotal, filled + count
        return vectors


def _search_part(
    part: Any, query: Vectors, allowed: NDArray[np.bool_], k: int
) -> tuple[NDArray[np.int64], Vectors]:
    k = min(k, int(allowed.sum()))
    if not k:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    bits = np.packbits(allowed, bitorder="little")
    selector = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
    parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
    cosines, positions = part.search(query[None, :], k, params=parameters)
    return positions[0], cosines[0]
