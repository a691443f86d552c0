"""A real OpenAI-compatible server on loopback that writes what the test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Messages = list[dict[str, str]]
Write = Callable[[Messages], Iterable[str]]
Call = Callable[[Messages], tuple[str, dict[str, str]] | None]

_CHUNK = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


@contextmanager
def chat_server(
    write: Write,
    pause: float = 0.0,
    end: str = "stop",
    cost: float | None = None,
    call: Call | None = None,
) -> Iterator[str]:
    """Yield the base URL of a server that sends the pieces of ``write(messages)``.

    With ``call``, the model calls the tool that ``call(messages)`` names, with its arguments, if
    the request offers a tool of that name; None is no call.

    Nothing to send is an answer that the model is unknown. A stream rests ``pause`` seconds before
    each further piece. ``end`` is why an answer ends; with a ``cost`` a stream too has a usage.
    """
    server = _Server(write, pause, end, cost, call)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def is_condensing(messages: Messages) -> bool:
    """Return whether the model is asked to rewrite a question, not to answer one."""
    return messages[0]["content"].startswith("You rewrite the last question")


class _Server(ThreadingHTTPServer):
    def __init__(
        self, write: Write, pause: float, end: str, cost: float | None, call: Call | None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.call = call
        self.write, self.pause, self.end = write, pause, end
        self.usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        self.extra = {} if cost is None else {"cost": cost}


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        called = self.server.call and self.server.call(body["messages"])
        offered = [tool["function"]["name"] for tool in body.get("tools", ())]
        if called and called[0] in offered:
            function = {"name": called[0], "arguments": json.dumps(called[1])}
            calls = [{"id": "c1", "type": "function", "function": function}]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
            self._whole(message, "tool_calls")
            return
        pieces = iter(self.server.write(body["messages"]))
        first = next(pieces, None)
        if first is None:
            self._reply(404, {"error": {"message": "no such model"}})
        elif body.get("stream"):
            self._stream(first, pieces)
        else:
            content = first + "".join(pieces)
            self._whole({"role": "assistant", "content": content}, self.server.end)

    def _whole(self, message: dict[str, object], end: str) -> None:
        choice = {"index": 0, "message": message, "finish_reason": end}
        used = self.server.usage | self.server.extra
        head = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        self._reply(200, head | {"choices": [choice], "usage": used})

    def _reply(self, code: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, first: str, pieces: Iterable[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        with suppress(OSError):  # the reader may leave
            self._event({"content": first})
            for piece in pieces:
                time.sleep(self.server.pause)
                self._event({"content": piece})
            self._event({}, self.server.end)
            if self.server.extra:
                event = {"choices": [], "usage": self.server.usage | self.server.extra}
                self.wfile.write(f"data: {json.dumps(_CHUNK | event)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, delta: dict[str, str], finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        self.wfile.write(f"data: {json.dumps(_CHUNK | {'choices': [choice]})}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
