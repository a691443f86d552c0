"""The pages to ask and to read conversations; they show what the API returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, FastAPI, Form, HTTPException, Response
from fastapi.staticfiles import StaticFiles

from ingest import UNDETERMINED, RagError
from rag_app.server.answering import answered
from rag_app.server.api.conversations import Id, add_feedback
from rag_app.server.api.schemas import LONGEST_QUESTION, AskRequest, FeedbackRequest
from rag_app.server.conversation_store import StoredConversation
from rag_app.server.pages import document_pages, source_pages
from rag_app.server.pages.page_context import STATIC, Page, PageRoute, Shown, static_path
from rag_app.server.pages.shown_answers import ShownTurn, shown_turns
from rag_app.server.suggestions import suggested_questions

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_FILTERS = ("source", "type", "language", "since", "until")


def add_pages(app: FastAPI) -> None:
    """Add the pages and their static files to a server."""
    for one in (router, document_pages.router, source_pages.router):
        app.include_router(one)
    app.mount(static_path(), StaticFiles(directory=STATIC))


@router.get("/")
def start(page: Shown) -> Response:
    """Show an empty conversation, or what to do before there can be one."""
    documents = page.collection.documents()
    ready = any(one.chunks for one in documents)
    language = page.texts.language
    suggestions = suggested_questions(page.collection, language) if ready else []
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
    given = FeedbackRequest(conversation=id, turn=turn, helpful=helpful, note=note)
    add_feedback(given, page.collection, page.access)
    return page.redirect(f"/conversations/{id}", f"#turn-{turn}")


def _ask_page(
    page: Page,
    conversation: StoredConversation | None = None,
    turns: Sequence[ShownTurn] = (),
    suggestions: Sequence[str] = (),
    ready: bool = True,
) -> Response:
    documents = page.collection.documents()
    return page.render(
        "ask.html",
        conversation=conversation,
        turns=turns,
        suggestions=suggestions,
        ready=ready,
        types=sorted({one.type for one in documents if one.chunks}),
        languages=sorted({one.language for one in documents if one.chunks} - {UNDETERMINED}),
    )
