"""Weights and tokenizers of the Hugging Face format, from the hub, a folder or a GGUF file."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

from huggingface_hub.utils import logging as hub_logging
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

from ingest import UsageError

_LOADING = threading.RLock()


def context_window(weights: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> int:
    """Return the most tokens that fit into the model's context."""
    positions = getattr(weights.config.get_text_config(), "max_position_embeddings", None)
    # Where a tokenizer states no limit, transformers makes up a huge one.
    limit: int = tokenizer.model_max_length
    return min(positions, limit) if positions else limit


def load_tokenizer(model: str) -> PreTrainedTokenizerFast:
    """Return the tokenizer of ``model``, loaded once a process.

    Raises:
        UsageError: It can't be loaded.
    """
    with _LOADING:
        return _load_tokenizer(model)


def load_weights(model: str) -> PreTrainedModel:
    """Return the weights of ``model``, loaded once a process.

    Raises:
        UsageError: They can't be loaded.
    """
    with _LOADING:
        return _load_weights(model)


@cache
def _load_tokenizer(model: str) -> PreTrainedTokenizerFast:
    tokenizer = _from_pretrained(AutoTokenizer, model)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UsageError(f"huggingface:{model} has no tokenizer.json: choose another model")
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


@cache
def _load_weights(model: str) -> PreTrainedModel:
    safe = {} if Path(model).suffix == ".gguf" else {"use_safetensors": True}
    weights = _from_pretrained(AutoModelForCausalLM, model, dtype="auto", **safe)
    weights.eval()
    return cast("PreTrainedModel", weights)


def _from_pretrained(kind: Any, model: str, **options: Any) -> Any:
    place, of_place = _place(model)
    load = partial(kind.from_pretrained, place, trust_remote_code=False, **of_place, **options)
    with _loading(model):
        try:
            return load(local_files_only=True)
        except OSError:
            # What is on this machine never asks the hub, which may be out of reach.
            if Path(place).exists():
                raise
            return load()


def _place(model: str) -> tuple[str, dict[str, str]]:
    path = Path(model).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UsageError(f"huggingface:{model}: there is no such file")
        return str(path.parent), {"gguf_file": path.name}
    return (str(path) if path.is_dir() else model), {}


@contextmanager
def _loading(model: str) -> Iterator[None]:
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub_verbosity = hub_logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        # The GGUF reader draws a bar that no setting turns off.
        with redirect_stderr(io.StringIO()):
            yield
    except Exception as error:
        raise UsageError(
            f"huggingface:{model} can't be loaded: {first_line(error).rstrip('.')}. "
            "Give a local folder, a .gguf file, or the id of a model on the hub"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def first_line(error: Exception) -> str:
    """Return what ``error`` says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
