"""What is refused before any work starts: too large, too slow, too often, too many at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_app.server.security.rates import Rates

_UPLOADS = frozenset({"/api/documents", "/documents"})
_ANSWERS = {
    "POST": ("/api/ask", "/api/search", "/ask", "/v1/", "/mcp"),
    "GET": ("/search", "/source", "/api/documents/page"),
}
# All chosen by hand.
_BODY_BYTES = 1_000_000
_SMALL_BODY = 65_536
_BODY_SECONDS = 20.0  # without a byte of the body
_RUNNING = 16
_WAITING = 64
_WAITING_SECONDS = 30.0
_REQUESTS_A_SECOND = 100.0
_BURST = 200.0


class Limits:
    """Limits the size, pace and number of requests.

    Requests that search, answer or draw wait for a place; what else the server does never waits for
    them. A caller who leaves while waiting frees their place.
    """

    def __init__(self, app: ASGIApp, max_upload: int) -> None:
        """Limit an application.

        Args:
            app: The application.
            max_upload: Most bytes of an upload; other bodies may have a megabyte.
        """
        self._app = app
        self._max_upload = max_upload
        self._rates = Rates(_REQUESTS_A_SECOND, _BURST)
        self._places = _Places(_RUNNING, _WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._limited(scope, receive, send)
        except HTTPException as refused:
            headers = {"Connection": "close", **(refused.headers or {})}
            response = JSONResponse({"detail": refused.detail}, refused.status_code, headers)
            await response(scope, receive, send)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._rates.take(_caller(scope)):
            raise HTTPException(429, "too many requests: wait a second", {"Retry-After": "1"})
        is_upload = scope["method"] == "POST" and scope["path"] in _UPLOADS
        limit = self._max_upload if is_upload else _BODY_BYTES
        if _stated_length(scope) > limit:
            raise _too_large(limit)
        body = _Body(scope, receive, send, limit)
        if not scope["path"].startswith(_ANSWERS.get(scope["method"], ())):
            await self._app(scope, body.receive, body.send)
            return
        whole = await _whole_body(body.receive)
        async with self._places.taken(body.receive):
            await self._app(scope, _replayed(whole, body.receive), send)


class _Places:
    """A number of requests that run at once, and a queue for those that wait, first come first."""

    def __init__(self, running: int, waiting: int) -> None:
        self._free = running
        self._most = waiting
        self._queue: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def taken(self, receive: Receive) -> AsyncIterator[None]:
        """Hold a place.

        Raises:
            HTTPException: There are too many, or the caller has left.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(receive)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, receive: Receive) -> None:
        if len(self._queue) >= self._most:
            raise _busy()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        left = asyncio.ensure_future(receive())
        try:
            first: tuple[asyncio.Future[Any], ...] = (turn, left)
            await asyncio.wait(first, timeout=_WAITING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not turn.done():
                raise _busy()
        except BaseException:
            if turn.done():
                self._pass_on()
            raise
        finally:
            left.cancel()
            if turn in self._queue:
                self._queue.remove(turn)

    def _pass_on(self) -> None:
        """Give the place to who waits longest."""
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self._free += 1


class _Body:
    """The body of a request: refused if it is too large, or comes too slowly."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._complete = False
        # The rest of a small body is soon here: it need not end the connection.
        is_small = _stated_length(scope) <= _SMALL_BODY
        self._may_stay = is_small and "transfer-encoding" not in Headers(scope=scope)
        self._receive = receive
        self._send = send
        self._limit = limit
        self._size = 0

    async def receive(self) -> Message:
        """Return the next part; once it is complete, wait for the caller to leave."""
        if self._complete:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), _BODY_SECONDS)
        except TimeoutError:
            raise HTTPException(408, "the body of the request came too slowly") from None
        self._complete = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise _too_large(self._limit)
        return message

    async def send(self, message: Message) -> None:
        """Pass on a response; one that does not need the rest of the body ends the connection."""
        ends = not (self._complete or self._may_stay)
        if ends and message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
        await self._send(message)


async def _whole_body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "the caller has left")
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that begins with a body that was read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


def _stated_length(scope: Scope) -> int:
    stated = Headers(scope=scope).get("content-length", "0")
    return int(stated) if stated.isdecimal() else 0


def _caller(scope: Scope) -> str:
    client = scope.get("client") or ("",)
    return f"{scope['state']['access'].name} {client[0]}"


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"the request has more than {limit:,} bytes")


def _busy() -> HTTPException:
    return HTTPException(503, "too many questions at once: try again", {"Retry-After": "5"})
