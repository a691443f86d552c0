"""Chat models of any LangChain integration, whose failures are a ProviderError without the key."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from pydantic import InstanceOf, SecretStr

from ingest import ProviderError, RagError

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)(_ID)?$")
_SHORTEST_SECRET = 6
_LONGEST_REASON = 300
# For a model within another: callbacks hear of the whole, once.
ALONE: RunnableConfig = {"callbacks": []}


def as_chunk(message: AIMessage) -> AIMessageChunk:
    """Return a piece of a stream; a model that can't stream gives its whole message instead."""
    if isinstance(message, AIMessageChunk):
        return message
    return AIMessageChunk(**message.model_dump(exclude={"type"}))


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

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            message = self.inner.invoke(messages, ALONE, stop=stop, **kwargs)
            return ChatResult(generations=[ChatGeneration(message=message)])
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
            message = await self.inner.ainvoke(messages, ALONE, stop=stop, **kwargs)
            return ChatResult(generations=[ChatGeneration(message=message)])
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
            stream: Any = self.inner.stream(messages, ALONE, stop=stop, **kwargs)
            with closing(stream) as chunks:
                for chunk in chunks:
                    yield ChatGenerationChunk(message=as_chunk(chunk))
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
            stream: Any = self.inner.astream(messages, ALONE, stop=stop, **kwargs)
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    yield ChatGenerationChunk(message=as_chunk(chunk))
            return
        except Exception as error:
            failure = self._failure(error)
        raise failure

    def _failure(self, error: Exception) -> RagError:
        """Return ``error`` as one sentence without any key."""
        if isinstance(error, RagError):
            return error
        said = " ".join(str(error).split())
        for secret in self._secrets():
            said = said.replace(secret, "***")
        reason = f"{type(error).__name__}: {said[:_LONGEST_REASON]}".rstrip(" :.")
        return ProviderError(f"{self.name} failed ({reason}): check its key and its address")

    def _secrets(self) -> list[str]:
        """Return what may be a key: those of the model, and those of the environment."""
        own = [
            value.get_secret_value()
            for value in vars(self.inner).values()
            if isinstance(value, SecretStr)
        ]
        around = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
        found = {secret for secret in (*own, *around) if len(secret) >= _SHORTEST_SECRET}
        return sorted(found, key=len, reverse=True)
