"""A reader who leaves ends the work for them; many at once are neither mixed nor lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from chat_server import Messages, chat_server
from served import Serve, collections, serving

from rag_app import RagApp

pytest.importorskip("langchain_openai")

QUESTION = {"question": "How long is the warranty of the Aurora lamp?"}
MEGABYTE = 1_000_000


def until(reached: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.02)
    return reached()


class Writer:
    """Writes an endless answer, and knows whether anybody reads it."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self.pieces = 0

    def write(self, messages: Messages) -> Iterator[str]:
        self.began.set()
        try:
            for _ in range(10_000):
                self.pieces += 1
                yield "word "
        finally:
            self.ended.set()


@pytest.mark.parametrize("stream", [True, False], ids=["events", "json"])
def test_a_reader_who_leaves_ends_the_generation(serve: Serve, folder: Path, stream: bool) -> None:
    writer = Writer()
    with chat_server(writer.write, pause=0.02) as address:
        url = serve(
            collections(folder, llm="openai:m", llm_base_url=address, openai_api_key="sk-x")
        )
        headers = {"Accept": "text/event-stream"} if stream else {}
        with (
            suppress(httpx.ReadTimeout),
            httpx.Client(timeout=1.5) as client,
            client.stream("POST", f"{url}/api/ask", json=QUESTION, headers=headers) as answer,
        ):
            for _, line in zip(range(8), answer.iter_lines(), strict=False):
                assert line is not None
        assert writer.began.is_set()
        assert writer.ended.wait(30)
        assert 0 < writer.pieces < 10_000


def test_two_hundred_dropped_streams_leave_nothing(serve: Serve, folder: Path) -> None:
    url = serve(collections(folder))
    process = psutil.Process()

    async def drop(count: int) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            for _ in range(count):
                headers = {"Accept": "text/event-stream"}
                async with client.stream("POST", "/api/ask", json=QUESTION, headers=headers):
                    pass  # left at its beginning

    asyncio.run(drop(20))
    before = process.memory_info().rss
    asyncio.run(drop(200))
    running = 'rag_questions_running{collection="documents"} 0.0'
    assert until(lambda: running in httpx.get(f"{url}/metrics").text)
    assert process.memory_info().rss - before < 50 * MEGABYTE
    assert httpx.post(f"{url}/api/ask", json=QUESTION, timeout=60).json()["citations"]


def test_answers_of_many_askers_at_once_are_their_own(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    names = [f"Zarnok{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(32)]
    for n, name in enumerate(names):
        (docs / f"{name}.md").write_text(f"# {name}\n\nThe {name} engine weighs {100 + n} kg.\n")
    RagApp(documents=docs, index=tmp_path / "index").index()

    async def ask(client: httpx.AsyncClient, n: int) -> Any:
        question = {"question": f"How many kg does the {names[n]} engine weigh?"}
        return (await client.post("/api/ask", json=question)).json()

    async def ask_all(url: str) -> list[Any]:
        async with httpx.AsyncClient(base_url=url, timeout=120) as client:
            return await asyncio.gather(*(ask(client, n) for n in range(len(names))))

    with serving(collections(tmp_path)) as url:
        answers = asyncio.run(ask_all(url))
    for n, (name, answer) in enumerate(zip(names, answers, strict=True)):
        assert answer["question"] == f"How many kg does the {name} engine weigh?"
        assert answer["citations"][0]["source"] == f"{name}.md"
        assert f"{100 + n} kg" in answer["answer"]
