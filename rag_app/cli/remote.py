"""``rag ask --server``: ask a running server, without loading a model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag_app.types import Answer

_TOKEN = "RAG_SERVER_TOKEN"
_FILES = (".env", "rag.toml")


def ask_server(url: str, collection: str | None, question: str, **choices: Any) -> Answer:
    """Return the answer of a server.

    Raises:
        UsageError: The server refuses the question.
        ProviderError: The server can't be reached, or fails.
    """
    from rag_app.client import RagClient

    with RagClient(url, token=_token(), collection=collection) as client:
        return client.ask(question, **choices)


def _token() -> str | None:
    """Return the token; the settings are loaded only if one of their files may hold it."""
    if token := os.environ.get(_TOKEN):
        return token
    if not any(map(os.path.exists, _FILES)):
        return None
    from rag_app.settings import load_settings

    kept = load_settings().server_token
    return kept.get_secret_value() if kept else None
