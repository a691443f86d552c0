"""The app as a LangChain tool for agents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

from langchain_core.tools import StructuredTool, ToolException
from pydantic import BaseModel, Field

from ingest import UsageError
from rag_app.tool_text import tool_text
from rag_app.types import Answer, Event, Retrieved, ScoredChunk, check_question

_DESCRIPTION = """\
Answers a question from the user's own documents, with exact quotes and their sources. Use it for \
whatever these documents may say, before you answer from memory or say that you don't know. [n] \
after a sentence is the number of its quote: keep it with what you take over. Where no answer is \
sure, the texts that come nearest are returned instead, numbered: answer only what they say."""


class Question(BaseModel):
    """Arguments of the tool."""

    question: str = Field(
        description="One question, complete in itself: names instead of 'it' or 'there'. Ask "
        "several things in several calls."
    )


@dataclass(frozen=True, slots=True)
class ToolArtifact:
    """The artifact of a tool call, beside the text that the model reads.

    Attributes:
        answer: The answer with its citations.
        chunks: The chunks it was made from, best first.
    """

    answer: Answer
    chunks: tuple[ScoredChunk, ...]


def documents_tool(
    stream: Callable[[str], Iterator[Event]], astream: Callable[[str], AsyncIterator[Event]]
) -> StructuredTool:
    """Return the tool ``ask_documents`` over the ``stream`` and ``astream`` of an app.

    The model reads the answer with its quotes, or the nearest chunks where there is no sure answer;
    a blank question is returned to it as an error. `ToolMessage.artifact` is a `ToolArtifact`.
    Failures of the index and of the chat model are raised.
    """

    def ask(question: str) -> tuple[str, ToolArtifact]:
        _check(question)
        return _reply(stream(question))

    async def aask(question: str) -> tuple[str, ToolArtifact]:
        _check(question)
        return _reply([event async for event in astream(question)])

    return StructuredTool.from_function(
        ask,
        aask,
        name="ask_documents",
        description=_DESCRIPTION,
        args_schema=Question,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _check(question: str) -> None:
    try:
        check_question(question)
    except UsageError as error:
        raise ToolException(str(error)) from error


def _reply(events: Iterable[Event]) -> tuple[str, ToolArtifact]:
    chunks: tuple[ScoredChunk, ...] = ()
    for event in events:
        if isinstance(event, Retrieved):
            chunks = event.chunks
        elif isinstance(event, Answer):
            return tool_text(event, chunks), ToolArtifact(event, chunks)
    raise AssertionError("a stream ends with its answer")
