"""Ask questions of your own documents and check every answer.

The names are loaded when they are first used, so that ``import rag_app`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag_app.app import RagApp as RagApp
    from rag_app.chain import retrieval_qa as retrieval_qa
    from rag_app.client import RagClient as RagClient
    from rag_app.conversation import Condensed as Condensed
    from rag_app.conversation import Conversation as Conversation
    from rag_app.conversation import Turn as Turn
    from rag_app.langchain_tool import ToolArtifact as ToolArtifact
    from rag_app.llms import chat_model as chat_model
    from rag_app.prompts import load_prompt as load_prompt
    from rag_app.settings import Settings as Settings
    from rag_app.types import Answer as Answer
    from rag_app.types import Citation as Citation
    from rag_app.types import Retrieved as Retrieved
    from rag_app.types import ScoredChunk as ScoredChunk
    from rag_app.types import Thinking as Thinking
    from rag_app.types import Token as Token

_NAMES = {
    "app": "RagApp",
    "chain": "retrieval_qa",
    "client": "RagClient",
    "conversation": "Condensed Conversation Turn",
    "langchain_tool": "ToolArtifact",
    "llms": "chat_model",
    "prompts": "load_prompt",
    "settings": "Settings",
    "types": "Answer Citation Retrieved ScoredChunk Thinking Token",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
