"""The page of the documents: their states, uploads, index jobs and passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, Response, UploadFile

from ingest import IndexedDocument
from rag_app.server.api.documents import delete_document, upload_documents
from rag_app.server.indexing import JobState
from rag_app.server.pages.page_context import Changed, PageRoute, Shown

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_ROWS = 50  # of a page of the list; chosen by hand
Text = Annotated[str, Query(max_length=300)]


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the documents that match.

    ``first`` and ``last`` number its documents among the ``total`` that match, from 1.
    """

    documents: Sequence[IndexedDocument]
    number: int
    first: int
    last: int
    total: int


@router.get("/documents")
def documents(
    page: Shown,
    find: Text = "",
    state: Text = "",
    type: Text = "",
    language: Text = "",
    sort: Literal["name", "size"] = "name",
    descending: bool = False,
    number: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> Response:
    """Show the documents that match, a page of the list at a time."""
    every, status = page.collection.documents(), page.collection.status()
    wanted = {"status": state, "type": type, "language": language}
    matching = [one for one in every if _matches(one, find, wanted)]
    matching.sort(key=_size if sort == "size" else _name, reverse=descending)
    job = page.collection.indexing.job
    return page.render(
        "documents.html",
        every=len(every),
        listed=_listed(matching, number),
        known=status,
        states=[one for one in ("indexed", "partial", "failed", "ignored") if _has(every, one)],
        types=sorted({one.type for one in every if one.type}),
        languages=sorted({one.language for one in every} - {"und", ""}),
        chosen={
            "find": find,
            "state": state,
            "type": type,
            "language": language,
            "sort": sort,
            "descending": descending or None,
        },
        job_error=job.error if job.state is JobState.FAILED else "",
        job_cancelled=job.state is JobState.CANCELLED,
    )


@router.get("/search")
async def search(page: Shown, q: Annotated[str, Query(max_length=8_000)] = "") -> Response:
    """Show the passages for a question."""
    found = await page.collection.app.asearch(q) if q.strip() else []
    return page.render("search.html", question=q, found=found)


@router.post("/documents")
def upload(
    page: Changed,
    files: Annotated[list[UploadFile], File(min_length=1, max_length=100)],
    replace: Annotated[bool, Form()] = False,
) -> Response:
    """Store the files of a form."""
    upload_documents(page.collection, files, replace)
    return page.redirect("/documents")


@router.post("/documents/delete")
def delete(page: Changed, source: Annotated[str, Form(max_length=1_000)]) -> Response:
    """Delete a document."""
    delete_document(page.collection, source)
    return page.redirect("/documents")


@router.post("/documents/index")
def index(
    page: Changed,
    rebuild: Annotated[bool, Form()] = False,
    retry_failed: Annotated[bool, Form()] = False,
) -> Response:
    """Start an index job."""
    page.collection.indexing.start(rebuild=rebuild, retry_failed=retry_failed)
    return page.redirect("/documents")


@router.post("/documents/cancel")
def cancel(page: Changed) -> Response:
    """Cancel the index job."""
    page.collection.indexing.cancel()
    return page.redirect("/documents")


def _matches(one: IndexedDocument, find: str, wanted: dict[str, str]) -> bool:
    named = find.casefold() in f"{one.source} {one.title}".casefold()
    return named and all(getattr(one, key) == value for key, value in wanted.items() if value)


def _listed(matching: Sequence[IndexedDocument], number: int) -> Listed:
    last_number = max(-(-len(matching) // _ROWS), 1)
    number = min(number, last_number)
    first = (number - 1) * _ROWS
    shown = matching[first : first + _ROWS]
    return Listed(shown, number, first + bool(shown), first + len(shown), len(matching))


def _has(every: Sequence[IndexedDocument], status: str) -> bool:
    return any(one.status == status for one in every)


def _name(one: IndexedDocument) -> tuple[str, str]:
    return one.source.casefold(), one.source


def _size(one: IndexedDocument) -> tuple[int, str]:
    return one.size or 0, one.source
