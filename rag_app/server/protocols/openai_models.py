"""The models of the OpenAI-compatible API: collections, each with the chat models it offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import Request

from rag_app.app import RagApp
from rag_app.server.collections import Collection
from rag_app.server.protocols.openai_errors import OpenAIError
from rag_app.server.requests import collections_of
from rag_app.server.security.access import Access


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A collection with a chat model.

    Attributes:
        id: ``NAME`` with the collection's own chat model, or ``NAME/LLM`` with another one.
        collection: The collection.
        llm: The other chat model; None is the collection's own.
    """

    id: str
    collection: Collection
    llm: str | None = None

    @property
    def app(self) -> RagApp:
        """The app that answers."""
        return self.collection.asked(self.llm)


def served_models(request: Request) -> list[ServedModel]:
    """Return the models of the collections that the caller may read."""
    access: Access = request.state.access
    readable = collections_of(request).readable_by(access)
    return [model for collection in readable for model in _of(collection)]


def served_model(request: Request, id: str) -> ServedModel:
    """Return a model.

    Raises:
        OpenAIError: There is none, or the caller may not read its collection.
    """
    for model in served_models(request):
        if model.id == id:
            return model
    raise OpenAIError(
        f"the model '{id}' does not exist: /v1/models lists those that do",
        "model",
        "model_not_found",
        404,
    )


def _of(collection: Collection) -> Iterator[ServedModel]:
    yield ServedModel(collection.name, collection)
    for choice in collection.models[1:]:
        yield ServedModel(f"{collection.name}/{choice.name}", collection, choice.name)
