"""``/v1``: the API of OpenAI, as far as other tools need it to ask a collection as a model."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Request
from numpy.typing import NDArray

from ingest import EmbeddingModel
from rag_app.server.protocols import openai_chat, openai_responses
from rag_app.server.protocols.openai_errors import OpenAIError, OpenAIRoute, openai_problems
from rag_app.server.protocols.openai_models import served_model, served_models
from rag_app.server.protocols.openai_schemas import (
    Embedding,
    EmbeddingList,
    EmbeddingsRequest,
    EmbeddingsUsage,
    Model,
    ModelList,
)
from rag_app.server.requests import unless_disconnected

_own = APIRouter(route_class=OpenAIRoute)


@_own.get("/models", responses=openai_problems())
def list_models(request: Request) -> ModelList:
    """Return a model for each collection, and one for each further chat model it offers."""
    return ModelList(data=[Model(id=model.id) for model in served_models(request)])


@_own.get("/models/{id:path}", responses=openai_problems())
def read_model(request: Request, id: Annotated[str, Path(max_length=400)]) -> Model:
    """Return a model."""
    return Model(id=served_model(request, id).id)


@_own.post("/embeddings", responses=openai_problems())
async def embed(request: Request, asked: EmbeddingsRequest) -> EmbeddingList:
    """Return the vectors of texts by the embedding model of a collection.

    The model embeds questions in another way than passages: the extra field ``input_type`` says
    which the texts are.
    """
    app = served_model(request, asked.model).app
    embedding = await asyncio.to_thread(lambda: app.embedding)  # it may have to be loaded
    texts = _texts(asked)
    if asked.dimensions not in (None, embedding.identity.dimension):
        raise OpenAIError(
            f"dimensions: the vectors have {embedding.identity.dimension}, and are not shortened",
            "dimensions",
            "unsupported_value",
        )
    work = asyncio.to_thread(_vectors, embedding, texts, asked.input_type == "query")
    vectors, tokens = await unless_disconnected(request, work)
    as_base64 = asked.encoding_format == "base64"
    return EmbeddingList(
        data=[
            Embedding(index=index, embedding=_base64(one) if as_base64 else one.tolist())
            for index, one in enumerate(vectors)
        ],
        model=asked.model,
        usage=EmbeddingsUsage(prompt_tokens=tokens, total_tokens=tokens),
    )


def _texts(asked: EmbeddingsRequest) -> list[str]:
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    texts = [one for one in given if isinstance(one, str)]
    if len(texts) < len(given):
        raise OpenAIError(
            "input: tokens of another model can't be embedded, send text "
            "(in LangChain's OpenAIEmbeddings: check_embedding_ctx_length=False)",
            "input",
            "unsupported_value",
        )
    return texts


def _vectors(
    embedding: EmbeddingModel, texts: Sequence[str], queries: bool
) -> tuple[NDArray[np.float32], int]:
    """Return the vectors, shape (texts, dimension), and the number of tokens of the texts."""
    vectors = (
        np.stack([embedding.embed_query(text) for text in texts])
        if queries
        else embedding.embed_documents(texts)
    )
    return vectors, sum(len(one.ids) for one in embedding.tokenizer.encode_batch(list(texts)))


def _base64(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


router = APIRouter(prefix="/v1", tags=["openai"])
for part in (_own, openai_chat.router, openai_responses.router):
    router.include_router(part)
