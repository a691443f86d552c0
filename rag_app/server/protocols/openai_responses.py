"""``/v1/responses``: text in, text out, nothing stored."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import JSONResponse

from rag_app.server.protocols.openai_chat import finish_reason, tokens_used
from rag_app.server.protocols.openai_errors import OpenAIRoute, error_body, openai_problems, refuse
from rag_app.server.protocols.openai_messages import read_messages
from rag_app.server.protocols.openai_models import served_model
from rag_app.server.protocols.openai_schemas import (
    IncompleteDetails,
    InputItem,
    OutputMessage,
    OutputText,
    ResponseError,
    ResponseRecord,
    ResponsesRequest,
    ResponsesUsage,
)
from rag_app.server.protocols.openai_text import answer_markdown, footnotes
from rag_app.server.requests import unless_disconnected
from rag_app.types import Answer

router = APIRouter(route_class=OpenAIRoute)

_STREAM: dict[str, Any] = {"text/event-stream": {}}


@router.post(
    "/responses",
    response_model=ResponseRecord,
    responses=openai_problems()
    | {200: {"description": "The answer, or its events", "content": _STREAM}},
)
async def create_response(request: Request, asked: ResponsesRequest) -> Response:
    """Answer the input, as ``/v1/chat/completions`` answers its messages.

    ``instructions`` don't change the answer. Responses are not stored whatever ``store`` says, so
    none can be continued by its id: send the conversation as the input.
    """
    _refuse_unsupported(asked)
    model = served_model(request, asked.model)
    given = asked.input
    messages = [InputItem(role="user", content=given)] if isinstance(given, str) else given
    events = await read_messages(messages, "input").events(model)
    writing = _Writing(asked.model)
    if asked.stream:
        return EventSourceResponse(_events(writing, events))
    answer = await unless_disconnected(request, _answer(events))
    return JSONResponse(writing.done(answer).model_dump(mode="json"))


def _refuse_unsupported(asked: ResponsesRequest) -> None:
    format_ = asked.text.format if asked.text else None
    refuse(
        tools=bool(asked.tools),
        text=format_ is not None and format_.type != "text",
        previous_response_id=asked.previous_response_id is not None,
        conversation=asked.conversation is not None,
        background=bool(asked.background),
        prompt=asked.prompt is not None,
    )


@dataclass
class _Writing:
    """A response, and the events that write it."""

    model: str
    id: str = field(default_factory=lambda: f"resp_{uuid.uuid4().hex}")
    item: str = field(default_factory=lambda: f"msg_{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    numbers: Any = field(default_factory=count)

    def record(self, status: Any, **more: Any) -> ResponseRecord:
        return ResponseRecord(
            id=self.id, created_at=self.created, model=self.model, status=status, **more
        )

    def message(self, answer: Answer | None = None) -> OutputMessage:
        """Return the message, without an answer as it begins."""
        if answer is None:
            return OutputMessage(id=self.item, status="in_progress", content=[])
        return OutputMessage(
            id=self.item,
            status=_status(answer),
            content=[OutputText(text=answer_markdown(answer) + footnotes(answer))],
            citations=[*answer.citations, *answer.nearest],
        )

    def done(self, answer: Answer) -> ResponseRecord:
        read, written = tokens_used(answer)
        cut = _status(answer) == "incomplete"
        return self.record(
            _status(answer),
            output=[self.message(answer)],
            incomplete_details=IncompleteDetails() if cut else None,
            usage=ResponsesUsage(
                input_tokens=read, output_tokens=written, total_tokens=read + written
            ),
        )

    def event(self, name: str, **data: Any) -> ServerSentEvent:
        event = _Event(type=f"response.{name}", sequence_number=next(self.numbers), **data)
        return ServerSentEvent(event.model_dump_json(), event=event.type)

    def of_text(self, name: str, **data: Any) -> ServerSentEvent:
        return self.event(name, item_id=self.item, output_index=0, content_index=0, **data)


class _Event(BaseModel, extra="allow"):
    type: str
    sequence_number: int


async def _events(writing: _Writing, stream: Any) -> AsyncIterator[ServerSentEvent]:
    yield writing.event("created", response=writing.record("in_progress"))
    yield writing.event("in_progress", response=writing.record("in_progress"))
    yield writing.event("output_item.added", output_index=0, item=writing.message())
    yield writing.of_text("content_part.added", part=OutputText(text=""))
    try:
        answer = await _answer(stream)
    except Exception as error:
        failure = ResponseError(message=error_body(error).error.message)
        yield writing.event("failed", response=writing.record("failed", error=failure))
        return
    message = writing.message(answer)
    part = message.content[0]
    for piece in filter(None, (answer_markdown(answer), footnotes(answer))):
        yield writing.of_text("output_text.delta", delta=piece, logprobs=[])
    yield writing.of_text("output_text.done", text=part.text, logprobs=[])
    yield writing.of_text("content_part.done", part=part)
    yield writing.event("output_item.done", output_index=0, item=message)
    yield writing.event(_status(answer), response=writing.done(answer))


async def _answer(stream: Any) -> Answer:
    async with aclosing(stream) as events:
        async for event in events:
            if isinstance(event, Answer):
                return event
    raise AssertionError("a stream ends with its answer")


def _status(answer: Answer) -> Any:
    return "incomplete" if finish_reason(answer) == "length" else "completed"
