"""The tokens of a text as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A text as a model reads it, token by token.

    Attributes:
        spans: Where each token starts and ends in the text, of shape (tokens, 2).
        vectors: What each means among the others, of shape (tokens, dimension) and length 1.
    """

    spans: NDArray[np.int64]
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, spans: Sequence[tuple[int, int]], states: NDArray[np.float32]) -> TokenVectors:
        """Return the tokens of a text from the network's states of them, of any length."""
        lengths = np.linalg.norm(states, axis=1, keepdims=True)
        return cls(np.array(spans, np.int64).reshape(-1, 2), states / lengths)
