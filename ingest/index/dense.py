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
    """FAISS indexes in a row: the positions of each start where those of the one before end."""

    parts: tuple[Any, ...]

    def search(
        self, query: Vectors, mask: NDArray[np.bool_], k: int
    ) -> tuple[NDArray[np.int64], Vectors]:
        """Return the ``k`` positions nearest to ``query`` and their cosines, each of shape (k,).

        Only positions where ``mask``, shape (n,), is true are searched; if there are fewer than
        ``k``, fewer are returned. ``query`` has length 1 and shape (d,). Nearest come first, equal
        cosines in the order of their positions.
        """
        positions, scores, start = [], [], 0
        for part in self.parts:
            found, cosines = _search_part(part, query, mask[start : start + part.ntotal], k)
            positions.append(found + start)
            scores.append(cosines)
            start += part.ntotal
        joined, cosines = np.concatenate(positions), np.concatenate(scores)
        order = np.lexsort((joined, -cosines))[:k]
        return joined[order], cosines[order]

    def at(self, positions: NDArray[np.int64]) -> Vectors:
        """Return the vectors at ``positions``, shape (k,); shape (k, d)."""
        vectors, start = np.empty((len(positions), self.parts[0].d), np.float32), 0
        for part in self.parts:
            inside = (positions >= start) & (positions < start + part.ntotal)
            if inside.any():
                vectors[inside] = part.reconstruct_batch(positions[inside] - start)
            start += part.ntotal
        return vectors

    def vectors(self, mask: NDArray[np.bool_]) -> Vectors:
        """Return the vectors at the positions where ``mask``, shape (n,), is true; shape (k, d)."""
        vectors = np.empty((int(mask.sum()), self.parts[0].d), np.float32)
        start = filled = 0
        for part in self.parts:
            inside = mask[start : start + part.ntotal]
            count = int(inside.sum())
            if count:
                held = faiss.rev_swig_ptr(part.get_xb(), part.ntotal * part.d)
                rows = held.reshape(part.ntotal, part.d)
                np.compress(inside, rows, axis=0, out=vectors[filled : filled + count])
            start, filled = start + part.ntotal, filled + count
        return vectors


def _search_part(
    part: Any, query: Vectors, mask: NDArray[np.bool_], k: int
) -> tuple[NDArray[np.int64], Vectors]:
    k = min(k, int(mask.sum()))
    if not k:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    bits = np.packbits(mask, bitorder="little")
    selector = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
    parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
    cosines, positions = part.search(query[None, :], k, params=parameters)
    return positions[0], cosines[0]
