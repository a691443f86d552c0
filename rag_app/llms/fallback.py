"""Fallback chat models: the next one answers when one fails before its first token."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import InstanceOf

from ingest import ProviderError
from rag_app.extractive.evidence import evidence_of
from rag_app.llms.langchain_provider import ALONE, Stop, as_chunk

_LOG = logging.getLogger(__name__)


class FallbackChatModel(BaseChatModel):
    """Asks its models in order until one answers.

    Only a `ProviderError` before the first text leads to the next model, so an answer is never
    mixed. The message's ``response_metadata["llm"]`` names the model that answered. An
    `EvidenceMessage` is fitted to the context window of each model.

    Attributes:
        models: The models by name, in order.
    """

    models: Mapping[str, InstanceOf[BaseChatModel]]

    @property
    def _llm_type(self) -> str:
        return "fallback"

    def _generate(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        for attempt in self._attempts(messages):
            with attempt.falling_back():
                prompt = attempt.messages()
                return attempt.whole(attempt.model.invoke(prompt, ALONE, stop=stop, **kwargs))
        raise AssertionError("the last attempt returns or raises")

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        for attempt in self._attempts(messages):
            with attempt.falling_back():
                prompt = attempt.messages()
                return attempt.whole(
                    await attempt.model.ainvoke(prompt, ALONE, stop=stop, **kwargs)
                )
        raise AssertionError("the last attempt returns or raises")

    def _stream(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for attempt in self._attempts(messages):
            with attempt.falling_back():
                chunks: Any = attempt.model.stream(attempt.messages(), ALONE, stop=stop, **kwargs)
                with closing(chunks):
                    for chunk in chunks:
                        yield from attempt.pieces(chunk)
                attempt.check(attempt.shown)
                return

    async def _astream(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for attempt in self._attempts(messages):
            with attempt.falling_back():
                stream: Any = attempt.model.astream(attempt.messages(), ALONE, stop=stop, **kwargs)
                async with aclosing(stream) as chunks:
                    async for chunk in chunks:
                        for piece in attempt.pieces(chunk):
                            yield piece
                attempt.check(attempt.shown)
                return

    def _attempts(self, messages: list[BaseMessage]) -> Iterator[_Attempt]:
        names = list(self.models)
        for name, after in zip(names, [*names[1:], ""], strict=True):
            yield _Attempt(name, after, self.models[name], messages, [])


@dataclass(slots=True)
class _Attempt:
    """One model's turn to answer."""

    name: str
    after: str
    model: BaseChatModel
    given: list[BaseMessage]
    held: list[AIMessageChunk]
    shown: bool = False

    @contextmanager
    def falling_back(self) -> Iterator[None]:
        """Log an error before the first text if another model follows; raise any other error."""
        try:
            yield
        except ProviderError as error:
            if self.shown or not self.after:
                raise
            _LOG.warning("%s; asking %s instead", error, self.after)

    def messages(self) -> list[BaseMessage]:
        """Return the messages that fit into this model's context window."""
        evidence = evidence_of(self.given)
        return evidence.fit(self.model) if evidence and evidence.fit else self.given

    def whole(self, message: AIMessage) -> ChatResult:
        self.check(bool(message.text.strip()))
        return ChatResult(generations=[ChatGeneration(message=self._named(message))])

    def pieces(self, chunk: AIMessageChunk) -> Iterator[ChatGenerationChunk]:
        """Yield the chunk; chunks before the first text are held back until it comes."""
        self.held.append(as_chunk(chunk))
        if chunk.text and not self.shown:
            self.shown = True
            self.held[0] = self._named(self.held[0])
        if self.shown:
            yield from (ChatGenerationChunk(message=held) for held in self.held)
            self.held.clear()

    def check(self, answered: bool) -> None:
        if not answered:
            raise ProviderError(f"{self.name} answered nothing")

    def _named(self, message: Any) -> Any:
        metadata = {**message.response_metadata, "llm": self.name}
        return message.model_copy(update={"response_metadata": metadata})
