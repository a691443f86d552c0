"""Load weights and tokenizers in Hugging Face format from the hub, a folder or a GGUF file."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import logging as hub_logging
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging

from ingest import ProviderError, RagError, UsageError

INT8 = "int8"
_LOADING = threading.RLock()
# Chosen by hand; transformers itself retries an unreachable hub for most of a minute.
_HUB_SECONDS = 4


def context_window(model: str, revision: str | None = None) -> int:
    """Return the context window of ``model`` in tokens.

    Raises:
        RagError: As for `load_weights`.
    """
    with _LOADING:
        config = _load_config(model, revision)
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    # Without a limit in the tokenizer, transformers sets a huge one.
    limit: int = load_tokenizer(model, revision).model_max_length
    return min(positions, limit) if positions else limit


def load_tokenizer(model: str, revision: str | None = None) -> PreTrainedTokenizerFast:
    """Return the tokenizer of ``model``, loaded once per process.

    Raises:
        RagError: As for `load_weights`.
    """
    with _LOADING:
        return _load_tokenizer(model, revision)


def load_weights(
    model: str, revision: str | None = None, dtype: str = "auto", device: str = "auto"
) -> PreTrainedModel:
    """Return ``model`` with its weights, loaded once per process.

    Args:
        model: Hub id, folder, or path of a ``.gguf`` file.
        revision: Commit, tag or branch on the hub.
        dtype: As of `HuggingFaceChatModel`.
        device: As of `HuggingFaceChatModel`.

    Raises:
        ProviderError: The model is not on this disk and the hub can't be reached.
        UsageError: It can't be loaded.
    """
    found = _device(model, device)
    if dtype == INT8:
        _check_int8(model, found)
    with _LOADING:
        return _load_weights(model, revision, dtype, found)


@cache
def _load_config(model: str, revision: str | None) -> PreTrainedConfig:
    return cast("PreTrainedConfig", _from_pretrained(AutoConfig, model, revision))


@cache
def _load_tokenizer(model: str, revision: str | None) -> PreTrainedTokenizerFast:
    tokenizer = _from_pretrained(AutoTokenizer, model, revision)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UsageError(f"huggingface:{model} has no tokenizer.json: choose another model")
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


@cache
def _load_weights(model: str, revision: str | None, dtype: str, device: str) -> PreTrainedModel:
    safe = {} if Path(model).suffix == ".gguf" else {"use_safetensors": True}
    config = _load_config(model, revision)
    numbers = "auto" if dtype == INT8 else dtype
    weights = _from_pretrained(
        AutoModelForCausalLM, model, revision, config=config, dtype=numbers, **safe
    )
    weights.eval()
    if dtype == INT8:
        _to_int8(model, weights)
    return cast("PreTrainedModel", weights.to(device))


def _check_int8(model: str, device: str) -> None:
    if device == "mps":
        raise UsageError(f"huggingface:{model}: int8 does not run on mps: set llm_device to cpu")
    if find_spec("torchao") is None:
        raise UsageError(f"huggingface:{model}: int8 needs a package: pip install torchao")


def _to_int8(model: str, weights: PreTrainedModel) -> None:
    """Quantize the linear layers to int8, except the last, which may be tied to the first."""
    last = weights.get_output_embeddings()  # type: ignore[no-untyped-call]

    def is_quantized(module: torch.nn.Module, name: str) -> bool:
        # Weights that are quantized on disk have other types.
        linear = isinstance(module, torch.nn.Linear) and type(module.weight) is torch.nn.Parameter
        return linear and module is not last

    with _loading(model):
        from torchao.quantization import Int8WeightOnlyConfig, quantize_

        quantize_(weights, Int8WeightOnlyConfig(), filter_fn=is_quantized)


def _device(model: str, wanted: str) -> str:
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((device for device, here in found.items() if here), "cpu")
    if not found.get(wanted, True):
        raise UsageError(
            f"huggingface:{model}: this machine has no '{wanted}': set llm_device to auto or cpu"
        )
    return wanted


def _from_pretrained(kind: Any, model: str, revision: str | None, **options: Any) -> Any:
    place, of_place = _place(model, revision)
    load = partial(kind.from_pretrained, place, trust_remote_code=False, **of_place, **options)
    with _loading(model):
        try:
            return load(local_files_only=True)
        except OSError:
            # A model on this disk never needs the hub, which may be unreachable.
            if Path(place).exists():
                raise
        _ask_the_hub(model, revision)
        return load()


def _place(model: str, revision: str | None) -> tuple[str, dict[str, str]]:
    path = Path(model).expanduser()
    if path.suffix == ".gguf" and not path.is_file():
        raise UsageError(f"huggingface:{model}: there is no such file")
    # A hub id is a name, or an owner and a name.
    is_folder = path.is_absolute() or model.startswith((".", "~")) or len(path.parts) > 2
    if is_folder and path.suffix != ".gguf" and not path.is_dir():
        raise UsageError(f"huggingface:{model}: there is no such folder")
    if revision and path.exists():
        raise UsageError(
            f"huggingface:{model} is on this disk and has no revisions: unset llm_revision, "
            "which is for models from the hub"
        )
    if path.suffix == ".gguf":
        return str(path.parent), {"gguf_file": path.name}
    of_hub = {"revision": revision} if revision else {}
    return (str(path) if path.is_dir() else model), of_hub


def _ask_the_hub(model: str, revision: str | None) -> None:
    """Raise at once the error that loading from the hub would raise after many retries."""
    try:
        HfApi().model_info(model, revision=revision, timeout=_HUB_SECONDS)
    except (HfHubHTTPError, HFValidationError):
        raise
    except Exception as error:
        raise ProviderError(
            f"huggingface:{model} is not on this disk, and the hub can't be reached "
            f"({type(error).__name__}): check the id and the connection (offline, "
            "HF_HUB_OFFLINE), or give a local folder or a .gguf file"
        ) from error


@contextmanager
def _loading(model: str) -> Iterator[None]:
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub_verbosity = hub_logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        # The GGUF reader's progress bar can't be turned off.
        with redirect_stderr(io.StringIO()):
            yield
    except RagError:
        raise
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise UsageError(
            f"huggingface:{model} needs the package {package}: pip install {package}"
        ) from error
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
    """Return the first line of the message of ``error``, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
