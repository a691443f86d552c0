"""Chat models of any LangChain integration, whose failures are a ProviderError without the key."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
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

_LONGEST_REASON = 300
# What integrations call an optional parameter; None leaves it out.
_FIELDS = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "stream_options": "stream_usage",
}
# For a model within another: callbacks hear of the whole, once.
ALONE: RunnableConfig = {"callbacks": []}


def as_chunk(message: AIMessage) -> AIMessageChunk:
    """Return a piece of a stream; a model that can't stream gives its whole message instead."""
    if isinstance(message, AIMessageChunk):
        return message
    return AIMessageChunk(**message.model_dump(exclude={"type"}))


def as_one_chunk(result: ChatResult) -> ChatGenerationChunk:
    """Return a whole answer as the only piece of a stream, with all that is told of it."""
    generation = result.generations[0]
    message = as_chunk(cast("AIMessage", generation.message))
    message.response_metadata = {**(result.llm_output or {}), **message.response_metadata}
    return ChatGenerationChunk(message=message, generation_info=generation.generation_info)


class LangChainChatModel(BaseChatModel):
    """A model of another integration behind our errors.

    Attributes:
        name: ``provider:model``.
        inner: The integration's own model.
        max_tokens: The longest answer, in tokens.
    """

    name: str
    inner: InstanceOf[BaseChatModel]
    max_tokens: int

    @property
    def _llm_type(self) -> str:
        return "langchain"

    @property
    def refusals(self) -> list[str]:
        """What the provider has refused so far, and what is done instead, a phrase each."""
        return explain_refusals(self._known(), exchanged=False)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            return self._whole(self._known(), messages, stop, kwargs)
        except Exception as error:
            failure = self._failure(error)
        # Out of the except block: the cause may hold the key.
        raise failure

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            return await self._awhole(self._known(), messages, stop, kwargs)
        except Exception as error:
            failure = self._failure(error)
        raise failure

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        try:
            yield from self._pieces(messages, stop, kwargs)
            return
        except Exception as error:
            failure = self._failure(error)
        raise failure

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        try:
            async with aclosing(self._apieces(messages, stop, kwargs)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        except Exception as error:
            failure = self._failure(error)
        raise failure

    def _whole(
        self, refused: frozenset[str], messages: list[BaseMessage], stop: Stop, kwargs: Arguments
    ) -> ChatResult:
        """Return the answer in one piece, asking again without what is refused."""
        while True:
            inner, prompt, stops = self._request(refused, messages, stop)
            try:
                message = inner.invoke(prompt, ALONE, stop=stops, **kwargs)
            except Exception as error:
                refused = refused_with(error, refused)
            else:
                return self._result(message, refused, stop)

    async def _awhole(
        self, refused: frozenset[str], messages: list[BaseMessage], stop: Stop, kwargs: Arguments
    ) -> ChatResult:
        while True:
            inner, prompt, stops = self._request(refused, messages, stop)
            try:
                message = await inner.ainvoke(prompt, ALONE, stop=stops, **kwargs)
            except Exception as error:
                refused = refused_with(error, refused)
            else:
                return self._result(message, refused, stop)

    def _pieces(
        self, messages: list[BaseMessage], stop: Stop, kwargs: Arguments
    ) -> Iterator[ChatGenerationChunk]:
        """Yield the answer in pieces, asking again without what is refused."""
        refused, begun = self._known(), False
        while not needs_whole(refused, stop):
            inner, prompt, stops = self._request(refused, messages, stop)
            try:
                stream: Any = inner.stream(prompt, ALONE, stop=stops, **kwargs)
                with closing(stream) as chunks:
                    for chunk in chunks:
                        begun = True
                        self._remember(refused)
                        yield ChatGenerationChunk(message=as_chunk(chunk))
                return
            except Exception as error:
                if begun:
                    raise
                refused = refused_with(error, refused)
        yield as_one_chunk(self._whole(refused, messages, stop, kwargs))

    async def _apieces(
        self, messages: list[BaseMessage], stop: Stop, kwargs: Arguments
    ) -> AsyncGenerator[ChatGenerationChunk]:
        refused, begun = self._known(), False
        while not needs_whole(refused, stop):
            inner, prompt, stops = self._request(refused, messages, stop)
            try:
                stream: Any = inner.astream(prompt, ALONE, stop=stops, **kwargs)
                async with aclosing(stream) as chunks:
                    async for chunk in chunks:
                        begun = True
                        self._remember(refused)
                        yield ChatGenerationChunk(message=as_chunk(chunk))
                return
            except Exception as error:
                if begun:
                    raise
                refused = refused_with(error, refused)
        yield as_one_chunk(await self._awhole(refused, messages, stop, kwargs))

    def _request(
        self, refused: frozenset[str], messages: list[BaseMessage], stop: Stop
    ) -> tuple[BaseChatModel, list[BaseMessage], Stop]:
        """Return the model, the messages and the stop strings without what is refused."""
        fields = {_FIELDS[name]: None for name in refused & {*_FIELDS}}
        known = {name: value for name, value in fields.items() if hasattr(self.inner, name)}
        inner = self.inner.model_copy(update=known) if known else self.inner
        prompt = without_system(messages) if "system" in refused else messages
        return inner, prompt, None if "stop" in refused else stop

    def _result(self, message: AIMessage, refused: frozenset[str], stop: Stop) -> ChatResult:
        self._remember(refused)
        if "stop" in refused:
            cut(message, stop or [])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _known(self) -> frozenset[str]:
        return known_refusals("", self.name)

    def _remember(self, refused: frozenset[str]) -> None:
        remember_refusals("", self.name, refused)

    def _failure(self, error: Exception) -> RagError:
        """Return ``error`` as one sentence without any key."""
        if isinstance(error, RagError):
            return error
        said = masked_line(str(error), self.inner, _LONGEST_REASON)
        reason = f"{type(error).__name__}: {said}".rstrip(" :.")
        return ProviderError(f"{self.name} failed ({reason}): check its key and its address")
