"""A client's messages as a question of a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag_app.app import RagApp
from rag_app.conversation import Condensed, Conversation, Turn
from rag_app.conversation.follow_ups import standalone_question
from rag_app.server.answering import counted
from rag_app.server.api.schemas import LONGEST_QUESTION
from rag_app.server.protocols.openai_errors import OpenAIError
from rag_app.server.protocols.openai_models import ServedModel
from rag_app.server.protocols.openai_schemas import ContentPart, Message
from rag_app.server.protocols.openai_text import without_footnotes
from rag_app.types import Answer, Event

_MOST_TURNS = 20  # chosen by hand
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The last user message, and the questions and answers before it, oldest first."""

    question: str
    exchanges: tuple[tuple[str, str], ...]

    async def events(self, model: ServedModel) -> AsyncIterator[Condensed | Event]:
        """Return the stream of the answer, as `rag_app.Conversation.astream` yields it.

        Raises:
            RagError: There is no index that can be asked.
        """
        conversation = await asyncio.to_thread(self._conversation, model.app)
        return counted(model.collection, conversation.astream(self.question))

    def _conversation(self, app: RagApp) -> Conversation[RagApp]:
        app.retriever()  # raises before a stream has begun
        return Conversation(app, _turns(self.exchanges, app))


def read_messages(messages: Sequence[Message], param: str) -> Asked:
    """Return what is asked.

    Messages of other roles than user and assistant don't change the answer: it comes from the
    documents only.

    Args:
        messages: The conversation.
        param: Name of the parameter they are from.

    Raises:
        OpenAIError: There is no question, it is too long, or a message has other parts than text.
    """
    texts = [(one.role, _text(one, param)) for one in messages]
    spoken = [one for one in texts if one[0] in ("user", "assistant") and one[1].strip()]
    while spoken and spoken[-1][0] != "user":
        spoken.pop()
    if not spoken:
        raise OpenAIError(f"{param}: there is no question, which is a message of a user", param)
    question = spoken[-1][1]
    if len(question) > LONGEST_QUESTION:
        raise OpenAIError(f"{param}: the question has over {LONGEST_QUESTION:,} characters", param)
    return Asked(question, tuple(_exchanges(spoken))[-_MOST_TURNS:])


def _exchanges(spoken: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for (role, question), (next_role, answer) in pairwise(spoken):
        if (role, next_role) == ("user", "assistant"):
            yield question[:LONGEST_QUESTION], without_footnotes(answer)


def _turns(exchanges: Sequence[tuple[str, str]], app: RagApp) -> list[Turn]:
    """Return the turns; clients don't keep the standalone questions, so they are made again."""
    known: list[tuple[str, str]] = []
    turns = []
    for question, reply in exchanges:
        condensed = standalone_question(question, known, None, app.embedding).text
        known.append((condensed, reply))
        turns.append(Turn(question, condensed, Answer(question, reply)))
    return turns


def _text(message: Message, param: str) -> str:
    content = message.content or ""
    if isinstance(content, str):
        return content
    return "\n".join(_part_text(part, param) for part in content)


def _part_text(part: ContentPart, param: str) -> str:
    if part.type not in _TEXT_PARTS:
        raise OpenAIError(
            f"{param}: a part of the type {part.type!r} is not supported here, only text",
            param,
            "unsupported_value",
        )
    return part.text
