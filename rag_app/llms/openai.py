"""Chat models behind the OpenAI API: OpenAI's own, or any server that speaks it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager, closing, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from ingest import ProviderError
from rag_app.llms.threads import Work, read_from_thread

Item = TypeVar("Item")

NO_KEY = "none"


def openai_chat_model(
    model: str,
    *,
    base_url: str | None,
    api_key: SecretStr | None,
    max_tokens: int,
    temperature: float,
    timeout: float,
) -> OpenAIChatModel:
    """Return a chat model of OpenAI's API, or of the server at ``base_url``.

    ``timeout`` is in seconds and holds for the whole answer, retries included.
    """
    return OpenAIChatModel(
        model=model,
        base_url=base_url,
        api_key=api_key or SecretStr(NO_KEY),
        max_completion_tokens=max_tokens,
        temperature=temperature,
        timeout=timeout,
        max_retries=2,
        stream_usage=True,
        stream_chunk_timeout=None,
    )


class OpenAIChatModel(ChatOpenAI):
    """ChatOpenAI with a deadline, whole answers, and errors that keep the key.

    The synchronous calls run the asynchronous ones in a thread: only those can be given up
    while a server keeps sending a byte now and then.
    """

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return False: LangChain's loader would bring back a plain ChatOpenAI."""
        return False

    def get_num_tokens(self, text: str) -> int:
        """Return about how many tokens ``text`` has; the exact count would need a download."""
        return math.ceil(len(text) / 3)

    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Any = None, **kwargs: Any
    ) -> int:
        """Return about how many tokens ``messages`` have, with four for each one's role."""
        return sum(self.get_num_tokens(str(message.text)) + 4 for message in messages)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        async def produce(put: Callable[[ChatResult], None]) -> None:
            put(await self._agenerate(messages, stop, **kwargs))

        with closing(self._read(produce)) as results:
            return next(results)

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        kwargs.pop("run_manager", None)

        async def produce(put: Callable[[ChatGenerationChunk], None]) -> None:
            async with aclosing(self._astream(*args, **kwargs)) as chunks:
                async for chunk in chunks:
                    put(chunk)

        with closing(self._read(produce)) as chunks:
            yield from chunks

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        try:
            async with asyncio.timeout(self._seconds), self._connected() as model:
                result = await super(OpenAIChatModel, model)._agenerate(messages, stop, **kwargs)
                if not result.generations:
                    raise self._unreadable()
                return result
        except Exception as error:
            failure = self._failure(error)
        # Out of the except block: the cause may hold the key.
        raise failure

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[ChatGenerationChunk]:
        kwargs.pop("run_manager", None)
        finished = begun = False
        async with aclosing(self._chunks(*args, **kwargs)) as chunks:
            async for chunk in chunks:
                yield chunk
                finished = finished or _is_last(chunk)
                begun = begun or bool(chunk.text)
        if not finished and begun:
            raise ProviderError(f"{self._llm} broke off in the middle of the answer: ask again")
        if not finished:
            raise self._unreadable()

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *args: Any, **kwargs: Any
    ) -> ChatGenerationChunk | None:
        """Return the chunk with what the server says the answer cost, which LangChain drops."""
        converted = super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
        usage = chunk.get("usage") or {}
        if converted and "cost" in usage and not chunk.get("choices"):
            converted.message.response_metadata["token_usage"] = {"cost": usage["cost"]}
        return converted

    async def _chunks(self, *args: Any, **kwargs: Any) -> AsyncGenerator[ChatGenerationChunk]:
        """Yield the chunks until the deadline, each error as a ProviderError."""
        deadline = asyncio.get_running_loop().time() + self._seconds
        failure = None
        async with self._connected() as model:
            chunks = super(OpenAIChatModel, model)._astream(*args, **kwargs)
            while failure is None:
                try:
                    async with asyncio.timeout_at(deadline):
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
                except Exception as error:
                    failure = self._failure(error)
                else:
                    yield chunk
        # Out of the except block: the cause may hold the key.
        if failure is not None:
            raise failure

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[OpenAIChatModel]:
        """Yield this model on connections of its own: shared ones belong to one event loop."""
        async with openai.DefaultAsyncHttpxClient() as http:
            client = self.root_async_client.with_options(http_client=http)
            update = {"root_async_client": client, "async_client": client.chat.completions}
            yield self.model_copy(update=update)

    def _read(
        self, produce: Callable[[Callable[[Item], None]], Coroutine[Any, Any, None]]
    ) -> Generator[Item]:
        # The deadline is kept in the thread; this one is for what can't be cancelled there,
        # such as a name server that does not answer.
        return read_from_thread(_in_loop(produce), self._seconds + 0.5, self._late())

    @property
    def _seconds(self) -> float:
        return float(self.request_timeout)  # type: ignore[arg-type]

    @property
    def _llm(self) -> str:
        return f"openai:{self.model_name}"

    @property
    def _server(self) -> str:
        url = urlsplit(str(self.root_async_client.base_url))
        return f"{url.hostname}:{url.port}" if url.port else str(url.hostname)

    def _late(self) -> ProviderError:
        return ProviderError(
            f"{self._llm} did not finish within {self._seconds:g} s: ask again, "
            "or raise RAG_LLM_TIMEOUT"
        )

    def _failure(self, error: Exception) -> ProviderError:
        """Return ``error`` as a sentence with a next step, without the key."""
        match error:
            case ProviderError():
                return error
            case TimeoutError() | openai.APITimeoutError():
                return self._late()
            case ContextOverflowError():
                reason = "the prompt is longer than the context window: ask with a smaller top_k"
            case openai.APIStatusError():
                reason = self._refusal(error)
            case openai.APIConnectionError():
                reason = "the connection failed: is the server running, is RAG_LLM_BASE_URL right?"
            case _:
                return self._unreadable()
        return ProviderError(f"{self._llm} at {self._server}: {reason}")

    def _unreadable(self) -> ProviderError:
        return ProviderError(
            f"{self._llm} at {self._server}: the answer can't be read: is RAG_LLM_BASE_URL right?"
        )

    def _refusal(self, error: openai.APIStatusError) -> str:
        status = error.status_code
        match status:
            case 401 | 403:
                return f"the key was refused ({status}): set another OPENAI_API_KEY"
            case 404:
                return f"the model is unknown ({status}): check its name and RAG_LLM_BASE_URL"
            case 429:
                return f"too many requests or no credit left ({status}): wait and ask again"
            case _ if status >= 500:
                return f"the server failed ({status}): ask again later"
            case _ if "context" in (said := self._said(error)):
                return f"the prompt is too long ({said}): ask with a smaller top_k"
            case _:
                return f"the request was refused ({status}: {said}): change the settings"

    def _said(self, error: openai.APIStatusError) -> str:
        body = error.body if isinstance(error.body, dict) else {}
        said = " ".join(str(body.get("message") or "no reason given").split())[:200].rstrip(".")
        key = self.openai_api_key
        secret = key.get_secret_value() if isinstance(key, SecretStr) else NO_KEY
        return said if secret == NO_KEY else said.replace(secret, "***")


def _is_last(chunk: ChatGenerationChunk) -> bool:
    info = {**(chunk.generation_info or {}), **chunk.message.response_metadata}
    return bool(info.get("finish_reason") or info.get("status"))


def _in_loop(
    produce: Callable[[Callable[[Item], None]], Coroutine[Any, Any, None]],
) -> Work[Item]:
    loop = asyncio.new_event_loop()
    tasks: list[asyncio.Task[None]] = []

    async def main(put: Callable[[Item], None]) -> None:
        tasks.extend(task for task in [asyncio.current_task()] if task)
        await produce(put)

    def run(put: Callable[[Item], None]) -> None:
        with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main(put))

    def stop() -> None:
        # Not what the loop itself does while it closes: that can't be cancelled in good order.
        for task in tasks:
            task.cancel()

    def cancel() -> None:
        # A closed loop has nothing left to cancel.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stop)

    return Work(run, cancel)
