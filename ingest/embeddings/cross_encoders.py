"""Load cross-encoders, models that score two texts together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingest.embeddings import model_folder
from ingest.errors import MissingExtraError, UsageError
from ingest.settings import IndexSettings


def load_cross_encoder(name: str, role: str) -> Any:
    """Return the sentence-transformers `CrossEncoder` named ``huggingface:<id or folder>``.

    Args:
        name: The model; downloaded from the hub if it is not on this disk.
        role: Its role, such as ``a reranker``, for the message.

    Raises:
        UsageError: If the name has another form, or the model can't be loaded.
        MissingExtraError: If sentence-transformers is not installed.
    """
    provider, _, model = name.partition(":")
    if provider != "huggingface" or not model:
        raise UsageError(f"'{name}' is not {role}: choose huggingface:<id or folder>")
    try:
        from sentence_transformers import CrossEncoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"'{name}' as {role}", "huggingface") from error
    # CrossEncoder itself would retry an unreachable hub for most of a minute.
    folder = model_folder(IndexSettings(embedding=name))
    try:
        return CrossEncoder(
            str(folder),
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError) as error:
        where = "folder" if Path(model).is_dir() else "model or folder"
        raise UsageError(f"the {where} '{model}' is not a cross-encoder or is damaged") from error
