"""The pages: ask, a conversation, a source. They show what the API returns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, FastAPI, Form, HTTPException, Response
from fastapi.staticfiles import StaticFiles

from ingest import IndexMissingError, LoadError, PagePicture, RagError, UsageError
from rag_app.server.answering import answered
from rag_app.server.api_conversations import Id
from rag_app.server.api_schemas import AskRequest, LONGEST_QUESTION
from rag_app.server.api_sources import Offset, Source, view_of
from rag_app.server.feedback import FeedbackFile
from rag_app.server.page_context import STATIC, Page, PageRoute, Shown, static_path
from rag_app.server.shown_answers import shown_turns
from rag_app.server.suggestions import suggested_questions

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_FILTERS = ("source", "type", "language", "since", "until")


def add_pages(app: FastAPI) -> None:
    """Add the pages and their static files to a server."""
    from rag_app.server import pages_of_documents

    app.include_router(router)
    app.include_router(pages_of_documents.router)
    app.mount(static_path(), StaticFiles(directory=STATIC))


@router.get("/")
def start(page: Shown) -> Response:
    """Show an empty conversation, or what to do before there can be one."""
    documents = _documents(page)
    ready = any(one.chunks for one in documents)
    suggestions = []
    if ready:
        suggestions = suggested_questions(page.collection.app, page.texts.language)
    return _ask_page(page, suggestions=suggestions, ready=ready)


@router.post("/ask")
async def ask(
    page: Shown,
    question: Annotated[str, Form(min_length=1, max_length=LONGEST_QUESTION)],
    conversation: Annotated[str, Form(max_length=64)] = "",
    llm: Annotated[str, Form(max_length=300)] = "",
    prompt: Annotated[str, Form(max_length=300)] = "",
    source: Annotated[str, Form(max_length=300)] = "",
    type: Annotated[str, Form(max_length=300)] = "",
    language: Annotated[str, Form(max_length=300)] = "",
    since: Annotated[str, Form(max_length=300)] = "",
    until: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Answer the form of a browser without script, and show the conversation."""
    store, owner = page.collection.conversations, page.access.name
    values = zip(_FILTERS, (source, type, language, since, until), strict=True)
    id = conversation or store.create(owner).id
    asked = AskRequest(
        question=question,
        conversation=id,
        llm=llm or None,
        prompt=prompt or None,
        filter={key: value for key, value in values if value},
    )
    try:
        done = await answered(page.collection, page.access, asked)
    except RagError:
        if not conversation:
            store.delete(owner, id)
        raise
    return page.redirect(f"/conversations/{id}", f"#turn-{done.turn}")


@router.get("/conversations")
def conversations(page: Shown) -> Response:
    """Show every conversation of the caller."""
    every = page.collection.conversations.of(page.access.name)
    return page.render("conversations.html", every=[one for one in every if one.title])


@router.get("/conversations/{id}")
def conversation(id: Id, page: Shown) -> Response:
    """Show a conversation."""
    found, turns = page.collection.conversations.read(page.access.name, id)
    shown = shown_turns(page.collection.app, turns)
    return _ask_page(page, conversation=found, turns=shown)


@router.get("/conversations/{id}/turns/{n}")
def turn(id: Id, n: int, page: Shown) -> Response:
    """Show one turn, for the script."""
    found, turns = page.collection.conversations.read(page.access.name, id)
    if not 1 <= n <= len(turns):
        raise HTTPException(404, f"the conversation has {len(turns)} turns")
    shown = shown_turns(page.collection.app, turns[n - 1 : n], first=n)
    return page.render("turn_fragment.html", conversation=found, turns=shown)


@router.post("/conversations/{id}/rename")
def rename(
    id: Id, page: Shown, title: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Rename a conversation."""
    name = title.strip() or page.texts("untitled")
    page.collection.conversations.rename(page.access.name, id, name)
    return page.redirect(f"/conversations/{id}")


@router.post("/conversations/{id}/delete")
def delete(id: Id, page: Shown) -> Response:
    """Delete a conversation."""
    page.collection.conversations.delete(page.access.name, id)
    return page.redirect("/")


@router.post("/conversations/{id}/feedback")
def feedback(
    id: Id,
    page: Shown,
    turn: Annotated[int, Form(ge=1)],
    helpful: Annotated[bool, Form()],
    note: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """Keep a judgement of an answer."""
    _, turns = page.collection.conversations.read(page.access.name, id)
    if turn > len(turns):
        raise HTTPException(404, f"the conversation has {len(turns)} turns")
    kept: FeedbackFile = page.collection.feedback
    kept.add(page.access.name, turns[turn - 1].answer, helpful, note)
    return page.redirect(f"/conversations/{id}", f"#turn-{turn}")


@router.get("/source")
def source(
    page: Shown, source: Source, start: Offset, end: Offset, at: int | None = None
) -> Response:
    """Show a cited span in its source; ``at`` is another page of the PDF than the first cited."""
    view = view_of(page.collection, source, start, end)
    shown = at or (view.pages[0] if view.pages else 1)
    picture, problem, at = None, "", None
    if view.has_picture:
        try:
            drawn = page.collection.pictures.draw(
                page.collection.app.store, source, shown, start, end
            )
            picture = (round(drawn.width), round(drawn.height))
            at = _height_of_quote(drawn)
        except (UsageError, LoadError) as error:
            problem = str(error)
    return page.render(
        "source.html",
        view=view,
        shown=shown,
        picture=picture,
        at=at,
        problem=problem,
        last=_last_page(page, source) if picture else 0,
        quote="".join(part.text for line in view.lines for part in line.segments if part.marked),
    )


def _ask_page(page: Page, **values: object) -> Response:
    documents = _documents(page)
    known = {
        "types": sorted({one.type for one in documents if one.chunks}),
        "languages": sorted({one.language for one in documents if one.chunks} - {"und"}),
    }
    nothing = {"conversation": None, "turns": [], "suggestions": [], "ready": True}
    return page.render("ask.html", **{**nothing, **values}, **known)


def _documents(page: Page) -> list:
    try:
        return page.collection.app.documents()
    except IndexMissingError:
        return []


def _height_of_quote(picture: PagePicture) -> float | None:
    """Return how far down a page its first highlight is, from 0 to 1."""
    tops = [picture.height - box.top for box in picture.boxes]
    return round(min(tops) / picture.height, 3) if tops else None


def _last_page(page: Page, source: str) -> int:
    document = page.collection.app.document(source)
    places = document.places if document else ()
    return max((place.page for place in places if place.page is not None), default=0)
