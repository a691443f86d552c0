"""The page of a source: a cited span in its document, on the page of a PDF if it has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Response

from ingest import LoadError, PagePicture, UsageError
from rag_app.server.api.sources import Offset, Source, view_of
from rag_app.server.pages.page_context import Page, PageRoute, Shown
from rag_app.server.source_views.source_view import LONGEST_VIEW, SourceView

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page of a PDF that is shown as a picture.

    Attributes:
        number: Its number, from 1.
        last: Number of the last page.
        width: Width in points.
        height: Height in points.
        at: How far down the first highlight is, 0 to 1; None if there is none.
        problem: Why it is not shown; empty if it is.
    """

    number: int
    last: int = 0
    width: int = 0
    height: int = 0
    at: float | None = None
    problem: str = ""


@router.get("/source")
def source(
    page: Shown,
    source: Source,
    start: Offset = 0,
    end: Offset | None = None,
    at: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Response:
    """Show a cited span in its source, or without an end a document from its beginning.

    ``at`` is another page of the PDF than the first cited.
    """
    cited = end is not None
    view = view_of(page.collection, source, start, _most_of(page, source) if end is None else end)
    quote = (part.text for line in view.lines for part in line.segments if part.marked)
    sheet = _sheet(page, view, at or view.pages[0], cited) if view.has_picture else None
    return page.render(
        "source.html",
        view=view,
        sheet=sheet,
        quote="".join(quote) if cited else "",
        cited=cited,
        span={"start": view.start, "end": view.end} if cited else {},
    )


def _most_of(page: Page, source: str) -> int:
    """Return the end of a document, or of as much of it as a view shows."""
    document = page.collection.app.document(source)
    return min(len(document.text), LONGEST_VIEW) if document else 1


def _sheet(page: Page, view: SourceView, number: int, cited: bool) -> Sheet:
    store = page.collection.app.store
    span = (view.start, view.end) if cited else (0, 0)
    try:
        picture = page.collection.pictures.draw(store, view.source, number, *span)
    except (UsageError, LoadError) as error:
        return Sheet(number, problem=str(error))
    last = _last_page(page, view.source)
    return Sheet(number, last, round(picture.width), round(picture.height), _height_of(picture))


def _height_of(picture: PagePicture) -> float | None:
    tops = [picture.height - box.top for box in picture.boxes]
    return round(min(tops) / picture.height, 3) if tops else None


def _last_page(page: Page, source: str) -> int:
    document = page.collection.app.document(source)
    places = document.places if document else ()
    return max((place.page for place in places if place.page is not None), default=0)
