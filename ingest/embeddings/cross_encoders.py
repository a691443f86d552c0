"""Load cross-encoders, models that read two texts together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingest.embeddings import model_folder
from ingest.errors import MissingExtraError, UsageError
from ingest.settings import IndexSettings


def load_cross_encoder(name: str, role: str) -> Any:
    """Return the `CrossEncoder` of sentence-transformers called ``huggingface:<id or folder>``.

    Args:
        name: The model; it is asked for at the hub if it is on this disk neither as folder nor id.
        role: What it is to be, such as ``a reranker``.

    Raises:
        UsageError: If the name is of another form, or there is no such model.
        MissingExtraError: If sentence-transformers is not installed.
    """
    provider, _, model = name.partition(":")
    if provider != "huggingface" or not model:
        raise UsageError(f"'{name}' is not {role}: choose huggingface:<id or folder>")
    try:
        from sentence_transformers import CrossEncoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"'{name}' as {role}", "huggingface") from error
    # Asked itself, a hub out of reach is asked again for most of a minute.
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
        raise UsageError(f"the {where} '{model}' is no cross-encoder that can be loaded") from error
