"""What every page needs: its language, its collection, and the templates."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from ingest import RagError
from rag_app.server.collections import Collection
from rag_app.server.conversation_store import NoConversationError
from rag_app.server.indexing import JobState
from rag_app.server.pages.rendering import visible
from rag_app.server.pages.translations import Texts, preferred_language
from rag_app.server.requests import Caller, Readable, collections_of, status_of
from rag_app.server.security.access import Access
from rag_app.types import plain

STATIC = Path(__file__).with_name("static")
_SHOWN = 30  # conversations beside a page; chosen by hand


@dataclass(frozen=True, slots=True)
class Page:
    """A request for a page of a collection."""

    request: Request
    collection: Collection
    access: Access

    @property
    def texts(self) -> Texts:
        """The texts in the language of the browser."""
        return texts_of(self.request)

    @property
    def writable(self) -> bool:
        """Whether the caller may change the documents."""
        return self.access.may_write(self.collection.name)

    def url(self, path: str, **query: object) -> str:
        """Return an address of this collection."""
        given = {"collection": self.collection.name, **query}
        kept = {key: value for key, value in given.items() if value not in (None, "")}
        return f"{path}?{urlencode(kept)}"

    def render(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """Return a page, or a part of one."""
        readable = collections_of(self.request).readable_by(self.access)
        kept = self.collection.conversations.of(self.access.name)
        html = (
            _environment()
            .get_template(template)
            .render(
                page=self,
                url=self.url,
                t=self.texts,
                collection=self.collection,
                collections=[one.name for one in readable],
                conversations=[one for one in kept if one.title][:_SHOWN],
                running=self.collection.indexing.job.state is JobState.RUNNING,
                static=static_url,
                **values,
            )
        )
        return HTMLResponse(html, status)

    def redirect(self, path: str, anchor: str = "", **query: object) -> RedirectResponse:
        """Return the response to a form: go on to a page."""
        return RedirectResponse(self.url(path, **query) + anchor, 303)


def page_of(request: Request, collection: Readable, access: Caller) -> Page:
    """Return the request for a page."""
    return Page(request, collection, access)


def writable_page(page: Annotated[Page, Depends(page_of)]) -> Page:
    """Return the request for a page that changes documents, if the caller may."""
    if not page.writable:
        raise HTTPException(403, f"this token may not change '{page.collection.name}'")
    return page


Shown = Annotated[Page, Depends(page_of)]
Changed = Annotated[Page, Depends(writable_page)]


class PageRoute(APIRoute):
    """A route whose failures are shown as a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except HTTPException as error:
                return error_page(request, error.status_code, str(error.detail))
            except RequestValidationError as error:
                fields = ", ".join(str(one["loc"][-1]) for one in error.errors())
                return error_page(request, 422, fields)
            except (RagError, NoConversationError) as error:
                return error_page(request, status_of(error), str(error))

        return shown


def error_page(request: Request, status: int, detail: str) -> HTMLResponse:
    """Return the page of a failure."""
    html = (
        _environment()
        .get_template("error.html")
        .render(t=texts_of(request), status=status, detail=detail, static=static_url)
    )
    return HTMLResponse(html, status)


def texts_of(request: Request) -> Texts:
    """Return the texts in the language of a browser."""
    return Texts(preferred_language(request.headers.get("accept-language", "")))


def static_url(name: str) -> str:
    """Return the address of a file of ours."""
    return f"{static_path()}/{name}"


@cache
def static_path() -> str:
    """Return the path of our files, which changes with their content: browsers keep them."""
    content = (file.read_bytes() for file in sorted(STATIC.iterdir()))
    return f"/static/{sha256(b''.join(content)).hexdigest()[:10]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("rag_app.server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.globals.update(visible=visible, plain=plain)
    return environment


def _finalized(value: object) -> object:
    """Return what an expression shows: text without controls, HTML as it is."""
    return visible(value) if type(value) is str else value
