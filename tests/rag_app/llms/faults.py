"""A server that speaks just enough of the OpenAI API to fail in every way a real one does."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Fault = Callable[[socket.socket, str], None]

_LONG = 600  # seconds: no test waits for it unless a deadline is lost


@contextmanager
def faulty_server(fault: Fault) -> Iterator[str]:
    """Yield the base URL of a server on loopback that answers each request with ``fault``.

    ``fault`` gets the connection and the request's head and body.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threads.append(threading.Thread(target=answer, args=(connection,)))
                threads[-1].start()

    def answer(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            fault(connection, _read_request(connection))

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        for open_socket in (listener, *connections):
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()
        for thread in (accepting, *threads):
            thread.join(timeout=5)


def status(
    code: int, message: str = "no", error_code: str | None = None, *, retry: bool = False
) -> Fault:
    """Return a fault that refuses with ``code``; ``{head}`` in the message echoes the request."""
    again = f"x-should-retry: {str(retry).lower()}\r\nretry-after-ms: 10"

    def fault(connection: socket.socket, request: str) -> None:
        text = message.replace("{head}", request)
        body = json.dumps({"error": {"message": text, "code": error_code}})
        connection.sendall(
            f"HTTP/1.1 {code} No\r\n{again}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n{body}".encode()
        )

    return fault


def hang(connection: socket.socket, request: str) -> None:
    """Take the request and never say a word, for ten minutes."""
    connection.settimeout(_LONG)
    while connection.recv(1024):
        pass


def drip(connection: socket.socket, request: str) -> None:
    """Send a comment line, one byte every tenth of a second, for ten minutes."""
    connection.sendall(_STREAM)
    for _ in range(10 * _LONG):
        connection.sendall(b":")
        time.sleep(0.1)


def drip_head(connection: socket.socket, request: str) -> None:
    """Send the head, one byte every tenth of a second, for ten minutes."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(10 * _LONG):
        connection.sendall(b"a")
        time.sleep(0.1)


def drip_tokens(connection: socket.socket, request: str) -> None:
    """Send whole tokens for ten minutes."""
    connection.sendall(_STREAM)
    for _ in range(20 * _LONG):
        connection.sendall(token("word "))
        time.sleep(0.05)


def finished(connection: socket.socket, request: str) -> None:
    """Answer "Paris", streamed or whole as asked."""
    if '"stream":true' in request:
        connection.sendall(_STREAM + token("Par") + token("is") + token("", "stop"))
        connection.sendall(b"data: [DONE]\n\n")
        return
    send_answer(connection, {"content": "Paris"}, "stop")


def ending(
    deltas: list[dict[str, Any]],
    finish_reason: str | None,
    last: bytes = b"data: [DONE]\n\n",
    **extra: Any,
) -> Fault:
    """Return a fault that sends ``deltas``, or their sum, and ends as told.

    ``last`` ends a stream; ``extra`` goes into the last choice.
    """

    def fault(connection: socket.socket, request: str) -> None:
        if '"stream":true' not in request:
            return send_answer(connection, _sum(deltas), finish_reason, **extra)
        events = [event(delta) for delta in deltas]
        if finish_reason or extra:
            events.append(event({}, finish_reason, **extra))
        return connection.sendall(_STREAM + b"".join(events) + last)

    return fault


def send_answer(
    connection: socket.socket, message: dict[str, Any], finish_reason: str | None, **extra: Any
) -> None:
    """Answer with a message, in one piece."""
    message = {"role": "assistant", **message}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, **extra}
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
    send_json(connection, answer | {"choices": [choice]})


def send_json(connection: socket.socket, value: Any, code: int = 200) -> None:
    """Answer with ``value``: text as it is, everything else as JSON."""
    kind = "text/plain" if isinstance(value, str) else "application/json"
    body = (value if isinstance(value, str) else json.dumps(value)).encode()
    head = f"HTTP/1.1 {code} Yes\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    again = "x-should-retry: false\r\nConnection: close\r\n\r\n"
    connection.sendall((head + again).encode() + body)


def cut(connection: socket.socket, request: str) -> None:
    """End the stream in good order, but before the answer is finished."""
    connection.sendall(_STREAM + token("The capital") + token(" of"))


def torn(connection: socket.socket, request: str) -> None:
    """Break the connection within a chunk of the transfer."""
    head = _STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked")
    connection.sendall(head + b"400\r\n" + token("The capital"))


def nonsense(connection: socket.socket, request: str) -> None:
    """Answer with a page, as a wrong address does."""
    page = b"<html>Welcome</html>"
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + page
    )


def empty(connection: socket.socket, request: str) -> None:
    """Answer in good form, but with no choice to take."""
    if '"stream":true' in request:
        connection.sendall(_STREAM + b'data: {"choices": []}\n\ndata: [DONE]\n\n')
        return
    body = b'{"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    connection.sendall(head.encode() + b"\r\nConnection: close\r\n\r\n" + body)


def garbage(connection: socket.socket, request: str) -> None:
    """Send bytes that are not HTTP."""
    connection.sendall(bytes(range(256)) * 4)


def gone(connection: socket.socket, request: str) -> None:
    """Hang up without a word."""


def token(text: str, finish_reason: str | None = None) -> bytes:
    """Return the event that carries ``text``."""
    return event({"content": text}, finish_reason)


def event(delta: dict[str, Any], finish_reason: str | None = None, **extra: Any) -> bytes:
    """Return the event that carries ``delta``."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, **extra}
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps(head | {'choices': [choice]})}\n\n".encode()


def _sum(deltas: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the message that the pieces add up to."""
    message: dict[str, Any] = {}
    for delta in deltas:
        for name, value in delta.items():
            message[name] = message[name] + value if name in message else value
    return message


_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def _read_request(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = (
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    length = next(lengths, 0)
    while len(body) < length:
        body += connection.recv(65536)
    return (head + b"\n" + body).decode()
