"""all-MiniLM-L6-v2 as a graph of OpenVINO operations.

A six-layer BERT encoder (Devlin et al. 2019, arXiv:1810.04805) distilled as MiniLM (Wang et al.
2020, arXiv:2002.10957), with the mean pooling and normalisation of Sentence-BERT (Reimers and
Gurevych 2019, arXiv:1908.10084) inside: token ids go in, vectors of length 1 come out, and the
states of the tokens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as op
from safetensors.numpy import load_file

_LAYERS = 6
_HEADS = 12
_WIDTH = 384
_EPSILON = 1e-12
# Subtracted from the attention to padding: far enough that its share is exactly 0.
_FAR = 1e4

Weights = dict[str, NDArray[np.float32]]


def build_graph(weights: Path) -> Any:
    """Return the openvino.Model of a safetensors file.

    Its inputs are token ids, int32, and their mask, float32 with 1 for a token and 0 for padding,
    both of shape (batch, tokens); its outputs are float32: the vectors of the texts, of shape
    (batch, 384), and the states of their tokens, of shape (batch, tokens, 384).
    """
    tensors = load_file(weights)
    ids = op.parameter([-1, -1], np.int32, name="ids")
    mask = op.parameter([-1, -1], np.float32, name="mask")
    bias = op.multiply(op.subtract(mask, _number(1)), _number(_FAR))
    bias = op.unsqueeze(bias, _axes(1, 2))
    states = _embed(tensors, ids)
    for layer in range(_LAYERS):
        states = _layer(tensors, f"encoder.layer.{layer}", states, bias)
    return openvino.Model([_pool(states, mask), states], [ids, mask], "all-MiniLM-L6-v2")


def _embed(tensors: Weights, ids: Any) -> Any:
    words, positions, types = (
        tensors[f"embeddings.{kind}_embeddings.weight"]
        for kind in ("word", "position", "token_type")
    )
    length = op.gather(op.shape_of(ids, "i32"), _index(1), _index(0))
    places = op.range(_index(0), length, _index(1), "i32")
    # Every token is of the first type, so its row can be added to the positions here.
    placed = op.gather(op.constant(positions + types[0]), places, _index(0))
    named = op.gather(op.constant(words), ids, _index(0))
    return _normalize(tensors, "embeddings.LayerNorm", op.add(named, placed))


def _layer(tensors: Weights, name: str, states: Any, bias: Any) -> Any:
    attended = _attend(tensors, f"{name}.attention.self", states, bias)
    attended = _linear(tensors, f"{name}.attention.output.dense", attended)
    states = _normalize(tensors, f"{name}.attention.output.LayerNorm", op.add(states, attended))
    hidden = op.gelu(_linear(tensors, f"{name}.intermediate.dense", states), "erf")
    hidden = _linear(tensors, f"{name}.output.dense", hidden)
    return _normalize(tensors, f"{name}.output.LayerNorm", op.add(states, hidden))


def _attend(tensors: Weights, name: str, states: Any, bias: Any) -> Any:
    query, key, value = (
        _split_heads(_linear(tensors, f"{name}.{part}", states))
        for part in ("query", "key", "value")
    )
    heads = op.scaled_dot_product_attention(query, key, value, bias)
    return op.reshape(op.transpose(heads, _axes(0, 2, 1, 3)), _axes(0, 0, _WIDTH), True)


def _split_heads(states: Any) -> Any:
    heads = op.reshape(states, _axes(0, 0, _HEADS, _WIDTH // _HEADS), True)
    return op.transpose(heads, _axes(0, 2, 1, 3))


def _linear(tensors: Weights, name: str, states: Any) -> Any:
    product = op.matmul(states, op.constant(tensors[f"{name}.weight"]), False, True)
    return op.add(product, op.constant(tensors[f"{name}.bias"]))


def _normalize(tensors: Weights, name: str, states: Any) -> Any:
    centred = op.mvn(states, _axes(-1), True, _EPSILON, "inside_sqrt")
    scaled = op.multiply(centred, op.constant(tensors[f"{name}.weight"]))
    return op.add(scaled, op.constant(tensors[f"{name}.bias"]))


def _pool(states: Any, mask: Any) -> Any:
    kept = op.multiply(states, op.unsqueeze(mask, _axes(-1)))
    # The sum will do: the division that makes it a mean falls out in the normalisation.
    return op.normalize_l2(op.reduce_sum(kept, _axes(1)), _axes(-1), _EPSILON, "max")


def _axes(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))


def _index(value: int) -> Any:
    return op.constant(np.int32(value))


def _number(value: float) -> Any:
    return op.constant(np.array(value, np.float32))
