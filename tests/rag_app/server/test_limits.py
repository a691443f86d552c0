"""Too large, too slow, too often, too many: refused before any work, and nobody else waits."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from served import collections, serving
from starlette.exceptions import HTTPException
from starlette.types import Message

from rag_app.server.security import http_protocol, limits
from rag_app.server.security.limits import _Places
from rag_app.server.security.rates import Rates

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def small(folder: Path) -> Iterator[str]:
    """Address of a server that takes uploads of 2 MB."""
    with serving(collections(folder), max_upload=2 * MEGABYTE) as url:
        yield url


FILE = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'


def pieces(size: int) -> Iterator[bytes]:
    yield FILE
    for _ in range(size // 65_536):
        yield b"x" * 65_536


@pytest.mark.parametrize(
    ("path", "size"),
    [("/api/ask", 1_200_000), ("/api/documents", 3_000_000), ("/api/index", 4_000_000)],
)
@pytest.mark.parametrize("stated", [True, False], ids=["stated", "chunked"])
def test_a_body_that_is_too_large_is_refused(
    small: str, path: str, size: int, stated: bool
) -> None:
    content = FILE + b"x" * size if stated else pieces(size)
    kind = "multipart/form-data; boundary=b" if "documents" in path else "application/json"
    with httpx.Client(timeout=60) as client:
        try:
            response = client.post(small + path, content=content, headers={"Content-Type": kind})
        except (httpx.WriteError, httpx.ReadError):
            return  # the server had answered and closed
    assert response.status_code == 413


def test_a_gigabyte_is_neither_kept_nor_written(small: str) -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    host, port = small.removeprefix("http://").split(":")
    sent = 0
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            b"POST /api/documents HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            + b"%x\r\n%s\r\n"
            % (len(FILE), FILE)
        )
        block = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        try:
            while sent < 1_000 * MEGABYTE:
                connection.sendall(block)
                sent += 65_536
        except OSError:
            pass
    assert sent < 100 * MEGABYTE  # what the sockets hold, and no more
    assert process.memory_info().rss - before < 50 * MEGABYTE


def test_a_body_that_comes_too_slowly_is_refused(
    small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_BODY_SECONDS", 0.3)
    host, port = small.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            b"POST /api/ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
            b"Content-Type: application/json\r\n\r\n{"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_slow_connections_stop_nobody_and_are_closed(
    small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_REQUEST_SECONDS", 1.5)
    before = psutil.Process().memory_info().rss
    host, port = small.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port)), timeout=30) for _ in range(300)]
    for connection in slow:
        connection.sendall(b"POST /api/ask HTTP/1.1\r\nHost: ")
    assert httpx.get(f"{small}/health").status_code == 200
    assert psutil.Process().memory_info().rss - before < 50 * MEGABYTE
    try:
        assert [connection.recv(10) for connection in slow] == [b""] * 300
    finally:
        for connection in slow:
            connection.close()


def test_a_second_request_that_does_not_arrive_is_not_waited_for(
    small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "_REQUEST_SECONDS", 0.5)
    host, port = small.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        received = b""
        while not received.endswith(b'{"status":"ok"}'):
            received += connection.recv(65_536)
        connection.sendall(b"GET /health")
        assert connection.recv(65_536) == b""


def test_only_an_unread_body_ends_the_connection(small: str) -> None:
    kept = [httpx.get(f"{small}/health"), httpx.post(f"{small}/api/conversations")]
    assert [one.headers.get("connection") for one in kept] == [None, None]
    small_body = httpx.post(f"{small}/api/conversations", content=b"x" * 10)
    assert small_body.headers.get("connection") is None
    unread = httpx.post(f"{small}/api/conversations", content=b"x" * 100_000)
    assert unread.headers["connection"] == "close"


def test_a_caller_may_only_ask_so_often() -> None:
    rates = Rates(per_second=0.001, burst=3)
    assert [rates.take("ana") for _ in range(4)] == [True, True, True, False]
    assert rates.take("bob")


def test_a_caller_may_ask_again_later() -> None:
    rates = Rates(per_second=20, burst=1)
    assert rates.take("ana")
    assert not rates.take("ana")
    time.sleep(0.2)
    assert rates.take("ana")


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def gone() -> Message:
    return {"type": "http.disconnect"}


async def hold(places: _Places, order: list[int], n: int, ends: asyncio.Event) -> None:
    async with places.taken(never):
        order.append(n)
        await ends.wait()


async def test_who_waits_gets_a_place_in_the_order_of_coming() -> None:
    places, order, ends = _Places(1, 3), list[int](), asyncio.Event()
    holders = [asyncio.create_task(hold(places, order, n, ends)) for n in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == [0]
    with pytest.raises(HTTPException, match="503"):
        async with places.taken(never):
            pass
    ends.set()
    await asyncio.gather(*holders)
    assert order == [0, 1, 2, 3]
    async with places.taken(never):
        assert places._free == 0
    assert places._free == 1


async def test_who_leaves_while_waiting_frees_the_place() -> None:
    places, order, ends = _Places(1, 1), list[int](), asyncio.Event()
    holder = asyncio.create_task(hold(places, order, 0, ends))
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(HTTPException):
            async with places.taken(gone):
                pass
    waiting = asyncio.create_task(hold(places, order, 1, ends))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    ends.set()
    await holder
    assert places._free == 1


async def test_who_waits_too_long_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_WAITING_SECONDS", 0.05)
    places, ends = _Places(1, 1), asyncio.Event()
    holder = asyncio.create_task(hold(places, [], 0, ends))
    await asyncio.sleep(0)
    with pytest.raises(HTTPException) as refused:
        async with places.taken(never):
            pass
    assert refused.value.headers == {"Retry-After": "5"}
    ends.set()
    await holder
    assert places._free == 1
