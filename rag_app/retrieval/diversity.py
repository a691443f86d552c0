"""Prefer chunks that say something else than those before them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rag_app.retrieval.ranking import Ranked

_CONSIDERED = 30


def diversify(ranked: Sequence[Ranked], diversity: float) -> list[Ranked]:
    """Return ``ranked`` with the best 30 reordered by maximal marginal relevance.

    Each place goes to the chunk with the highest ``(1 - diversity) * score - diversity *
    similarity`` to the chunks already placed (Carbonell and Goldstein, "The Use of MMR", 1998).

    Args:
        ranked: Best first.
        diversity: 0 keeps the order, 1 looks at nothing but similarity.
    """
    waiting = list(ranked[:_CONSIDERED])
    if diversity == 0 or len(waiting) < 2:
        return list(ranked)
    vectors = np.array([one.candidate.vector for one in waiting])
    similarity = vectors @ vectors.T
    scores = np.array([one.score for one in waiting])
    placed = [0]
    while len(placed) < len(waiting):
        worth = (1 - diversity) * scores - diversity * similarity[:, placed].max(axis=1)
        worth[placed] = -np.inf
        placed.append(int(worth.argmax()))
    return [*(waiting[at] for at in placed), *ranked[_CONSIDERED:]]
