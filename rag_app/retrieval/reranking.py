"""Reorder the best chunks with a cross-encoder, which reads question and chunk together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ingest import IndexSettings, MissingExtraError, UsageError, model_folder
from rag_app.retrieval.ranking import Ranked

_CONSIDERED = 30

# Takes a question and texts, and returns a score for each text.
Rerank = Callable[[str, Sequence[str]], Sequence[float]]


def cross_encoder(name: str) -> Rerank:
    """Return the reranker called ``huggingface:<id or folder>``.

    Raises:
        UsageError: If the name is of another form, or there is no such model.
        MissingExtraError: If sentence-transformers is not installed.
    """
    provider, _, model = name.partition(":")
    if provider != "huggingface" or not model:
        raise UsageError(f"'{name}' is not a reranker: choose huggingface:<id or folder>")
    encoder = _load(name, model)

    def rerank(question: str, texts: Sequence[str]) -> Sequence[float]:
        pairs = [(question, text) for text in texts]
        scores: Sequence[float] = encoder.predict(pairs, show_progress_bar=False).tolist()
        return scores

    return rerank


def reorder(question: str, ranked: Sequence[Ranked], rerank: Rerank) -> list[Ranked]:
    """Return ``ranked`` with the best 30 in the order of the reranker; scores stay."""
    head = ranked[:_CONSIDERED]
    scores = rerank(question, [one.candidate.row.chunk.embedding_text for one in head])
    order = sorted(range(len(head)), key=lambda at: -scores[at])
    return [*(head[at] for at in order), *ranked[_CONSIDERED:]]


def _load(name: str, model: str) -> Any:
    try:
        from sentence_transformers import CrossEncoder
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the reranker '{name}'", "huggingface") from error
    # Asked itself, a hub out of reach is asked again for most of a minute.
    folder = model_folder(IndexSettings(embedding=name))
    try:
        return CrossEncoder(str(folder), trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        where = "folder" if Path(model).is_dir() else "model or folder"
        raise UsageError(f"the {where} '{model}' is no cross-encoder that can be loaded") from error
