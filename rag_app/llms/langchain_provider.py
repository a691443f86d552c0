"""Chat models of any LangChain integration; failures are a ProviderError without the key."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    convert_to_messages,
    convert_to_openai_messages,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from pydantic import InstanceOf

from ingest import ProviderError, RagError
from rag_app.llms.redaction import masked_line
from rag_app.llms.refused_parameters import (
    cut,
    explain_refusals,
    known_refusals,
    needs_whole,
    refused_with,
    remember_refusals,
    without_system,
)

Stop = list[str] | None
Arguments = dict[str, Any]

_MAX_REASON = 300  # characters; chosen by hand
# Optional parameters and the fields of integrations for them; None leaves the parameter out.
_FIELDS = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "stream_options": "stream_usage",
}
# For a model inside another: callbacks run once, for the outer one.
ALONE: RunnableConfig = {"callbacks": []}


def as_chunk(message: AIMessage) -> AIMessageChunk:
    """Return a message as a chunk; a model that can't stream yields its whole message."""
    if isinstance(message, AIMessageChunk):
        return message
    return AIMessageChunk(**message.model_dump(exclude={"type"}))


def as_one_chunk(result: ChatResult) -> ChatGenerationChunk:
    """Return a whole answer as the only chunk of a stream, with all its metadata."""
    generation = result.generations[0]
    message = as_chunk(cast("AIMessage", generation.message))
    message.response_metadata = {**(result.llm_output or {}), **message.response_metadata}
    return ChatGenerationChunk(message=message, generation_info=generation.generation_info)


@dataclass(slots=True)
class _Request:
    """A request, to be repeated without the refused parameters until it succeeds."""

    messages: list[BaseMessage]
    stop: Stop
    refused: frozenset[str]
    begun: bool = False

    @contextmanager
    def noting_refusals(self) -> Iterator[None]:
        """Add what an error before the first chunk refuses; raise any other error."""
        try:
            yield
        except Exception as error:
            if self.begun:
                raise
            self.refused = refused_with(error, self.refused)


class LangChainChatModel(BaseChatModel):
    """A chat model of a LangChain integration that raises our errors.

    Attributes:
        name: ``provider:model``.
        inner: The integration's own model.
        max_tokens: Maximum length of an answer, in tokens.
    """

    name: str
    inner: InstanceOf[BaseChatModel]
    max_tokens: int

    @property
    def _llm_type(self) -> str:
        return "langchain"

    @property
    def refusals(self) -> list[str]:
        """What the provider has refused so far and what is done instead, one phrase each."""
        return explain_refusals(self._known(), exchanged=False)

    def _generate(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        try:
            return self._whole(self._request(messages, stop), kwargs)
        except Exception as error:
            failure = self._failure(error)
        # Out of the except block: the cause may hold the key.
        raise failure

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        try:
            return await self._awhole(self._request(messages, stop), kwargs)
        except Exception as error:
            failure = self._failure(error)
        raise failure

    def _stream(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        try:
            yield from self._chunks(self._request(messages, stop), kwargs)
            return
        except Exception as error:
            failure = self._failure(error)
        raise failure

    async def _astream(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        try:
            request = self._request(messages, stop)
            async with aclosing(self._achunks(request, kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except Exception as error:
            failure = self._failure(error)
        raise failure

    def _whole(self, request: _Request, kwargs: Arguments) -> ChatResult:
        """Return the answer in one piece."""
        while True:
            with request.noting_refusals():
                inner, prompt, stop = self._without_refused(request)
                return self._result(request, inner.invoke(prompt, ALONE, stop=stop, **kwargs))

    async def _awhole(self, request: _Request, kwargs: Arguments) -> ChatResult:
        while True:
            with request.noting_refusals():
                inner, prompt, stop = self._without_refused(request)
                message = await inner.ainvoke(prompt, ALONE, stop=stop, **kwargs)
                return self._result(request, message)

    def _chunks(self, request: _Request, kwargs: Arguments) -> Iterator[ChatGenerationChunk]:
        """Yield the answer in chunks, or whole if streaming is refused."""
        while not needs_whole(request.refused, request.stop):
            with request.noting_refusals():
                inner, prompt, stop = self._without_refused(request)
                stream: Any = inner.stream(prompt, ALONE, stop=stop, **kwargs)
                with closing(stream) as chunks:
                    for chunk in chunks:
                        yield self._chunk(request, chunk)
                return
        yield as_one_chunk(self._whole(request, kwargs))

    async def _achunks(
        self, request: _Request, kwargs: Arguments
    ) -> AsyncGenerator[ChatGenerationChunk]:
        while not needs_whole(request.refused, request.stop):
            with request.noting_refusals():
                inner, prompt, stop = self._without_refused(request)
                stream: Any = inner.astream(prompt, ALONE, stop=stop, **kwargs)
                async with aclosing(stream) as chunks:
                    async for chunk in chunks:
                        yield self._chunk(request, chunk)
                return
        yield as_one_chunk(await self._awhole(request, kwargs))

    def _request(self, messages: list[BaseMessage], stop: Stop) -> _Request:
        return _Request(messages, stop, self._known())

    def _without_refused(self, request: _Request) -> tuple[BaseChatModel, list[BaseMessage], Stop]:
        """Return the model, the messages and the stop strings without what is refused."""
        refused, prompt = request.refused, request.messages
        fields = {_FIELDS[name]: None for name in refused & {*_FIELDS}}
        known = {name: value for name, value in fields.items() if hasattr(self.inner, name)}
        inner = self.inner.model_copy(update=known) if known else self.inner
        if "system" in refused:
            prompt = convert_to_messages(without_system(convert_to_openai_messages(prompt)))
        return inner, prompt, None if "stop" in refused else request.stop

    def _chunk(self, request: _Request, chunk: AIMessage) -> ChatGenerationChunk:
        request.begun = True
        self._remember(request.refused)
        return ChatGenerationChunk(message=as_chunk(chunk))

    def _result(self, request: _Request, message: AIMessage) -> ChatResult:
        self._remember(request.refused)
        if "stop" in request.refused:
            cut(message, request.stop or [])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _known(self) -> frozenset[str]:
        return known_refusals("", self.name)

    def _remember(self, refused: frozenset[str]) -> None:
        remember_refusals("", self.name, refused)

    def _failure(self, error: Exception) -> RagError:
        """Return ``error`` as one sentence without keys."""
        if isinstance(error, RagError):
            return error
        said = masked_line(str(error), self.inner, _MAX_REASON)
        reason = f"{type(error).__name__}: {said}".rstrip(" :.")
        return ProviderError(f"{self.name} failed ({reason}): check its key and its address")
