"""A BERT encoder as a graph of OpenVINO operations.

The encoder (Devlin et al. 2019, arXiv:1810.04805) includes the mean pooling and normalisation of
Sentence-BERT (Reimers and Gurevych 2019, arXiv:1908.10084): from token ids it computes a vector of
length 1 for each requested stretch of tokens. A stretch is pooled from states that have seen the
whole text (late chunking, Günther et al. 2024, arXiv:2409.04701).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
from openvino import opset13 as op

from ingest.embeddings.bert import BertWeights

# Subtracted from the attention scores of padding: exp(-1e4) is 0 in float32.
_FAR = 1e4


def build_graph(weights: BertWeights, name: str) -> Any:
    """Return the openvino.Model of an encoder.

    Its inputs are token ids, int32, and their mask, float32 with 1 for a token and 0 for padding,
    both of shape (batch, tokens), and the stretches, float32 with 1 for each token inside, of shape
    (batch, stretches, tokens). Its output is float32, of shape (batch, stretches, width).
    """
    graph = _Graph(weights)
    ids = op.parameter([-1, -1], np.int32, name="ids")
    mask = op.parameter([-1, -1], np.float32, name="mask")
    stretches = op.parameter([-1, -1, -1], np.float32, name="stretches")
    bias = op.multiply(op.subtract(mask, _number(1)), _number(_FAR))
    states = graph.encode(ids, op.unsqueeze(bias, _axes(1, 2)))
    # A sum: normalisation cancels the division that would make it a mean.
    pooled = op.normalize_l2(op.matmul(stretches, states, False, False), _axes(-1), 1e-12, "max")
    return openvino.Model([pooled], [ids, mask, stretches], name)


class _Graph:
    """Builds the operations of one encoder."""

    def __init__(self, weights: BertWeights) -> None:
        self._config = weights.config
        self._tensor = weights.dense

    def encode(self, ids: Any, bias: Any) -> Any:
        """Return the states of the tokens; shape (batch, tokens, width)."""
        states = self._embed(ids)
        for layer in range(self._config.layers):
            states = self._layer(f"encoder.layer.{layer}", states, bias)
        return states

    def _embed(self, ids: Any) -> Any:
        length = op.gather(op.shape_of(ids, "i32"), _index(1), _index(0))
        places = op.range(_index(0), length, _index(1), "i32")
        words, positions, types = (
            f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")
        )
        # Every token has type 0, so its row can be added to the positions in advance.
        rows = op.constant(self._tensor(positions) + self._tensor(types)[0])
        placed = op.gather(rows, places, _index(0))
        named = op.gather(op.constant(self._tensor(words)), ids, _index(0))
        return self._normalize("embeddings.LayerNorm", op.add(named, placed))

    def _layer(self, name: str, states: Any, bias: Any) -> Any:
        attended = self._attend(f"{name}.attention.self", states, bias)
        attended = self._linear(f"{name}.attention.output.dense", attended)
        states = self._normalize(f"{name}.attention.output.LayerNorm", op.add(states, attended))
        hidden = op.gelu(self._linear(f"{name}.intermediate.dense", states), "erf")
        hidden = self._linear(f"{name}.output.dense", hidden)
        return self._normalize(f"{name}.output.LayerNorm", op.add(states, hidden))

    def _attend(self, name: str, states: Any, bias: Any) -> Any:
        query, key, value = (
            self._split_heads(self._linear(f"{name}.{part}", states))
            for part in ("query", "key", "value")
        )
        heads = op.scaled_dot_product_attention(query, key, value, bias)
        joined = op.transpose(heads, _axes(0, 2, 1, 3))
        return op.reshape(joined, _axes(0, 0, self._config.width), True)

    def _split_heads(self, states: Any) -> Any:
        heads, width = self._config.heads, self._config.width
        return op.transpose(
            op.reshape(states, _axes(0, 0, heads, width // heads), True), _axes(0, 2, 1, 3)
        )

    def _linear(self, name: str, states: Any) -> Any:
        product = op.matmul(states, op.constant(self._tensor(f"{name}.weight")), False, True)
        return op.add(product, op.constant(self._tensor(f"{name}.bias")))

    def _normalize(self, name: str, states: Any) -> Any:
        centred = op.mvn(states, _axes(-1), True, self._config.epsilon, "inside_sqrt")
        scaled = op.multiply(centred, op.constant(self._tensor(f"{name}.weight")))
        return op.add(scaled, op.constant(self._tensor(f"{name}.bias")))


def _axes(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))


def _index(value: int) -> Any:
    return op.constant(np.int32(value))


def _number(value: float) -> Any:
    return op.constant(np.array(value, np.float32))
