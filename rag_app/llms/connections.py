"""A connection of its own for each answer, which knows whether a stream came to its end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import openai

from ingest import ProviderError, client_options, place_of, proxy_of, proxy_problem

# A line of the stream's own: within a chunk, line breaks are escaped.
_DONE = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]")
_LONGEST_DONE = 16


@dataclass(slots=True)
class Connection:
    """A client for one answer, shared by no other event loop.

    Attributes:
        client: The OpenAI client on this connection.
        done: Whether the stream that was read last said that it is whole.
    """

    client: openai.AsyncOpenAI
    done: bool = False
    _tail: bytes = field(default=b"\n", repr=False)

    async def watch(self, response: Any) -> None:
        """Look at what is read of the response for the line that ends a stream."""
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
        self._tail = seen[-_LONGEST_DONE:]


@asynccontextmanager
async def connect(client: openai.AsyncOpenAI) -> AsyncIterator[Connection]:
    """Yield ``client`` on a connection of its own, through the proxy that its address needs.

    Raises:
        ProviderError: The proxy can't be used.
    """
    address = str(client.base_url)
    try:
        http = openai.DefaultAsyncHttpxClient(**client_options(address))
    except (ImportError, ValueError) as error:
        raise ProviderError(f"{server_of(address)}: {proxy_problem(error)}") from None
    async with http:
        connection = Connection(client.with_options(http_client=http))
        http.event_hooks["response"].append(connection.watch)
        yield connection


def server_of(address: str) -> str:
    """Return the place of the server, with the proxy before it if there is one."""
    proxy = proxy_of(address)
    return place_of(address) + (f" through the proxy {place_of(proxy)}" if proxy else "")


@cache
def unconnected_clients() -> dict[str, Any]:
    """Return clients for LangChain to hold: `connect` takes others, which know the proxy."""
    return {
        "openai_proxy": None,
        "http_client": openai.DefaultHttpxClient(trust_env=False),
        "http_async_client": openai.DefaultAsyncHttpxClient(trust_env=False),
    }
