"""Answer a question of a collection as a stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from rag_app.conversation import Condensed, Conversation
from rag_app.server.api.schemas import AskRequest
from rag_app.server.collections import Collection
from rag_app.server.counters import answering, count_answer
from rag_app.server.security.access import Access
from rag_app.types import Answer, Event


@dataclass(frozen=True, slots=True)
class Answered:
    """Last event of a stream.

    ``conversation`` and ``turn``, from 1, are None outside of a conversation.
    """

    answer: Answer
    conversation: str | None = None
    turn: int | None = None


async def answer_events(
    collection: Collection, access: Access, asked: AskRequest
) -> AsyncIterator[Condensed | Event | Answered]:
    """Yield the events of `rag_app.RagApp.stream` with `Answered` in the place of the Answer.

    In a conversation, `Condensed` may come first, and the answer is kept before it is yielded.

    Raises:
        NoConversationError: The caller has no such conversation.
        RagError: As for `rag_app.RagApp.ask`.
    """
    stream: Any = counted(collection, _events(collection, access, asked))
    async with aclosing(stream) as events:
        async for event in events:
            yield event


async def counted(collection: Collection, stream: Any) -> AsyncIterator[Any]:
    """Yield the events of a stream of a collection, and count its answer."""
    with answering(collection.name):
        async with aclosing(stream) as events:
            async for event in events:
                answer = event.answer if isinstance(event, Answered) else event
                if isinstance(answer, Answer):
                    count_answer(collection.name, answer)
                yield event


async def _events(
    collection: Collection, access: Access, asked: AskRequest
) -> AsyncIterator[Condensed | Event | Answered]:
    app = collection.asked(asked.llm, asked.prompt, asked.top_k)
    if asked.conversation is None:
        stream: Any = app.astream(asked.question, asked.filter)
        async with aclosing(stream) as events:
            async for event in events:
                yield Answered(event) if isinstance(event, Answer) else event
        return
    store = collection.conversations
    _, turns = store.read(access.name, asked.conversation)
    conversation = Conversation(app, turns)
    stream = conversation.astream(asked.question, asked.filter)
    async with aclosing(stream) as events:
        async for event in events:
            if isinstance(event, Answer):
                turn = store.add(access.name, asked.conversation, conversation.history[-1])
                event = Answered(event, asked.conversation, turn)
            yield event


async def answered(collection: Collection, access: Access, asked: AskRequest) -> Answered:
    """Return the last event of `answer_events`."""
    stream: Any = answer_events(collection, access, asked)
    async with aclosing(stream) as events:
        async for event in events:
            if isinstance(event, Answered):
                return event
    raise AssertionError("a stream ends with its answer")
