"""The ASGI application of the server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from ingest import RagError
from rag_app.server.api import conversations, documents, questions, sources, status
from rag_app.server.collections import Collections
from rag_app.server.conversation_store import NoConversationError
from rag_app.server.pages.conversation_pages import add_pages
from rag_app.server.protocols import openai_api
from rag_app.server.protocols.mcp_server import McpEndpoint
from rag_app.server.requests import (
    CallerLeftError,
    report_error,
    report_invalid,
    report_leaving,
    report_method,
)

_APIS = (questions, documents, sources, conversations, status, openai_api)


def create_server(collections: Collections) -> FastAPI:
    """Return the routes over some collections; the guard and the limits go around them."""
    app = FastAPI(
        title="rag-app",
        description="Ask questions of your own documents and check every answer.",
        version="1",
        lifespan=_lifespan,
        docs_url=None,  # the pages of Swagger and ReDoc load scripts from elsewhere
        redoc_url=None,
    )
    app.state.collections = collections
    app.state.mcp = McpEndpoint(collections)
    app.router.routes.append(app.state.mcp.route())
    for module in _APIS:
        app.include_router(module.router)
    add_pages(app)
    for error in (RagError, NoConversationError):
        app.add_exception_handler(error, report_error)
    app.add_exception_handler(CallerLeftError, report_leaving)
    app.add_exception_handler(405, report_method)
    app.add_exception_handler(RequestValidationError, report_invalid)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # More threads than processors would only wait for each other.
    threads = ThreadPoolExecutor((os.cpu_count() or 1) + 1, thread_name_prefix="answer")
    asyncio.get_running_loop().set_default_executor(threads)
    collections: Collections = app.state.collections
    for collection in collections.values():
        await asyncio.to_thread(collection.warm)
    async with app.state.mcp.run():
        yield
    await asyncio.to_thread(collections.close)
