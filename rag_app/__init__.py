"""Ask questions of your own documents and check every answer.

The names are loaded when they are first used, so that ``import rag_app`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag_app.app import RagApp
    from rag_app.chain import retrieval_qa
    from rag_app.conversation import Condensed, Conversation, Turn
    from rag_app.langchain_tool import ToolArtifact
    from rag_app.llms import chat_model
    from rag_app.prompts import load_prompt
    from rag_app.settings import Settings
    from rag_app.types import Answer, Citation, Retrieved, ScoredChunk, Thinking, Token

_HOMES = {
    "Answer": "rag_app.types",
    "Citation": "rag_app.types",
    "Condensed": "rag_app.conversation",
    "Conversation": "rag_app.conversation",
    "RagApp": "rag_app.app",
    "Retrieved": "rag_app.types",
    "ScoredChunk": "rag_app.types",
    "Settings": "rag_app.settings",
    "Thinking": "rag_app.types",
    "Token": "rag_app.types",
    "ToolArtifact": "rag_app.langchain_tool",
    "Turn": "rag_app.conversation",
    "chat_model": "rag_app.llms",
    "load_prompt": "rag_app.prompts",
    "retrieval_qa": "rag_app.chain",
}

__all__ = [
    "Answer",
    "Citation",
    "Condensed",
    "Conversation",
    "RagApp",
    "Retrieved",
    "ScoredChunk",
    "Settings",
    "Thinking",
    "Token",
    "ToolArtifact",
    "Turn",
    "chat_model",
    "load_prompt",
    "retrieval_qa",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'rag_app' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
