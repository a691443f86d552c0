"""``/v1/chat/completions``."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from rag_app.server.protocols.openai_errors import OpenAIRoute, error_body, openai_problems, refuse
from rag_app.server.protocols.openai_messages import read_messages
from rag_app.server.protocols.openai_models import served_model
from rag_app.server.protocols.openai_schemas import (
    ChatChoice,
    ChatCompletion,
    ChatReply,
    ChatRequest,
    ChatUsage,
)
from rag_app.server.protocols.openai_text import answer_markdown, footnotes
from rag_app.server.requests import unless_disconnected
from rag_app.types import Answer, Thinking

router = APIRouter(route_class=OpenAIRoute)

_STREAM: dict[str, Any] = {"text/event-stream": {}}


@router.post(
    "/chat/completions",
    response_model=ChatCompletion,
    responses=openai_problems()
    | {200: {"description": "The answer, or its chunks", "content": _STREAM}},
)
async def complete_chat(request: Request, asked: ChatRequest) -> ChatCompletion | Response:
    """Answer the last user message from the documents; the messages before are the conversation.

    System and developer messages, and parameters such as ``temperature``, don't change the answer:
    it comes from the documents and the settings of the collection. Footnotes with the quotes follow
    its text; the extra field ``citations`` of the message holds them with their offsets. In a
    stream, ``citations`` are in the last chunk with a choice, thinking comes as
    ``reasoning_content`` while it is thought, and the text once its quotes are checked: what was
    sent could not be taken back.
    """
    _refuse_unsupported(asked)
    model = served_model(request, asked.model)
    events = await read_messages(asked.messages, "messages").events(model)
    if asked.stream:
        return EventSourceResponse(_chunks(asked, events))
    return await unless_disconnected(request, _completion(asked.model, events))


def _refuse_unsupported(asked: ChatRequest) -> None:
    format_ = asked.response_format
    refuse(
        n=asked.n not in (None, 1),
        tools=bool(asked.tools),
        functions=bool(asked.functions),
        response_format=format_ is not None and format_.type != "text",
        modalities=asked.modalities not in (None, ["text"]),
        logprobs=bool(asked.logprobs),
    )


async def _completion(model: str, stream: Any) -> ChatCompletion:
    thoughts = ""
    async with aclosing(stream) as events:
        async for event in events:
            if isinstance(event, Thinking):
                thoughts += event.text
            elif isinstance(event, Answer):
                return _completed(model, event, thoughts)
    raise AssertionError("a stream ends with its answer")


def _completed(model: str, answer: Answer, thoughts: str) -> ChatCompletion:
    reply = ChatReply(
        content=answer_markdown(answer) + footnotes(answer),
        reasoning_content=thoughts or None,
        citations=[*answer.citations, *answer.nearest],
    )
    return ChatCompletion(
        id=_id(),
        created=int(time.time()),
        model=model,
        choices=[ChatChoice(message=reply, finish_reason=finish_reason(answer))],
        usage=_usage(answer),
    )


async def _chunks(asked: ChatRequest, stream: Any) -> AsyncIterator[ServerSentEvent]:
    head = {
        "id": _id(),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": asked.model,
    }
    wants_usage = asked.stream_options is not None and asked.stream_options.include_usage
    try:
        pieces: Any = _deltas(stream)
        async with aclosing(pieces) as deltas:
            async for delta, answer in deltas:
                reason = finish_reason(answer) if answer else None
                choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
                yield _data(head | {"choices": [choice]})
        if wants_usage:
            yield _data(head | {"choices": [], "usage": _usage(answer).model_dump()})
        yield ServerSentEvent("[DONE]")
    except Exception as error:
        yield _data(error_body(error).model_dump())


async def _deltas(stream: Any) -> AsyncIterator[tuple[dict[str, Any], Answer | None]]:
    """Yield the pieces of a message; the answer comes with the last one."""
    yield {"role": "assistant", "content": ""}, None
    async with aclosing(stream) as events:
        async for event in events:
            if isinstance(event, Thinking):
                yield {"reasoning_content": event.text}, None
            elif isinstance(event, Answer):
                yield {"content": answer_markdown(event)}, None
                if notes := footnotes(event):
                    yield {"content": notes}, None
                cited = [asdict(one) for one in (*event.citations, *event.nearest)]
                yield {"citations": cited}, event


def finish_reason(answer: Answer) -> Any:
    """Return ``length`` if the answer reached its longest length, else ``stop``."""
    return "length" if answer.usage.get("cut") else "stop"


def tokens_used(answer: Answer) -> tuple[int, int]:
    """Return the tokens read and written; 0 where the model does not tell."""
    usage = answer.usage
    return int(usage.get("input_tokens", 0)), int(usage.get("output_tokens", 0))


def _usage(answer: Answer) -> ChatUsage:
    read, written = tokens_used(answer)
    return ChatUsage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


def _data(record: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(record, ensure_ascii=False))


def _id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"
