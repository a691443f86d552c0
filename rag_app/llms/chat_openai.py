"""Chat models of the OpenAI API: OpenAI, Azure, or any compatible server."""

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
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import openai
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from pydantic import SecretStr

from ingest import ProviderError, RagError, proxy_of
from rag_app.llms.connections import (
    Completions,
    Connection,
    ProxyProblem,
    connect,
    server_of,
    unconnected_clients,
)
from rag_app.llms.deadline import in_event_loop, read_from_thread
from rag_app.llms.langchain_provider import Stop, as_one_chunk
from rag_app.llms.redaction import masked_line
from rag_app.llms.refused_parameters import (
    cut,
    explain_refusals,
    known_refusals,
    needs_whole,
    refused_with,
    remember_refusals,
    without,
)
from rag_app.llms.server_errors import ServerError, advice, read_error
from rag_app.llms.server_replies import (
    ReportedError,
    check_refusal,
    check_reply,
    has_begun,
    keep_extras,
)

if TYPE_CHECKING:
    from langchain_openai.chat_models.base import BaseChatOpenAI as _ChatModel
else:
    _ChatModel = object

Item = TypeVar("Item")

NO_KEY = "none"
# Characters of a server's message, and seconds to list its models; both chosen by hand.
_MAX_WORDS = 200
_SECONDS_FOR_NAMES = 3.0


def openai_chat_model(
    model: str,
    *,
    base_url: str | None,
    api_key: SecretStr | None,
    max_tokens: int,
    temperature: float,
    timeout: float,
) -> OpenAIChatModel:
    """Return a chat model of OpenAI, or of the server at ``base_url``.

    Args:
        model: The model's name at the server.
        base_url: Address of the server; None is OpenAI.
        api_key: The API key, if the server needs one.
        max_tokens: Maximum length of an answer, in tokens.
        temperature: Sampling temperature.
        timeout: Maximum seconds for an answer, including retries.
    """
    return OpenAIChatModel(
        model=model,
        base_url=base_url,
        api_key=api_key or SecretStr(NO_KEY),
        **_behaviour(max_tokens, temperature, timeout),
    )


def azure_chat_model(
    deployment: str, *, max_tokens: int, temperature: float, timeout: float
) -> AzureOpenAIChatModel:
    """Return the chat model of an Azure deployment, with address and key from the environment.

    Args:
        deployment: Name of the deployment.
        max_tokens: Maximum length of an answer, in tokens.
        temperature: Sampling temperature.
        timeout: Maximum seconds for an answer, including retries.

    Raises:
        ValueError: A required environment variable is not set.
    """
    return AzureOpenAIChatModel(model=deployment, **_behaviour(max_tokens, temperature, timeout))


def _behaviour(max_tokens: int, temperature: float, timeout: float) -> dict[str, Any]:
    return {
        "max_completion_tokens": max_tokens,
        "temperature": temperature,
        "timeout": timeout,
        "max_retries": 2,
        "stream_usage": True,
        "stream_chunk_timeout": None,
        **unconnected_clients(),
    }


class _ServedChatModel(_ChatModel):
    """A chat model with a deadline, complete answers, and errors without the key.

    A request is repeated without the optional parameters that the server refuses. The synchronous
    methods run the asynchronous ones in a thread: only those can be cancelled while a server sends
    a byte now and then.
    """

    provider: ClassVar[str] = "openai"
    key_variable: ClassVar[str] = "OPENAI_API_KEY"
    address_variable: ClassVar[str] = "RAG_LLM_BASE_URL"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return False: LangChain would load its own class instead of this one."""
        return False

    @property
    def refusals(self) -> list[str]:
        """What the server has refused so far and what is done instead, one phrase each."""
        return explain_refusals(self._known())

    def get_num_tokens(self, text: str) -> int:
        """Return an estimate of the tokens of ``text``; the exact count would need a download."""
        return math.ceil(len(text) / 3)

    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Any = None, **kwargs: Any
    ) -> int:
        """Return an estimate of the tokens of ``messages``, with four for each role."""
        return sum(self.get_num_tokens(str(message.text)) + 4 for message in messages)

    def _generate(
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
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
        self, messages: list[BaseMessage], stop: Stop = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        try:
            async with asyncio.timeout(self._seconds), self._connected() as (model, _):
                return await model._whole(self._known(), messages, stop=stop, **kwargs)
        except Exception as error:
            failure = self._failure(error)
        # Outside the except block: the cause may hold the key.
        raise failure

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[ChatGenerationChunk]:
        """Yield the chunks until the deadline; errors become a ProviderError."""
        kwargs.pop("run_manager", None)
        deadline = asyncio.get_running_loop().time() + self._seconds
        failure = None
        async with aclosing(self._chunks(*args, **kwargs)) as chunks:
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
        # Outside the except block: the cause may hold the key.
        raise failure

    async def _whole(
        self, refused: frozenset[str], messages: list[BaseMessage], **kwargs: Any
    ) -> ChatResult:
        """Return the whole answer, repeating the request without what is refused."""
        while True:
            try:
                result = await super()._agenerate(messages, refused=refused, **kwargs)
            except openai.APIError as error:
                refused = refused_with(error, refused)
            else:
                break
        self._remember(refused)
        if not result.generations:
            raise self._unreadable()
        if "stop" in refused:
            cut(result.generations[0].message, kwargs.get("stop") or [])
        return result

    async def _chunks(
        self, messages: list[BaseMessage], **kwargs: Any
    ) -> AsyncGenerator[ChatGenerationChunk]:
        """Yield the answer in chunks, repeating the request without what is refused."""
        refused = self._known()
        async with self._connected() as (model, connection):
            while not needs_whole(refused, kwargs.get("stop")):
                begun = False
                try:
                    pieces = model._pieces(connection, refused, messages, **kwargs)
                    async with aclosing(pieces) as chunks:
                        async for chunk in chunks:
                            begun = begun or has_begun(chunk.message)
                            yield chunk
                    return
                except openai.APIError as error:
                    if begun:
                        raise
                    refused = refused_with(error, refused)
            yield as_one_chunk(await model._whole(refused, messages, **kwargs))

    async def _pieces(
        self,
        connection: Connection,
        refused: frozenset[str],
        messages: list[BaseMessage],
        **kwargs: Any,
    ) -> AsyncGenerator[ChatGenerationChunk]:
        """Yield the chunks of a stream.

        Raises:
            ProviderError: The stream is incomplete.
            ReportedError: The model refused to answer.
        """
        begun = finished = False
        said = ""
        stream: Any = super()._astream(messages, refused=refused, **kwargs)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                self._remember(refused)
                begun = begun or has_begun(chunk.message)
                finished = finished or _is_last(chunk)
                said += chunk.message.additional_kwargs.get("refusal") or ""
                yield chunk
        check_refusal(said)
        if not (finished or begun):
            raise self._unreadable()
        if not (finished or connection.done):
            raise ProviderError(f"{self._llm} broke off in the middle of the answer: ask again")

    def _get_request_payload(
        self, input_: Any, *, refused: frozenset[str] = frozenset(), **kwargs: Any
    ) -> dict[str, Any]:
        return without(super()._get_request_payload(input_, **kwargs), refused)

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *args: Any, **kwargs: Any
    ) -> ChatGenerationChunk | None:
        """Return the chunk with what LangChain drops: the cost and the reasoning."""
        check_reply(chunk)
        for choice in chunk.get("choices") or ():
            choice["delta"] = choice.get("delta") or {}
        converted = super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
        if converted and (choices := chunk.get("choices")):
            keep_extras(converted.message, choices[0]["delta"])
        usage = chunk.get("usage") or {}
        if converted and "cost" in usage and not chunk.get("choices"):
            converted.message.response_metadata["token_usage"] = {"cost": usage["cost"]}
        return converted

    def _create_chat_result(
        self,
        response: dict[str, Any] | openai.BaseModel,
        generation_info: dict[str, Any] | None = None,
    ) -> ChatResult:
        """Return the answer with the reasoning; raise ReportedError if it is an error."""
        reply = response if isinstance(response, dict) else _fields(response)
        check_reply(reply)
        result = super()._create_chat_result(response, generation_info)
        for generation, choice in zip(result.generations, reply.get("choices") or (), strict=False):
            keep_extras(generation.message, choice["message"])
            check_refusal(choice["message"].get("refusal"))
        return result

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Self, Connection]]:
        """Yield this model on its own connection: a shared one is bound to one event loop."""
        async with connect(self.root_async_client) as connection:
            client = connection.client
            update = {"root_async_client": client, "async_client": Completions(client)}
            try:
                yield self.model_copy(update=update), connection
            except openai.NotFoundError as error:
                raise ReportedError(await self._with_models(read_error(error), client)) from None

    async def _with_models(self, error: ServerError, client: openai.AsyncOpenAI) -> ServerError:
        """Return the error with names of models that the server has, if it lists them."""
        names: list[str] = []
        with suppress(Exception):
            async with asyncio.timeout(_SECONDS_FOR_NAMES):
                names = await self._names(client.with_options(max_retries=0))
        close = get_close_matches(str(self.model_name), names, n=3) or names[:3]
        words = [error.words.rstrip("."), f"it has {', '.join(close)}" if close else ""]
        return replace(error, words="; ".join(filter(None, words)))

    async def _names(self, client: openai.AsyncOpenAI) -> list[str]:
        return [str(model.id) for model in (await client.models.list()).data]

    def _read(
        self, produce: Callable[[Callable[[Item], None]], Coroutine[Any, Any, None]]
    ) -> Generator[Item]:
        # The thread has its own deadline; this one is for what can't be cancelled there, such as
        # a DNS lookup without an answer.
        return read_from_thread(in_event_loop(produce), self._seconds + 0.5, self._late())

    @property
    def _seconds(self) -> float:
        return float(self.request_timeout)  # type: ignore[arg-type]

    @property
    def _llm(self) -> str:
        return f"{self.provider}:{self.model_name}"

    @property
    def _address(self) -> str:
        return str(self.root_async_client.base_url)

    def _known(self) -> frozenset[str]:
        return known_refusals(self._address, str(self.model_name))

    def _remember(self, refused: frozenset[str]) -> None:
        remember_refusals(self._address, str(self.model_name), refused)

    def _late(self) -> ProviderError:
        return ProviderError(
            f"{self._llm} did not finish within {self._seconds:g} s: ask again, "
            "or raise RAG_LLM_TIMEOUT"
        )

    def _failure(self, error: Exception) -> RagError:
        """Return ``error`` as one sentence with a next step, without keys."""
        match error:
            case RagError():
                return error
            case TimeoutError() | openai.APITimeoutError():
                return self._late()
            case openai.APIConnectionError():
                return self._told(self._unconnected(error))
            case ProxyProblem():
                return self._told(str(error))
            case ReportedError():
                return self._reported(error.error)
            case openai.APIError():
                return self._reported(read_error(error))
            case _:
                return self._unreadable()

    def _reported(self, error: ServerError) -> ProviderError:
        sentence = advice(error, self.key_variable, self.address_variable)
        words = masked_line(error.words, self, _MAX_WORDS).rstrip(".")
        return self._told(f"{sentence}; the server says: {words}" if words else sentence)

    def _unconnected(self, error: openai.APIConnectionError) -> str:
        cause = masked_line(str(_first_cause(error)), self, _MAX_WORDS).rstrip(".")
        reason = f"the connection failed ({cause})" if cause else "the connection failed"
        if proxy_of(self._address):
            return f"{reason}: is the proxy right, or should NO_PROXY name the server?"
        return f"{reason}: is the server running, is {self.address_variable} right?"

    def _unreadable(self) -> ProviderError:
        return self._told(f"the answer can't be read: is {self.address_variable} right?")

    def _told(self, reason: str) -> ProviderError:
        return ProviderError(f"{self._llm} at {server_of(self._address)}: {reason}")


class OpenAIChatModel(_ServedChatModel, ChatOpenAI):
    """ChatOpenAI with the behaviour of `_ServedChatModel`."""


class AzureOpenAIChatModel(_ServedChatModel, AzureChatOpenAI):
    """AzureChatOpenAI with the behaviour of `_ServedChatModel`."""

    provider: ClassVar[str] = "azure_openai"
    key_variable: ClassVar[str] = "AZURE_OPENAI_API_KEY"
    address_variable: ClassVar[str] = "AZURE_OPENAI_ENDPOINT"

    async def _names(self, client: openai.AsyncOpenAI) -> list[str]:
        return []  # Azure lists models, not deployments.


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _fields(response: Any) -> dict[str, Any]:
    """Return an answer as a dictionary, empty if it is not a JSON object."""
    return response.model_dump(warnings=False) if isinstance(response, openai.BaseModel) else {}


def _is_last(chunk: ChatGenerationChunk) -> bool:
    info = {**(chunk.generation_info or {}), **chunk.message.response_metadata}
    return bool(info.get("finish_reason") or info.get("status"))
