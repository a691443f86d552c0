"""Load a Sentence Transformers network and embed with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging

from rag_app.tuning.retrieval_metrics import Vectors

_BATCH = 32  # the library's default
_PIECE = 128  # texts between two calls of ``on_done``; chosen by hand
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")

OnDone = Callable[[int], None]


def load_network(folder: Path) -> SentenceTransformer:
    """Return the network in a folder, in float32."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    network = SentenceTransformer(
        str(folder), local_files_only=True, model_kwargs={"use_safetensors": True}
    )
    network.float()
    return network


def prompts(network: SentenceTransformer) -> tuple[str, str]:
    """Return the network's prompt prefixes of a question and of a chunk."""
    documents = (network.prompts.get(name) for name in _DOCUMENT_PROMPTS)
    return network.prompts.get("query") or "", next(filter(None, documents), "")


def embed(
    network: SentenceTransformer, texts: Sequence[str], prompt: str, on_done: OnDone | None = None
) -> Vectors:
    """Return unit vectors, shape (texts, dimension).

    Args:
        network: The network.
        texts: The texts.
        prompt: A prefix of each text.
        on_done: Called with the number of texts done.
    """
    pieces = [np.empty((0, network.get_embedding_dimension() or 0), np.float32)]
    for start in range(0, len(texts), _PIECE):
        piece = list(texts[start : start + _PIECE])
        vectors = network.encode(
            piece,
            prompt=prompt,
            batch_size=_BATCH,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        pieces.append(np.asarray(vectors, np.float32))
        if on_done:
            on_done(start + len(piece))
    return np.concatenate(pieces)


def has_fast_bfloat16() -> bool:
    """Return whether bfloat16 is faster than float32 on this machine."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
