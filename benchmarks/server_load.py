"""Requests per second of a server under load, beside a bare FastAPI that only embeds the question.

``python -m benchmarks.server_load [--askers 32] [--seconds 60]`` starts both servers in turn, each
in a process of its own, and asks every question once. It prints requests per second, the longest
``/health`` meanwhile, and their ratio. Questions differ, so that no answer is one given before.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from ingest import embedding_model
from rag_app.settings import load_settings

_DOCUMENTS = Path(__file__).parents[1] / "data" / "documents"
_WORDS = "token vector chunk prompt model index attention layer corpus answer".split()


@dataclass(slots=True)
class Load:
    """What a server did under load."""

    answers: int = 0
    failures: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def __str__(self) -> str:
        ordered = sorted(self.latencies)
        return (
            f"{self.rate:6.1f} answers/s, {self.failures} failed, "
            f"p50 {ordered[len(ordered) // 2] * 1e3:.0f} ms, "
            f"p95 {ordered[int(len(ordered) * 0.95)] * 1e3:.0f} ms; "
            f"/health p95 {sorted(self.health)[int(len(self.health) * 0.95)] * 1e3:.0f} ms, "
            f"at most {max(self.health) * 1e3:.0f} ms"
        )


def questions(start: int) -> Iterator[str]:
    """Yield questions, each another one."""
    for n in itertools.count(start):
        word, other = _WORDS[n % 10], _WORDS[n // 10 % 10]
        yield f"What is a {word}, and how does it differ from a {other} ({n})?"


async def load(url: str, askers: int, seconds: float, start: int = 0) -> Load:
    """Ask without pause from several connections, and call ``/health`` all the while."""
    done = Load()
    asked = questions(start)
    limits = httpx.Limits(max_connections=askers + 1)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await client.post("/api/ask", json={"question": "warm"})
        began = time.monotonic()
        ends = began + seconds

        async def ask() -> None:
            while (started := time.monotonic()) < ends:
                response = await client.post("/api/ask", json={"question": next(asked)})
                done.latencies.append(time.monotonic() - started)
                done.answers += response.is_success
                done.failures += not response.is_success

        async def watch() -> None:
            while (started := time.monotonic()) < ends:
                (await client.get("/health")).raise_for_status()
                done.health.append(time.monotonic() - started)
                await asyncio.sleep(0.2)

        await asyncio.gather(watch(), *(ask() for _ in range(askers)))
        done.seconds = time.monotonic() - began
    return done


@contextmanager
def running(*command: str) -> Iterator[str]:
    """Start a server that prints its address, and yield the address."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout
    try:
        url = process.stdout.readline().strip()
        _wait_until_healthy(url)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_healthy(url: str) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{url}/health").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


class Asked(BaseModel):
    """The body of a question."""

    question: str


def bare() -> None:
    """Serve a FastAPI that embeds the question of ``/api/ask`` and does nothing else."""
    model = embedding_model(load_settings())
    app = FastAPI()

    @app.post("/api/ask")
    def ask(asked: Asked) -> dict[str, float]:
        return {"first": float(model.embed_query(asked.question)[0])}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(app, log_level="warning")
        asyncio.run(uvicorn.Server(config).serve([listener]))


def main() -> None:
    """Measure both servers, in turn."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--askers", type=int, default=32)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.bare:
        bare()
        return
    with tempfile.TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")
        rag = [sys.executable, "-m", "rag_app"]
        subprocess.run([*rag, "index", str(_DOCUMENTS), "--index", index, "--quiet"], check=True)
        with running(sys.executable, "-m", "benchmarks.server_load", "--bare") as url:
            least = asyncio.run(load(url, given.askers, given.seconds))
        print(f"embeds only  {least}")
        serve = [*rag, "serve", str(_DOCUMENTS), "--index", index, "--port", "0", "--quiet"]
        with running(*serve) as url:
            ours = asyncio.run(load(url, given.askers, given.seconds))
        print(f"rag serve    {ours}")
        print(f"ratio {ours.rate / least.rate:.2f}")


if __name__ == "__main__":
    main()
