"""The bodies of our API, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ingest import IndexedDocument, IndexStatus
from rag_app.server.indexing import JobState
from rag_app.types import Answer, Citation, ScoredChunk

LONGEST_QUESTION = 8_000  # characters; chosen by hand
_TEXT = StringConstraints(min_length=1, max_length=LONGEST_QUESTION)
_NAME = StringConstraints(min_length=1, max_length=300)

Name = Annotated[str, _NAME]
Question = Annotated[str, _TEXT]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Why a request was not carried out."""

    detail: str


class SearchRequest(_Body):
    """A question to retrieve chunks for."""

    question: Question
    filter: dict[Name, Name] = Field(
        {}, max_length=10, description="source, type, language, since, until, or a metadata key"
    )
    top_k: int | None = Field(None, ge=1, le=100)


class AskRequest(SearchRequest):
    """A question to answer."""

    conversation: Name | None = Field(
        None, description="id of a conversation, which the question continues"
    )
    llm: Name | None = Field(None, description="one of the models of /api/status")
    prompt: Name | None = Field(None, description="one of the prompts of /api/status")


class ChunkRecord(BaseModel):
    """A retrieved chunk."""

    source: str
    page: int | None
    location: str | None
    start: int
    end: int
    text: str
    score: float
    dense: float
    lexical: float

    @classmethod
    def of(cls, chunk: ScoredChunk) -> ChunkRecord:
        """Return the record of a chunk."""
        return cls(**chunk.to_record())


class AnswerRecord(BaseModel):
    """An answer with its evidence; see ``rag_app.Answer``."""

    question: str
    answer: str
    abstained: bool
    nearest: list[Citation]
    citations: list[Citation]
    unsupported: list[str]
    conflicts: list[list[int]]
    retrieval_confidence: float | None
    llm: str
    usage: dict[str, float]
    timings: dict[str, float]

    @classmethod
    def of(cls, answer: Answer) -> AnswerRecord:
        """Return the record of an answer."""
        return cls.model_validate(answer.to_record())


class KeptAnswerRecord(AnswerRecord):
    """An answer; of a conversation with its id and the number of the turn, from 1."""

    conversation: str | None = None
    turn: int | None = None


class TurnRecord(BaseModel):
    """A turn of a conversation; ``condensed`` is the question as it was searched for."""

    question: str
    condensed: str
    answer: AnswerRecord


class ConversationSummary(BaseModel):
    """A conversation without its turns."""

    id: str
    title: str
    changed: str


class ConversationRecord(ConversationSummary):
    """A conversation."""

    turns: list[TurnRecord]


class RenameRequest(_Body):
    """The new title of a conversation."""

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class FeedbackRequest(_Body):
    """A judgement of an answer of a conversation."""

    conversation: Name
    turn: int = Field(ge=1)
    helpful: bool
    note: str = Field("", max_length=2_000)


class DocumentList(BaseModel):
    """The documents of a collection, and how much of its folder was read."""

    documents: list[IndexedDocument]
    files: float = Field(description="share of the files with text in the index, 0 to 1")
    characters: float = Field(description="share of their characters, 0 to 1")


class UploadResult(BaseModel):
    """The sources of the uploaded files; the index job that reads them has begun."""

    sources: list[str]


class IndexRequest(_Body):
    """How to sync the index with its folder."""

    rebuild: bool = False
    retry_failed: bool = False


class JobRecord(BaseModel):
    """The last index job; ``progress`` and ``report`` as ``rag index --json`` has them."""

    state: JobState
    progress: dict[str, Any] | None
    report: dict[str, Any] | None
    error: str


class ModelRecord(BaseModel):
    """A chat model that can be chosen, and the hosts that text is sent to; empty if none is."""

    name: str
    destinations: list[str]


class CollectionRecord(BaseModel):
    """A collection, and whether the caller may change its documents."""

    name: str
    writable: bool


class StatusRecord(BaseModel):
    """A collection, what it holds, and what can be chosen; ``index`` is null without an index."""

    version: str
    collection: str
    collections: list[CollectionRecord]
    index: IndexStatus | None
    job: JobState
    models: list[ModelRecord]
    prompts: list[str]
