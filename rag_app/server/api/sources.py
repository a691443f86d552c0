"""``/api/documents/text`` and ``/api/documents/page``: a cited span in its source."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from ingest import LoadError, UsageError
from rag_app.server.collections import Collection
from rag_app.server.requests import Readable, problems
from rag_app.server.source_views.source_view import SourceView, source_view
from rag_app.server.suggestions import suggested_questions

router = APIRouter(prefix="/api", tags=["sources"])

_MOST = 2**31 - 1
Source = Annotated[str, Query(min_length=1, max_length=1_000, description="as in citations")]
Offset = Annotated[int, Query(ge=0, le=_MOST, description="in the document's text")]
Page = Annotated[int, Query(ge=1, le=_MOST, description="counted from 1")]


@router.get("/documents/text", responses=problems(400, 409, 503))
def document_text(collection: Readable, source: Source, start: Offset, end: Offset) -> SourceView:
    """Return a span of a document, as citations name it, with what is around it."""
    return view_of(collection, source, start, end)


@router.get(
    "/documents/page",
    response_class=Response,
    responses=problems(400, 409, 503) | {200: {"content": {"image/png": {}}}},
)
def document_page(
    collection: Readable, source: Source, page: Page, start: Offset = 0, end: Offset = 0
) -> Response:
    """Return a page of a PDF as a picture, with what is on it of a span highlighted."""
    try:
        picture = collection.pictures.draw(collection.app.store, source, page, start, end)
    except (UsageError, LoadError) as error:
        raise HTTPException(404, str(error)) from error
    return Response(picture.png, media_type="image/png")


@router.get("/suggestions", responses=problems(503))
def suggestions(collection: Readable) -> list[str]:
    """Return questions that the documents can answer."""
    return suggested_questions(collection)


def view_of(collection: Collection, source: str, start: int, end: int) -> SourceView:
    """Return the view of a span; 404 if there is none."""
    try:
        return source_view(collection.app, source, start, end)
    except UsageError as error:
        raise HTTPException(404, str(error)) from error
