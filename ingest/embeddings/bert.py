"""The weights of a BERT encoder (Devlin et al. 2019, arXiv:1810.04805)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ZERO = 8  # the 4-bit value of a zero weight


@dataclass(frozen=True, slots=True)
class Config:
    """The sizes of an encoder, and the ``epsilon`` of its layer normalisation."""

    width: int
    layers: int
    heads: int
    hidden: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class GroupedWeights:
    """A matrix of 4-bit weights: each is the scale of its group times (value - 8).

    Attributes:
        values: Numbers from 0 to 15; shape (rows, columns).
        scales: The scales of the groups of each row; shape (rows, groups).
    """

    values: NDArray[np.uint8]
    scales: NDArray[np.float16]

    def dense(self) -> NDArray[np.float32]:
        """Return the weights; shape (rows, columns)."""
        rows, groups = self.scales.shape
        values = self.values.reshape(rows, groups, -1).astype(np.float32) - _ZERO
        weights: NDArray[np.float32] = values * self.scales[..., None].astype(np.float32)
        return weights.reshape(rows, -1)


Tensors = dict[str, NDArray[np.float32] | GroupedWeights]


@dataclass(frozen=True, slots=True)
class BertWeights:
    """An encoder's sizes and its tensors, by their names in Hugging Face's BERT."""

    config: Config
    tensors: Tensors

    def dense(self, name: str) -> NDArray[np.float32]:
        """Return a tensor as float32, of its own shape."""
        tensor = self.tensors[name]
        return tensor.dense() if isinstance(tensor, GroupedWeights) else tensor
