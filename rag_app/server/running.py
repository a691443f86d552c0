"""Run the server until it is interrupted."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

import uvicorn
from starlette.types import ASGIApp

from ingest import UsageError, holds_index
from rag_app.server.application import create_server
from rag_app.server.collections import Collections
from rag_app.server.security.access import Tokens
from rag_app.server.security.guard import Guard
from rag_app.server.security.http_protocol import PatientProtocol
from rag_app.server.security.limits import Limits
from rag_app.settings import Settings

_GRACE_SECONDS = 10  # for requests that run when the server is stopped; chosen by hand


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a server listens, and what it accepts.

    Attributes:
        host: Address to listen on.
        port: 0 takes a free one.
        allowed_hosts: Names that the server is reached by, besides its address.
        max_upload: Most bytes of one upload.
        log_requests: Whether addresses of requests are logged; they may hold names of documents.
    """

    host: str
    port: int
    allowed_hosts: tuple[str, ...] = ()
    max_upload: int = 100_000_000
    log_requests: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_any(self) -> bool:
        """Whether the address stands for every address of this machine."""
        return self.host in ("0.0.0.0", "::")

    def url(self, port: int) -> str:
        """Return the address of the page."""
        host = "localhost" if self.is_any else self.host
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(
    collections: Collections,
    settings: Settings,
    listening: Listening,
    on_started: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM; requests that run are finished.

    Args:
        collections: What is served; a folder without an index is indexed first.
        settings: The tokens.
        listening: Where to listen.
        on_started: Called with the address of the page.

    Raises:
        UsageError: The address can't be listened on, or can be reached from elsewhere without a
            token.
    """
    tokens = Tokens.of(settings.server_token, settings.server_tokens)
    if tokens is None and not listening.is_loopback:
        raise UsageError(
            f"{listening.host} can be reached from other machines: set RAG_SERVER_TOKEN, or write "
            "a file of tokens with 'rag token' and name it in RAG_SERVER_TOKENS"
        )
    with _listening_socket(listening) as listener:
        url = listening.url(listener.getsockname()[1])
        config = uvicorn.Config(
            guarded(create_server(collections), tokens, listening),
            http=PatientProtocol,
            ws="none",
            log_level="info" if listening.log_requests else "warning",
            access_log=listening.log_requests,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        index_new_folders(collections)
        with suppress(KeyboardInterrupt):  # the way to end it; uvicorn has shut down by then
            asyncio.run(_serve(uvicorn.Server(config), listener, lambda: on_started(url)))


def guarded(app: ASGIApp, tokens: Tokens | None, listening: Listening) -> ASGIApp:
    """Return the application within its limits, behind the guard."""
    hosts = (*listening.allowed_hosts, *([] if listening.is_any else [listening.host]))
    return Guard(Limits(app, listening.max_upload), tokens, hosts)


def index_new_folders(collections: Collections) -> None:
    """Start to index each folder that has files but no index."""
    for collection in collections.values():
        settings = collection.settings
        folder = settings.documents
        if not holds_index(settings.index) and folder.is_dir() and any(folder.iterdir()):
            collection.indexing.start()


async def _serve(
    server: uvicorn.Server, listener: socket.socket, on_started: Callable[[], None]
) -> None:
    serving = asyncio.ensure_future(server.serve([listener]))
    while not (server.started or serving.done()):
        await asyncio.sleep(0.02)
    if server.started:
        on_started()
    await serving


def _listening_socket(listening: Listening) -> socket.socket:
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    try:
        return socket.create_server((listening.host, listening.port), family=family)
    except OSError as error:
        raise UsageError(
            f"the server can't listen on {listening.host} port {listening.port} "
            f"({os.strerror(error.errno or 0)}): choose another with --host and --port"
        ) from error
