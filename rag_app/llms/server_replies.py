"""Reasoning, refusals and errors in responses, which LangChain drops or takes for text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage

from rag_app.llms.server_errors import ServerError, read_body

_REASONING = ("reasoning_content", "reasoning")


class ReportedError(Exception):
    """An error in a response with status 200, or in the middle of a stream."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(error.words)
        self.error = error


def keep_extras(message: BaseMessage, told: Mapping[str, Any]) -> None:
    """Keep the reasoning, under DeepSeek's name, and the refusal in ``additional_kwargs``.

    LangChain concatenates both over the chunks of a stream.
    """
    texts = [text for name in _REASONING if isinstance(text := told.get(name), str) and text]
    if texts:
        message.additional_kwargs["reasoning_content"] = texts[0]
    if isinstance(said := told.get("refusal"), str) and said:
        message.additional_kwargs["refusal"] = said


def has_begun(message: BaseMessage) -> bool:
    """Return whether the message has any content or reasoning."""
    return bool(message.content or message.additional_kwargs.get("reasoning_content"))


def check_reply(reply: Mapping[str, Any]) -> None:
    """Check the body of a response.

    Raises:
        ReportedError: It is an error, or has one in its choices.
    """
    choices = reply.get("choices") or ()
    error = reply.get("error") or (reply if reply.get("object") == "error" else None)
    if error and not choices:
        raise ReportedError(read_body(error))
    for choice in choices:
        _check_choice(choice)


def check_refusal(said: str | None) -> None:
    """Check that the model did not refuse to answer.

    Raises:
        ReportedError: It did, with the message ``said``.
    """
    if said:
        raise ReportedError(ServerError(None, said, code="refusal"))


def _check_choice(choice: Mapping[str, Any]) -> None:
    end = choice.get("finish_reason")
    if end == "error" or choice.get("error"):
        raise ReportedError(read_body(choice.get("error") or {}))
    if end == "content_filter":
        kinds = _filtered(choice.get("content_filter_results"))
        raise ReportedError(ServerError(None, kinds, code="content_filter"))


def _filtered(results: Any) -> str:
    found = results.items() if isinstance(results, Mapping) else ()
    return ", ".join(
        kind for kind, result in found if isinstance(result, Mapping) and result.get("filtered")
    )
