"""``/api/documents`` and ``/api/index``: the documents of a collection, and its index jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, File, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from rag_app.server.api.schemas import DocumentList, IndexRequest, JobRecord, UploadResult
from rag_app.server.collections import Collection
from rag_app.server.indexing import IndexJob
from rag_app.server.requests import EVENTS, Readable, Writable, problems, wants_events
from rag_app.server.uploads import remove_file, store_files, stored_file

router = APIRouter(prefix="/api", tags=["documents"])

_MOST_FILES = 100  # in one upload; chosen by hand
Source = Annotated[str, Query(min_length=1, max_length=1_000, description="as in citations")]


@router.get("/documents", responses=problems(503))
def list_documents(collection: Readable) -> DocumentList:
    """Return every document, and every file that is not read with the reason."""
    status = collection.status()
    return DocumentList(
        documents=collection.documents(),
        files=status.coverage.files if status else 0.0,
        characters=status.coverage.characters if status else 0.0,
    )


@router.post("/documents", status_code=201, responses=problems(400, 409, 413, 503))
def upload_documents(
    collection: Writable,
    files: Annotated[list[UploadFile], File(min_length=1, max_length=_MOST_FILES)],
    replace: bool = False,
) -> UploadResult:
    """Store files in the documents folder, and start an index job that reads them."""
    content = [(one.filename or "", one.file) for one in files]
    sources = store_files(collection.settings.documents, content, replace=replace)
    collection.indexing.start()
    return UploadResult(sources=sources)


@router.delete("/documents", status_code=204, responses=problems(400, 409, 503))
def delete_document(collection: Writable, source: Source) -> None:
    """Delete a file of the documents folder, and start an index job that removes its text."""
    known = next((one for one in collection.app.documents() if one.source == source), None)
    if known is None or not known.is_file:
        raise HTTPException(404, f"there is no file '{source}' in the documents folder")
    remove_file(collection.settings.documents, source)
    collection.indexing.start(allow_empty=True)


@router.get(
    "/documents/original",
    response_class=FileResponse,
    responses=problems(409, 503) | {200: {"content": {"application/octet-stream": {}}}},
)
def original(collection: Readable, source: Source) -> Response:
    """Return the file of a document as a download."""
    known = any(one.source == source and one.is_file for one in collection.app.documents())
    try:
        path = stored_file(collection.settings.documents, source) if known else None
    except FileNotFoundError:
        path = None
    if path is None:
        raise HTTPException(404, f"there is no file '{source}' in the documents folder")
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=source.rpartition("/")[2],
    )


@router.post("/index", status_code=202, responses=problems())
def start_index_job(collection: Writable, wanted: IndexRequest) -> JobRecord:
    """Start an index job; if one is running, another follows it."""
    collection.indexing.start(rebuild=wanted.rebuild, retry_failed=wanted.retry_failed)
    return _record(collection.indexing.job)


@router.get(
    "/index",
    response_model=JobRecord,
    responses=problems() | {200: {"content": {EVENTS: {"schema": {"type": "string"}}}}},
)
async def index_job(request: Request, collection: Readable) -> JobRecord | Response:
    """Return the last index job; with ``Accept: text/event-stream`` an event ``job`` a change."""
    if wants_events(request):
        return EventSourceResponse(_changes(collection))
    return _record(collection.indexing.job)


@router.delete("/index", status_code=202, responses=problems())
def cancel_index_job(collection: Writable) -> JobRecord:
    """Cancel the index job; what is committed stays."""
    collection.indexing.cancel()
    return _record(collection.indexing.job)


async def _changes(collection: Collection) -> AsyncIterator[ServerSentEvent]:
    async for job in collection.indexing.changes():
        yield ServerSentEvent(_record(job).model_dump_json(), event="job")


def _record(job: IndexJob) -> JobRecord:
    return JobRecord(
        state=job.state,
        progress=asdict(job.progress) if job.progress else None,
        report=asdict(job.report) if job.report else None,
        error=job.error,
    )
