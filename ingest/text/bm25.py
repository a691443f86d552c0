"""The parts of BM25 as Lucene computes it (Robertson and Zaragoza 2009)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# The defaults of Anserini (Yang, Fang and Lin 2017).
K1 = 0.9
B = 0.4


def idf(count: Any, total: int) -> Any:
    """Return the idf of terms that ``count`` of ``total`` texts contain; any shape."""
    return np.log1p((total - count + 0.5) / (count + 0.5))


def length_norms(lengths: NDArray[Any], mean: float) -> NDArray[np.float64]:
    """Return what saturates the counts in texts of these lengths, shape (n,)."""
    norms: NDArray[np.float64] = K1 * (1 - B + B * lengths / mean)
    return norms
