"""The question and chunks behind a prompt, passed to the chat model beside its text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import Field, InstanceOf

from rag_app.extractive.selection import Reading
from rag_app.types import ScoredChunk


@dataclass(frozen=True, slots=True)
class Evidence:
    """A question with the chunks in its prompt.

    Attributes:
        question: The question as asked.
        chunks: The chunks of the context, in its order; none where nothing can be quoted.
        reading: What the extractive model found in these chunks; None if unknown.
        fit: Returns the messages with as many chunks as fit into a model's window; None if the
            messages fit any model.
    """

    question: str
    chunks: Sequence[ScoredChunk]
    reading: Reading | None = None
    fit: Callable[[BaseChatModel], list[BaseMessage]] | None = None


class EvidenceMessage(HumanMessage):
    """The last message of a prompt, with its evidence, which is not sent to providers."""

    evidence: InstanceOf[Evidence] = Field(exclude=True, repr=False)


def with_evidence(messages: Sequence[BaseMessage], evidence: Evidence) -> list[BaseMessage]:
    """Return the messages of a prompt with evidence on the last one."""
    *before, last = messages
    return [*before, EvidenceMessage(content=last.content, evidence=evidence)]


def evidence_of(messages: Sequence[BaseMessage]) -> Evidence | None:
    """Return the evidence of the last human message, if it has any."""
    human = next((one for one in reversed(messages) if isinstance(one, HumanMessage)), None)
    return human.evidence if isinstance(human, EvidenceMessage) else None
