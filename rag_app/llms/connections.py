"""One connection per answer, which knows whether a stream is complete."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import openai

from ingest import client_options, place_of, proxy_of, proxy_problem

# The last line of a stream; line breaks inside a chunk are escaped.
_DONE = re.compile(rb"[\r\n]data: ?\[DONE\]")
_MAX_DONE = 16  # at least the bytes of this line


class ProxyProblem(Exception):
    """The proxy can't be used; the message says how to fix it."""


@dataclass(slots=True)
class Connection:
    """A client for one answer, in one event loop.

    Attributes:
        client: The OpenAI client on this connection.
        done: Whether the last stream ended with ``[DONE]``.
    """

    client: openai.AsyncOpenAI
    done: bool = False
    _tail: bytes = field(default=b"\n", repr=False)

    async def watch(self, response: Any) -> None:
        """Look for the line that ends a stream in the bytes of the response."""
        self.done, self._tail = False, b"\n"
        read = response.aiter_bytes

        async def aiter_bytes(*args: Any) -> AsyncIterator[bytes]:
            async for data in read(*args):
                self._look(data)
                yield data

        response.aiter_bytes = aiter_bytes

    def _look(self, data: bytes) -> None:
        seen = self._tail + data
        self.done = self.done or bool(_DONE.search(seen))
        self._tail = seen[-_MAX_DONE:]


class Completions:
    """The chat completions of a client, with the chunks of a stream as dictionaries.

    For other types LangChain warns about every chunk whose content is a list of parts.
    """

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._completions: Any = client.chat.completions
        self.with_raw_response = client.chat.completions.with_raw_response

    async def create(self, **body: Any) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Return the stream of an answer as a context manager."""
        return _dictionaries(await self._completions.create(**body))


@asynccontextmanager
async def _dictionaries(stream: openai.AsyncStream[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    async with stream:
        yield (chunk.model_dump(warnings=False) async for chunk in stream)


@asynccontextmanager
async def connect(client: openai.AsyncOpenAI) -> AsyncIterator[Connection]:
    """Yield ``client`` on its own connection, through the proxy for its address.

    Raises:
        ProxyProblem: The proxy can't be used.
    """
    address = str(client.base_url)
    try:
        http = openai.DefaultAsyncHttpxClient(**client_options(address))
    except Exception as error:  # errors about addresses have no common class
        raise ProxyProblem(proxy_problem(error)) from None
    async with http:
        connection = Connection(client.with_options(http_client=http))
        http.event_hooks["response"].append(connection.watch)
        yield connection


def server_of(address: str) -> str:
    """Return the server of an address for messages, with its proxy if there is one."""
    proxy = proxy_of(address)
    return place_of(address) + (f" through the proxy {place_of(proxy)}" if proxy else "")


@cache
def unconnected_clients() -> dict[str, Any]:
    """Return unused clients for LangChain's constructor: `connect` makes those with the proxy."""
    return {
        "openai_proxy": None,
        "http_socket_options": (),
        "http_client": openai.DefaultHttpxClient(trust_env=False),
        "http_async_client": openai.DefaultAsyncHttpxClient(trust_env=False),
    }
