"""Embedding models, named ``provider:model``."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from langchain_core.embeddings import Embeddings

from ingest.embeddings.bundled import E5, MINILM, BundledEmbeddings, BundledModel
from ingest.embeddings.e5 import read_tokenizer
from ingest.embeddings.e5_folder import e5_folder
from ingest.embeddings.minilm import minilm_folder
from ingest.embeddings.model import EmbeddingModel
from ingest.embeddings.types import (
    EmbeddingIdentity,
    Passage,
    PassageVectors,
    ScoredSpan,
    SentenceVectors,
    scored_together,
)
from ingest.errors import MissingExtraError, UsageError
from ingest.network import keep_offline, openai_address
from ingest.settings import IndexSettings

__all__ = [
    "EmbeddingIdentity",
    "EmbeddingModel",
    "Passage",
    "PassageVectors",
    "ScoredSpan",
    "SentenceVectors",
    "embedding_model",
    "model_folder",
    "scored_together",
    "wrap_embeddings",
]

# Most models read at least this much; LangChain's interface does not say.
_CAUTIOUS_MAX_TOKENS = 256
_POSSIBLE = (
    "bundled:e5-small-en-pt, bundled:all-MiniLM-L6-v2, huggingface:<id or folder>, openai:<model>"
)


def embedding_model(settings: IndexSettings) -> EmbeddingModel:
    """Return the model named by ``settings.embedding``.

    Raises:
        UsageError: If there is no such model, its extra or key is missing, or it sends text off
            this machine and ``offline`` is set.
        ProviderError: If its server fails.
    """
    provider, _, model = settings.embedding.partition(":")
    address = openai_address(settings.embedding_base_url) if provider == "openai" else None
    keep_offline(settings, f"embedding model '{settings.embedding}'", address)
    match provider, model:
        case "bundled", E5.name | MINILM.name:
            return wrap_embeddings(_loaded(E5 if model == E5.name else MINILM))
        case "huggingface", model if model:
            _require(settings.embedding, "huggingface")
            from ingest.embeddings.huggingface import huggingface_model

            return huggingface_model(model)
        case "openai", model if model:
            _require(settings.embedding, "openai")
            from ingest.embeddings.openai import openai_model

            return openai_model(model, settings.embedding_base_url, settings.openai_api_key)
    raise UsageError(f"unknown embedding model '{settings.embedding}'; possible: {_POSSIBLE}")


def model_folder(settings: IndexSettings) -> Path:
    """Return the folder of the model's weights; raises UsageError if it has none on this disk."""
    provider, _, model = settings.embedding.partition(":")
    keep_offline(settings, f"embedding model '{settings.embedding}'", None)
    match provider, model:
        case "bundled", E5.name:
            return e5_folder()
        case "bundled", MINILM.name:
            return minilm_folder()
        case "huggingface", model if model:
            _require(settings.embedding, "huggingface")
            from ingest.embeddings.huggingface import model_folder as folder_of

            return folder_of(model)
        case "openai", model if model:
            raise UsageError(
                f"{settings.embedding} has no weights here: set RAG_EMBEDDING to "
                "bundled:e5-small-en-pt or huggingface:<id or folder>"
            )
    raise UsageError(f"unknown embedding model '{settings.embedding}'; possible: {_POSSIBLE}")


@cache
def _loaded(model: BundledModel) -> BundledEmbeddings:
    """Return the model, loaded once per process; its threads do not survive a fork."""
    return BundledEmbeddings(model)


def wrap_embeddings(embeddings: Embeddings) -> EmbeddingModel:
    """Return a model of any LangChain embeddings; their dimension is found with a test call."""
    if isinstance(embeddings, BundledEmbeddings):
        return EmbeddingModel(embeddings, embeddings.identity, embeddings.tokenizer)
    identity = EmbeddingIdentity(
        provider="langchain",
        model=type(embeddings).__name__,
        dimension=len(embeddings.embed_query("probe")),
        max_tokens=_CAUTIOUS_MAX_TOKENS,
        precision="unknown",
    )
    return EmbeddingModel(embeddings, identity, read_tokenizer())


def _require(what: str, extra: str) -> None:
    if find_spec(f"langchain_{extra}") is None:
        raise MissingExtraError(f"embedding model '{what}'", extra)
