"""``/api/conversations`` and ``/api/feedback``: what a caller asked, and thought of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi import Path as PathParameter

from rag_app.conversation import Turn
from rag_app.server.api.schemas import (
    AnswerRecord,
    ConversationRecord,
    ConversationSummary,
    FeedbackRequest,
    RenameRequest,
    TurnRecord,
)
from rag_app.server.conversation_store import StoredConversation
from rag_app.server.requests import Caller, Readable, problems
from rag_app.types import markdown, markdown_text

router = APIRouter(prefix="/api", tags=["conversations"])

Id = Annotated[str, PathParameter(max_length=64)]
Format = Annotated[Literal["json", "markdown"], Query(description="of the file")]


@router.get("/conversations", responses=problems())
def list_conversations(collection: Readable, access: Caller) -> list[ConversationSummary]:
    """Return the caller's conversations, the last changed first."""
    return [_summary(one) for one in collection.conversations.of(access.name)]


@router.post("/conversations", status_code=201, responses=problems())
def create_conversation(collection: Readable, access: Caller) -> ConversationSummary:
    """Begin a conversation; ``/api/ask`` continues it."""
    return _summary(collection.conversations.create(access.name))


@router.get("/conversations/{id}", responses=problems())
def read_conversation(id: Id, collection: Readable, access: Caller) -> ConversationRecord:
    """Return a conversation with its answers and citations."""
    return conversation_record(*collection.conversations.read(access.name, id))


@router.patch("/conversations/{id}", responses=problems())
def rename_conversation(
    id: Id, new: RenameRequest, collection: Readable, access: Caller
) -> ConversationSummary:
    """Rename a conversation."""
    return _summary(collection.conversations.rename(access.name, id, new.title))


@router.delete("/conversations/{id}", status_code=204, responses=problems())
def delete_conversation(id: Id, collection: Readable, access: Caller) -> None:
    """Delete a conversation."""
    collection.conversations.delete(access.name, id)


@router.get(
    "/conversations/{id}/export",
    response_class=Response,
    responses=problems()
    | {200: {"content": {"application/json": {}, "text/markdown": {}}, "description": "A file"}},
)
def export_conversation(
    id: Id, collection: Readable, access: Caller, format: Format = "json"
) -> Response:
    """Return a conversation as a file, with its citations."""
    found, turns = collection.conversations.read(access.name, id)
    if format == "json":
        record = conversation_record(found, turns).model_dump(mode="json")
        text, kind = json.dumps(record, ensure_ascii=False, indent=1) + "\n", "application/json"
    else:
        text, kind = _markdown(found, turns), "text/markdown"
    name = f"conversation-{id[:8]}.{'json' if format == 'json' else 'md'}"
    header = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=f"{kind}; charset=utf-8", headers=header)


@router.post("/feedback", status_code=204, responses=problems(400))
def add_feedback(given: FeedbackRequest, collection: Readable, access: Caller) -> None:
    """Keep a judgement of an answer in the collection's ``feedback.jsonl``."""
    _, turns = collection.conversations.read(access.name, given.conversation)
    if given.turn > len(turns):
        raise HTTPException(404, f"the conversation has {len(turns)} turns")
    answer = turns[given.turn - 1].answer
    collection.feedback.add(access.name, answer, given.helpful, given.note)


def conversation_record(found: StoredConversation, turns: list[Turn]) -> ConversationRecord:
    """Return the record of a conversation with its turns."""
    return ConversationRecord(
        **asdict(found),
        turns=[
            TurnRecord(
                question=turn.question,
                condensed=turn.condensed,
                answer=AnswerRecord.of(turn.answer),
            )
            for turn in turns
        ],
    )


def _summary(found: StoredConversation) -> ConversationSummary:
    return ConversationSummary(**asdict(found))


def _markdown(found: StoredConversation, turns: list[Turn]) -> str:
    parts = [f"# {markdown_text(found.title)}"]
    for turn in turns:
        parts += [f"## {markdown_text(turn.question)}", markdown(turn.answer)]
    return "\n\n".join(parts) + "\n"
