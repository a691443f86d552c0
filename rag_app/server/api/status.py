"""``/api/status``, ``/health`` and ``/metrics``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from rag_app.server.api.schemas import CollectionRecord, ModelRecord, StatusRecord
from rag_app.server.requests import Caller, Readable, collections_of, problems

router = APIRouter(tags=["status"])


class Health(BaseModel):
    """The server answers."""

    status: str = "ok"


@router.get("/api/status", responses=problems(503))
def status(request: Request, collection: Readable, access: Caller) -> StatusRecord:
    """Return what a collection holds, what can be chosen, and what leaves this machine."""
    return StatusRecord(
        version=_version(),
        collection=collection.name,
        collections=[
            CollectionRecord(name=one.name, writable=access.may_write(one.name))
            for one in collections_of(request).readable_by(access)
        ],
        index=collection.status(),
        job=collection.indexing.job.state,
        models=[
            ModelRecord(name=model.name, destinations=list(model.destinations))
            for model in collection.models
        ],
        prompts=list(collection.prompts),
    )


@router.get("/health", responses=problems())
async def health() -> Health:
    """Return at once, whatever else the server does."""
    return Health()


@router.get(
    "/metrics",
    response_class=Response,
    responses=problems() | {200: {"content": {"text/plain": {}}}},
)
def metrics(access: Caller) -> Response:
    """Return counts and times in the format of Prometheus, to who may read every collection."""
    if access.read is not None:
        raise HTTPException(403, "this token may not read every collection")
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _version() -> str:
    try:
        return version("rag-app")
    except PackageNotFoundError:
        return "unknown"
