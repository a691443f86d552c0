"""``/api/ask`` and ``/api/search``."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from ingest import RagError
from rag_app.conversation import Condensed
from rag_app.server.answering import Answered, answer_events, answered
from rag_app.server.api.schemas import (
    AskRequest,
    ChunkRecord,
    KeptAnswerRecord,
    Problem,
    SearchRequest,
)
from rag_app.server.collections import Collection
from rag_app.server.conversation_store import NoConversationError
from rag_app.server.requests import (
    EVENTS,
    Caller,
    Readable,
    problems,
    unless_disconnected,
    wants_events,
)
from rag_app.server.security.access import Access
from rag_app.types import Answer, Event, Retrieved, Thinking, Token

router = APIRouter(prefix="/api", tags=["questions"])

_LOG = logging.getLogger(__name__)
_STREAM = {
    EVENTS: {
        "schema": {"type": "string"},
        "example": 'event: token\ndata: {"text": "Twelve months."}\n\n',
    }
}


@router.post(
    "/ask",
    response_model=KeptAnswerRecord,
    responses=problems(400, 409, 502, 503)
    | {200: {"description": "The answer, or its events", "content": _STREAM}},
)
async def ask(
    request: Request, asked: AskRequest, collection: Readable, access: Caller
) -> KeptAnswerRecord | Response:
    """Answer a question.

    With ``Accept: text/event-stream`` the answer comes as events, each with a JSON object:
    ``retrieved`` with ``chunks``; ``condensed`` with the ``question`` that a follow-up was
    rewritten to; ``thinking`` and ``token`` with ``text``; last ``answer`` with the same object as
    without events, or ``error`` with ``detail``.
    """
    if wants_events(request):
        return EventSourceResponse(_server_sent(collection, access, asked))
    done = await unless_disconnected(request, answered(collection, access, asked))
    return _kept(done)


@router.post("/search", responses=problems(400, 409, 503))
async def search(request: Request, asked: SearchRequest, collection: Readable) -> list[ChunkRecord]:
    """Return the chunks retrieved for a question, best first."""
    retriever = collection.asked(top_k=asked.top_k).asearch(asked.question, asked.filter)
    return [ChunkRecord.of(chunk) for chunk in await unless_disconnected(request, retriever)]


async def _server_sent(
    collection: Collection, access: Access, asked: AskRequest
) -> AsyncIterator[ServerSentEvent]:
    stream: Any = answer_events(collection, access, asked)
    try:
        async with aclosing(stream) as events:
            async for event in events:
                yield _event(event)
    except (RagError, NoConversationError) as error:
        yield _message("error", Problem(detail=str(error)).model_dump_json())
    except Exception:
        _LOG.exception("an answer failed")
        yield _message("error", '{"detail":"an internal error: the log of the server has more"}')


def _event(event: Condensed | Event | Answered) -> ServerSentEvent:
    match event:
        case Answered():
            return _message("answer", _kept(event).model_dump_json())
        case Retrieved():
            return _message(
                "retrieved", json.dumps({"chunks": [chunk.to_record() for chunk in event.chunks]})
            )
        case Condensed():
            return _message("condensed", json.dumps({"question": event.question}))
        case Thinking() | Token():
            name = type(event).__name__.lower()
            return _message(name, json.dumps({"text": event.text}))
        case Answer():
            raise AssertionError("the last event is Answered")


def _message(name: str, data: str) -> ServerSentEvent:
    return ServerSentEvent(data, event=name)


def _kept(done: Answered) -> KeptAnswerRecord:
    record = done.answer.to_record()
    return KeptAnswerRecord(**record, conversation=done.conversation, turn=done.turn)
