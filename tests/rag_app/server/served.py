"""Servers for tests: real ones, on free ports of loopback, in threads of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from rag_app.server.application import create_server
from rag_app.server.collections import Collections, open_collections
from rag_app.server.running import Listening, guarded
from rag_app.server.security.access import Tokens
from rag_app.server.security.http_protocol import PatientProtocol
from rag_app.settings import load_settings

DOCUMENTS = {
    "warranty.md": "# Warranty\n\nThe warranty of the Aurora lamp lasts twenty-four months.\n\n"
    "Repairs are free of charge in that time.\n",
    "ferias.md": "# Férias\n\nCada funcionário tem direito a trinta dias de férias por ano.\n\n"
    "O pedido é feito ao setor de pessoal com sessenta dias de antecedência.\n",
    "prices.csv": "Product,Price,Stock\nAurora lamp,89.90,12\nBoreal lamp,129.50,4\n",
}

Serve = Callable[..., str]


def write_documents(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, "utf-8")


def collections(root: Path, *llms: str, **settings: object) -> Collections:
    """Return the one collection of a folder with ``docs``."""
    loaded = load_settings(documents=root / "docs", index=root / "index", **settings)
    return open_collections(loaded, {}, llms)


@contextmanager
def serving(
    served: Collections, tokens: Tokens | None = None, **listening: object
) -> Iterator[str]:
    """Run a server in a thread, and yield its address."""
    options = Listening("127.0.0.1", 0, **listening)  # type: ignore[arg-type]
    config = uvicorn.Config(
        guarded(create_server(served), tokens, options),
        host="127.0.0.1",
        port=0,
        http=PatientProtocol,
        ws="none",
        log_level="warning",
        server_header=False,
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(running.serve()))
    thread.start()
    try:
        while not running.started:
            thread.join(0.02)
            assert thread.is_alive()
        port = running.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join(30)
