"""What every route needs of a request: who asks, and the collection it is about."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from ingest import (
    IndexBusyError,
    IndexMissingError,
    ProviderError,
    RagError,
    StoreError,
    UsageError,
)
from ingest.text.printable import printable
from rag_app.server.api.schemas import Problem
from rag_app.server.collections import Collection, Collections, NotOfferedError
from rag_app.server.conversation_store import NoConversationError
from rag_app.server.security.access import Access
from rag_app.server.uploads import NameTakenError

Result = TypeVar("Result")

EVENTS = "text/event-stream"
_PARAMETER = re.compile(r"\{\w+\}")
# The first that fits counts.
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NoConversationError, 404),
    (NotOfferedError, 404),
    (NameTakenError, 409),
    (IndexMissingError, 409),
    (IndexBusyError, 409),
    (StoreError, 503),
    (ProviderError, 502),
    (UsageError, 400),
    (RagError, 400),
)


def status_of(error: Exception) -> int:
    """Return the HTTP status for an error of ours."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of failures for the OpenAPI document."""
    return {status: {"model": Problem} for status in (400, 401, 403, 404, 422, 429, *statuses)}


async def report_error(request: Request, error: Exception) -> JSONResponse:
    """Return the response for an error of ours."""
    return JSONResponse({"detail": str(error)}, status_of(error))


async def report_invalid(request: Request, error: Exception) -> JSONResponse:
    """Return what is wrong with a request, without repeating what it holds."""
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(f"{_field(one['loc'])}: {one['msg']}" for one in error.errors())
    return JSONResponse({"detail": wrong}, 422)


def _field(location: tuple[str | int, ...]) -> str:
    """Return the name of a field that is not valid, as far as it can be shown."""
    return printable(".".join(map(str, location[1:]))[:100]) or "the request"


async def report_leaving(request: Request, error: Exception) -> Response:
    """Return the response that nobody reads."""
    return Response(status_code=499)


async def report_method(request: Request, error: Exception) -> JSONResponse:
    """Return the response to a method that no route of the path has, with those that they have.

    Each route only knows its own methods.
    """
    path = request.url.path
    allowed = {
        method.upper()
        for template, methods in request.app.openapi()["paths"].items()
        if re.fullmatch(_PARAMETER.sub("[^/]+", template), path)
        for method in methods
    }
    headers = {"Allow": ", ".join(sorted(allowed))} if allowed else None
    return JSONResponse({"detail": "Method Not Allowed"}, 405, headers)


# Dependencies are coroutines: FastAPI runs others in threads, which takes longer than they do.
async def access_of(request: Request) -> Access:
    """Return who asks."""
    access: Access = request.state.access
    return access


def collections_of(request: Request) -> Collections:
    """Return the collections of the server."""
    collections: Collections = request.app.state.collections
    return collections


Caller = Annotated[Access, Depends(access_of)]
CollectionName = Annotated[
    str | None,
    Query(alias="collection", max_length=64, description="the first readable one by default"),
]


async def readable_collection(
    request: Request, access: Caller, name: CollectionName = None
) -> Collection:
    """Return the collection that a request names, or the first that the caller may read."""
    readable = collections_of(request).readable_by(access)
    found = next((one for one in readable if name in (None, one.name)), None)
    if found is None:
        raise HTTPException(404, f"there is no collection '{name}'" if name else "no collection")
    return found


Readable = Annotated[Collection, Depends(readable_collection)]


async def writable_collection(collection: Readable, access: Caller) -> Collection:
    """Return the collection, if the caller may change its documents."""
    if not access.may_write(collection.name):
        raise HTTPException(403, f"this token may not change '{collection.name}'")
    return collection


Writable = Annotated[Collection, Depends(writable_collection)]


def wants_events(request: Request) -> bool:
    """Return whether a caller asks for server-sent events."""
    return EVENTS in request.headers.get("accept", "")


class CallerLeftError(Exception):
    """The caller has left; nobody reads the response."""


async def unless_disconnected(request: Request, work: Awaitable[Result]) -> Result:
    """Return the result of some work, which is cancelled if the caller leaves before.

    Raises:
        CallerLeftError: The caller has left.
    """
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise CallerLeftError
        return await task
    finally:
        left.cancel()
        task.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
