"""The bundled e5 model as a folder that Sentence Transformers loads, for tuning and comparison."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.embeddings import e5
from ingest.embeddings.bert import BertWeights, Config
from ingest.embeddings.compile_cache import cache_folder

_POOLING = "1_Pooling"


def e5_folder() -> Path:
    """Return the folder of the model's weights as float32, written on first use.

    Raises:
        UsageError: If the weights are missing or damaged.
    """
    folder = cache_folder() / f"{e5.NAME}-{e5.SHA256[:16]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary, folder.name)
            write_folder(made)
            try:
                made.rename(folder)
            except OSError:
                # Another process may have written it meanwhile.
                if not folder.is_dir():
                    raise
    return folder


def write_folder(folder: Path) -> None:
    """Write weights, tokenizer and settings into a new folder."""
    from safetensors.numpy import save_file

    weights = e5.read_weights()
    (folder / _POOLING).mkdir(parents=True)
    tensors = {name: weights.dense(name) for name in weights.tensors}
    save_file(tensors | _unused_pooler(weights.config.width), folder / "model.safetensors")
    e5.read_tokenizer().save(str(folder / "tokenizer.json"))
    for name, content in _settings(weights).items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _unused_pooler(width: int) -> dict[str, NDArray[np.float32]]:
    """Return a layer that e5 does not use, but that transformers warns about if it is missing."""
    return {
        "pooler.dense.weight": np.zeros((width, width), np.float32),
        "pooler.dense.bias": np.zeros(width, np.float32),
    }


def _settings(weights: BertWeights) -> dict[str, Any]:
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    transformers = "sentence_transformers.models"
    return {
        "config.json": _config(weights.config, len(weights.dense(e5.WORDS))),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": e5.MAX_TOKENS,
            "cls_token": "<s>",
            "sep_token": "</s>",
            **special,
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{transformers}.Transformer"},
            {"idx": 1, "name": "1", "path": _POOLING, "type": f"{transformers}.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{transformers}.Normalize"},
        ],
        f"{_POOLING}/config.json": {
            "word_embedding_dimension": weights.config.width,
            "pooling_mode_mean_tokens": True,
        },
        "sentence_bert_config.json": {"max_seq_length": e5.MAX_TOKENS, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": {"query": e5.QUERY_PROMPT, "document": e5.DOCUMENT_PROMPT},
            "similarity_fn_name": "cosine",
        },
    }


def _config(config: Config, vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": config.width,
        "intermediate_size": config.hidden,
        "layer_norm_eps": config.epsilon,
        "max_position_embeddings": e5.MAX_TOKENS,
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "pad_token_id": 1,
        "type_vocab_size": 2,
        "vocab_size": vocabulary,
        "torch_dtype": "float32",
    }
